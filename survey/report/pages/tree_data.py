"""The dendrogram of a galaxy for its page: lines to draw, and the decisions of the walk."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survey.report.pages.numbers import rounded
from survey.report.tree import SHOWN_LEAVES, WALK_PURITY, branch_colors, cut_level, link_middles


def tree_data(
    tree: NDArray[np.float64],
    labels: NDArray[np.integer],
    cut: dict[str, Any],
    splits: pd.DataFrame,
) -> dict[str, Any]:
    """What the page draws of a tree.

    Parameters
    ----------
    tree : (n - 1, 4) array
        Linkage, in SciPy's format.
    labels : (n,) array of int
        The cluster of every leaf, from 1.
    cut : dict
        The record of the cut: `k`, `criterion`, `curve`.
    splits : DataFrame
        Rows of the table of that name, which has some after a walk.

    Returns
    -------
    dict
        `x`, `y` (four corners of every link), `color` of the links, `sizes` under the leaves,
        `level` of a cut at one height, `curve` of the criteria, and `decisions` with the place of
        each that is drawn.
    """  # fmt: skip
    from scipy.cluster.hierarchy import dendrogram  # slow to load

    is_walk = cut["criterion"] == "walk"
    colors = branch_colors(tree, labels, purity=WALK_PURITY if is_walk else 1.0)
    drawn = dendrogram(
        tree, p=SHOWN_LEAVES, truncate_mode="lastp", no_plot=True,
        link_color_func=lambda node: colors[node - len(tree) - 1],
    )  # fmt: skip
    tops = link_middles(drawn)
    return {
        "x": [[rounded(value) for value in link] for link in drawn["icoord"]],
        "y": [[rounded(value) for value in link] for link in drawn["dcoord"]],
        "color": list(drawn["color_list"]),
        "sizes": [text.strip("()") if text.startswith("(") else "1" for text in drawn["ivl"]],
        "level": None if is_walk else rounded(cut_level(tree[:, 2], cut["k"])),
        "curve": cut["curve"],
        "decisions": [
            {
                "step": row["step"],
                "accepted": bool(row["accepted"]),
                "left": int(row["n_left"]),
                "right": int(row["n_right"]),
                "shape": rounded(row["shape"]),
                "meaning": row["meaning"],
                "x": rounded(tops.get(row["height"], np.nan)),
                "y": rounded(row["height"]),
            }
            for row in splits.to_dict("records")
        ],
    }
