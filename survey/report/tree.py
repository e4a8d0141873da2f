"""What figures and pages of a dendrogram share: its size, its colours, the height of its cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.report.palette import cluster_colors

SHOWN_LEAVES = 40
"""The last merges; below them a dendrogram of thousands of spaxels is a black bar."""

ABOVE_CUT = "#999999"

WALK_PURITY = 0.9
"""A branch has the colour of a cluster of the walk if so much of it belongs to the cluster."""


def branch_colors(
    tree: NDArray[np.float64], labels: NDArray[np.integer], *, purity: float = 1.0
) -> list[str]:
    """For every merge the colour of the cluster that has at least `purity` of it, or grey."""
    n, n_cluster = len(labels), int(labels.max())
    palette = cluster_colors(n_cluster)
    counts = np.zeros((2 * n - 1, n_cluster), dtype=np.int64)
    counts[np.arange(n), labels - 1] = 1
    colors = []
    for merge, (left, right) in enumerate(tree[:, :2].astype(int)):
        counts[n + merge] = counts[left] + counts[right]
        most = int(counts[n + merge].argmax())
        is_one = counts[n + merge, most] >= purity * counts[n + merge].sum()
        colors.append(palette[most] if is_one else ABOVE_CUT)
    return colors


def link_middles(drawn: Mapping[str, Any]) -> dict[float, float]:
    """Where the links of a dendrogram that SciPy has drawn are, by their heights."""
    return {
        link[1]: float(np.mean(x[1:3]))
        for link, x in zip(drawn["dcoord"], drawn["icoord"], strict=True)
    }


def cut_level(heights: NDArray[np.float64], k: int) -> float:
    """Half way between the last merge that is made and the first that is not."""
    if k == 1:
        return float(heights[-1]) * 1.02
    return float(heights[-k:][:2].mean())
