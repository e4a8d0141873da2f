"""Figures of the importances of predictors and the scores of classes.

Importances are drawn as in figure 3 of Hermosa Munoz et al. Scores are drawn side by side for the
three ways of measuring them.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from survey.report.diagnostic_diagrams import ratio_label
from survey.report.palette import cluster_colors

MOST_SHOWN = 24
BARS = {
    "importance": "share of importance",
    "permutation": "fall of the right probability when shuffled",
}


def draw_importances(importances: pd.DataFrame, path: Path, *, stamp: str = "") -> None:
    """Write the importances with their errors as PNG, a row of panels for every method.

    Parameters
    ----------
    importances : DataFrame
        The table of this name.
    path : Path
        The file to write.
    stamp : str
        Key of the result that the figure is drawn from; kept in the file as its `Source`.
    """
    methods = list(dict.fromkeys(importances["method"]))
    most = min(MOST_SHOWN, int(importances["method"].value_counts().max()))
    figure, grid = plt.subplots(
        len(methods), 2, figsize=(11, len(methods) * (1.2 + 0.27 * most)), sharey="row",
        squeeze=False, layout="constrained",
    )  # fmt: skip
    for panels, method in zip(grid, methods, strict=True):
        of_method = importances[importances["method"] == method]
        shown = of_method.sort_values("importance", ascending=False).head(MOST_SHOWN)[::-1]
        for axes, (column, label), color in zip(
            panels, BARS.items(), cluster_colors(2), strict=True
        ):
            axes.barh(
                [ratio_label(name) for name in shown["predictor"]], shown[column],
                xerr=shown[f"{column}_std"], color=color,
                error_kw={"linewidth": 0.9, "capsize": 2},
            )  # fmt: skip
            axes.axvline(0, color="black", linewidth=0.6)
            axes.set_xlabel(f"{method}: {label}")
    figure.savefig(path, dpi=130, metadata={"Source": stamp})
    plt.close(figure)


def draw_scores(scores: pd.DataFrame, path: Path, *, stamp: str = "") -> None:
    """Write confusion and reliability by method, in-sample, out-of-bag and with galaxies held out.

    Parameters are as in `draw_importances`, the table is `scores`.
    """
    ways = list(dict.fromkeys(zip(scores["method"], scores["measured"], strict=True)))
    figure, grid = plt.subplots(
        2, len(ways), figsize=(4.1 * len(ways), 7.6), squeeze=False, layout="constrained"
    )
    for (upper, lower), (method, way) in zip(grid.T, ways, strict=True):
        of_way = (scores["method"] == method) & (scores["measured"] == way)
        rows = scores[of_way].set_index("class")
        rows = rows.loc[rows["classes"].iloc[0].split()]
        accuracy, guess = (
            rows[name].iloc[0] for name in ("balanced_accuracy", "balanced_majority")
        )
        known = "not measured" if np.isnan(accuracy) else f"{accuracy:.2f} (a guess: {guess:.2f})"
        upper.set_title(
            f"{method}, {way}\nbalanced accuracy {known}, n = {rows['n'].sum()}", fontsize=10
        )
        draw_confusion(upper, rows)
        draw_reliability(lower, rows)
    figure.savefig(path, dpi=130, metadata={"Source": stamp})
    plt.close(figure)


def draw_confusion(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw labels against classes found; `rows` of `scores` by class."""
    counts = np.stack(rows["confusion"].tolist())
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (i, j), count in np.ndenumerate(counts):
        color = "white" if share[i, j] > 0.5 else "black"
        axes.text(j, i, str(count), ha="center", va="center", color=color)
    axes.set_xticks(range(len(rows)), rows.index)
    axes.set_yticks(range(len(rows)), rows.index)
    axes.set_xlabel("class found")
    axes.set_ylabel("label")


def draw_reliability(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw fractions found right against probabilities; sizes of points go with counts."""
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
    for (name, row), color in zip(rows.iterrows(), cluster_colors(len(rows)), strict=True):
        if not row["n"]:  # no cluster has this label: there is nothing to be right about
            continue
        count = np.asarray(row["reliability_count"], dtype=float)
        axes.plot(row["reliability_p"], row["reliability_fraction"], color=color, linewidth=1,
                  label=name)  # fmt: skip
        axes.scatter(
            row["reliability_p"], row["reliability_fraction"],
            s=12 + 160 * count / max(count.sum(), 1), color=color,
        )  # fmt: skip
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("probability")
    axes.set_ylabel("fraction of this label")
    if rows["n"].any():
        axes.legend(fontsize=8)
