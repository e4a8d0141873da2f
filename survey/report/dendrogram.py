"""The dendrogram of one galaxy with its cut, and why it is cut there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram

from catalogs.printable import printable
from survey.report.tree import SHOWN_LEAVES, WALK_PURITY, branch_colors, cut_level, link_middles

MARKERS = {True: ("o", "#1a7f37", "accepted"), False: ("x", "#b42318", "rejected")}
SHOWN_DECISIONS = 14


def draw_tree(
    name: str,
    tree: NDArray[np.float64],
    labels: NDArray[np.integer],
    cut: Mapping[str, Any],
    splits: pd.DataFrame,
    path: Path,
    *,
    stamp: str = "",
) -> None:
    """Write dendrogram and criterion of one galaxy as PNG.

    Parameters
    ----------
    name : str
        The galaxy.
    tree : (n - 1, 4) array
        Linkage, in SciPy's format.
    labels : (n,) array of int
        The cluster of every leaf, from 1; its branch has that cluster's colour.
    cut : mapping
        `k`, `criterion`, `runner_up`, and `curve`: of every index its values by k, with the ks
        under "k".
    splits : DataFrame
        Rows of the table of that name, which has some after a walk.
    path : Path
        The file to write.
    stamp : str
        Key of the result that the figure is drawn from; kept in the file as its `Source`.
    """
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(12, 4.2), width_ratios=(1.6, 1), layout="constrained"
    )
    is_walk = cut["criterion"] == "walk"
    colors = branch_colors(tree, labels, purity=WALK_PURITY if is_walk else 1.0)
    drawn = _draw_dendrogram(left, tree, colors)
    if is_walk:
        _mark_splits(left, drawn, splits)
        _list_decisions(right, splits)
    else:
        level = cut_level(tree[:, 2], cut["k"])
        left.axhline(level, color="black", linestyle="--", linewidth=0.9)
        _draw_criterion(right, cut)
    figure.suptitle(
        f"{printable(name)}   k = {cut['k']}   criterion: {cut['criterion']}", fontsize=11
    )
    figure.savefig(path, dpi=130, metadata={"Source": stamp})
    plt.close(figure)


def _draw_dendrogram(
    axes: Axes, tree: NDArray[np.float64], colors: Sequence[str]
) -> Mapping[str, Any]:
    """Draw the tree with a colour for every merge; returns what SciPy says of the drawing."""
    with plt.rc_context({"lines.linewidth": 0.8}):
        drawn: Mapping[str, Any] = dendrogram(
            tree,
            ax=axes,
            p=SHOWN_LEAVES,
            truncate_mode="lastp",
            link_color_func=lambda node: colors[node - len(tree) - 1],
            show_contracted=True,
            leaf_font_size=6,
            leaf_rotation=90,
        )
    axes.set_ylabel("linkage height")
    axes.set_xlabel("(spaxels below)")
    return drawn


def _mark_splits(axes: Axes, drawn: Mapping[str, Any], splits: pd.DataFrame) -> None:
    """A sign on every split that was tested and is shown."""
    tops = link_middles(drawn)
    shown = splits[(splits["step"] == "split") & splits["height"].isin(tops)]
    for accepted, (marker, color, name) in MARKERS.items():
        heights = shown["height"][shown["accepted"] == accepted]
        axes.scatter(
            heights.map(tops), heights, marker=marker, color=color, s=22,
            zorder=3, linewidths=1.2, label=f"split {name}",
        )  # fmt: skip
    axes.legend(fontsize=7, loc="upper left")


def _list_decisions(axes: Axes, splits: pd.DataFrame) -> None:
    """The largest decisions in words: sizes of the two sides, difference, and what it means."""
    axes.axis("off")
    smaller = splits[["n_left", "n_right"]].min(axis=1)
    chosen = splits.loc[smaller.nlargest(SHOWN_DECISIONS).index.sort_values()]
    lines = [
        f"{'+' if row['accepted'] else '-'} {row['step']:5} {row['n_left']:>5} | "
        f"{row['n_right']:<5} {100 * row['shape']:4.1f}%  {row['meaning']}"
        for row in chosen.to_dict("records")
    ]
    head = f"decisions (the {len(lines)} largest of {len(splits)}): spaxels, difference of shape"
    axes.text(
        0.0, 1.0, "\n".join([head, *lines]), fontsize=6.2, family="monospace", va="top",
        transform=axes.transAxes,
    )  # fmt: skip


def _draw_criterion(axes: Axes, cut: Mapping[str, Any]) -> None:
    curve = dict(cut["curve"])
    ks = curve.pop("k", [])
    for name, values in curve.items():
        known = np.array([np.nan if v is None else v for v in values], dtype=float)
        span = np.nanmax(known) - np.nanmin(known) if np.isfinite(known).any() else 0.0
        scaled = (known - np.nanmin(known)) / span if span > 0 else known * 0.0
        axes.plot(ks, scaled, marker="o", markersize=3.5, linewidth=1, label=name)
    axes.axvline(cut["k"], color="black", linestyle="--", linewidth=0.9, label="chosen")
    if cut.get("runner_up"):
        axes.axvline(cut["runner_up"], color="0.6", linestyle=":", linewidth=0.9, label="runner-up")
    axes.set_xlabel("number of clusters k")
    axes.set_ylabel("index, scaled to its range")
    axes.legend(fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.16))
