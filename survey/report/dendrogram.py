"""The dendrogram of one galaxy with its cut, and the curve of the criterion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram

from survey.report.palette import cluster_colors

NOTES = {"mean_rank": "mean rank (lowest is chosen)", "stability": "stability (has no vote)"}

SHOWN_LEAVES = 40
"""The last merges; below them a dendrogram of thousands of spaxels is a black bar."""

ABOVE_CUT = "#999999"


def draw_tree(
    name: str,
    tree: NDArray[np.float64],
    labels: NDArray[np.integer],
    cut: Mapping[str, Any],
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
        `k`, `criterion`, `runner_up`, and `curve`: for every index its values by k, with
        the ks under "k".
    path : Path
        The file to write.
    stamp : str
        Key of the result that the figure is drawn from; kept in the file as its `Source`.
    """
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(12, 4.2), width_ratios=(1.6, 1), layout="constrained"
    )
    _draw_dendrogram(left, tree, labels, cut["k"])
    _draw_criterion(right, cut)
    figure.suptitle(f"{name}   k = {cut['k']}   criterion: {cut['criterion']}", fontsize=11)
    figure.savefig(path, dpi=130, metadata={"Source": stamp})
    plt.close(figure)


def _draw_dendrogram(
    axes: Axes, tree: NDArray[np.float64], labels: NDArray[np.integer], k: int
) -> None:
    level = _cut_level(tree[:, 2], k)
    colors = branch_colors(tree, labels, k)
    with plt.rc_context({"lines.linewidth": 0.8}):
        dendrogram(
            tree,
            ax=axes,
            p=SHOWN_LEAVES,
            truncate_mode="lastp",
            link_color_func=lambda node: colors[node - len(labels)],
            show_contracted=True,
            leaf_font_size=6,
            leaf_rotation=90,
        )
    axes.axhline(level, color="black", linestyle="--", linewidth=0.9)
    axes.set_ylabel("linkage height")
    axes.set_xlabel("(spaxels below)")


def branch_colors(tree: NDArray[np.float64], labels: NDArray[np.integer], k: int) -> list[str]:
    """For every merge the colour of the cluster it is part of; those above the cut are grey."""
    palette = cluster_colors(int(labels.max()))
    below = np.concatenate([labels, np.zeros(len(tree), dtype=labels.dtype)])
    colors = []
    for merge, left in enumerate(tree[:, 0].astype(int)):
        below[len(labels) + merge] = below[left]
        in_cluster = merge < len(tree) - (k - 1)
        colors.append(palette[below[left] - 1] if in_cluster else ABOVE_CUT)
    return colors


def _cut_level(heights: NDArray[np.float64], k: int) -> float:
    """Half way between the last merge that is made and the first that is not."""
    if k == 1:
        return float(heights[-1]) * 1.02
    return float(heights[-k:][:2].mean())


def _draw_criterion(axes: Axes, cut: Mapping[str, Any]) -> None:
    curve = dict(cut["curve"])
    ks = curve.pop("k", [])
    for name, values in curve.items():
        known = np.array([np.nan if v is None else v for v in values], dtype=float)
        span = np.nanmax(known) - np.nanmin(known) if np.isfinite(known).any() else 0.0
        scaled = (known - np.nanmin(known)) / span if span > 0 else known * 0.0
        axes.plot(ks, scaled, marker="o", markersize=3.5, linewidth=1, label=NOTES.get(name, name))
    axes.axvline(cut["k"], color="black", linestyle="--", linewidth=0.9, label="chosen")
    if cut.get("runner_up"):
        axes.axvline(cut["runner_up"], color="0.6", linestyle=":", linewidth=0.9, label="runner-up")
    axes.set_xlabel("number of clusters k")
    axes.set_ylabel("index, scaled to its range")
    axes.legend(fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.16))
