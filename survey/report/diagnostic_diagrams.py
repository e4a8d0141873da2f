"""Planes of two log ratios with the clusters of a survey and the contours of their classes.

After figures 4 and 5 of Hermosa Munoz et al. If a model predicted the classes, after figure 7: the
contours are those of its training clusters, and the shapes of the points stand for galaxies. The
colour of a cluster is a mixture of the colours of the classes, by their probabilities; without
classes it is the colour on the maps. Limits are arrows. Optical planes have the published
demarcation lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from catalogs.class_columns import OF_MODEL
from catalogs.reference import Reference, packaged_reference
from survey.classes.ratios import Limit
from survey.report.demarcations import (
    LINE_STYLES,
    LineStyle,
    demarcation_handles,
    draw_demarcations,
    plane_frame,
)
from survey.report.palette import cluster_colors

UNCLASSIFIED_COLOR = "#bbbbbb"
ARROW_INCHES = 0.22
COLUMNS = 2
MARGIN = 0.08
MARKERS = "osD^vPX*"
"""Markers of the galaxies of an overlay; more galaxies than markers share one."""


def draw_planes(
    clusters: pd.DataFrame,
    contours: pd.DataFrame,
    classes: Sequence[str],
    planes: Sequence[tuple[str, str]],
    path: Path,
    *,
    stamp: str = "",
    reference: Reference | None = None,
) -> None:
    """Write the planes of a classification as one PNG.

    Parameters
    ----------
    clusters, contours : DataFrame
        The tables `clusters` and `diagrams`.
    classes : sequence of str
    planes : sequence of (x, y)
        Names of ratios.
    path : Path
        The file to write.
    stamp : str
        Key of the result that the figure is drawn from; kept in the file as its `Source`.
    reference : Reference, optional
        Names and published lines; the packaged ones if not given.
    """
    columns = min(COLUMNS, len(planes))
    rows = -(-len(planes) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(6 * columns, 4.9 * rows), squeeze=False, layout="constrained"
    )
    contours = drawn_contours(contours)
    for axes, plane in zip(grid.flat, planes, strict=False):
        draw_plane(axes, clusters, contours, classes, plane, reference)
    for axes in grid.flat[len(planes) :]:
        axes.set_axis_off()
    handles = _legend(clusters, classes, contours) + demarcation_handles(planes, reference)
    grid.flat[0].legend(handles=handles, fontsize=8, loc="best")
    figure.savefig(path, dpi=130, metadata={"Source": stamp})
    plt.close(figure)


def draw_plane(
    axes: Axes,
    clusters: pd.DataFrame,
    contours: pd.DataFrame,
    classes: Sequence[str],
    plane: tuple[str, str],
    reference: Reference | None = None,
) -> None:
    """Draw the clusters, contours and demarcation lines of one plane."""
    here = contours[(contours["x_ratio"] == plane[0]) & (contours["y_ratio"] == plane[1])]
    _draw_contours(axes, here, classes, _styles(contours))
    x, y = _draw_clusters(axes, clusters, contours, classes, plane)
    if _are_of_model(contours):
        x, y = (np.concatenate([v, *here[axis]]) for v, axis in ((x, "x"), (y, "y")))
    if (frame := plane_frame(plane, reference)) is not None:
        x, y = (np.append(values, ends) for values, ends in zip((x, y), frame, strict=True))
    _frame(axes, x, y)
    draw_demarcations(axes, plane, reference)
    axes.set_xlabel(f"log {ratio_label(plane[0], reference)}")
    axes.set_ylabel(f"log {ratio_label(plane[1], reference)}")


def _draw_clusters(
    axes: Axes,
    clusters: pd.DataFrame,
    contours: pd.DataFrame,
    classes: Sequence[str],
    plane: tuple[str, str],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw the clusters that have a place in the plane, and return these places."""
    x, y = (clusters[f"log_{name}"].to_numpy(float) for name in plane)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    xerr, yerr = (clusters[f"logerr_{name}"].to_numpy(float)[known] for name in plane)
    limits = [clusters[f"loglimit_{name}"].fillna(0).to_numpy(int)[known] for name in plane]
    is_limit = (limits[0] | limits[1]) > 0
    colors = point_colors(clusters, classes)[known]
    axes.errorbar(x, y, yerr, xerr, fmt="none", ecolor="0.6", elinewidth=0.6, zorder=2)
    for marker, members in _markers(clusters, contours):
        own = members[known] & ~is_limit
        axes.scatter(x[own], y[own], c=colors[own], s=42, marker=marker, edgecolors="black",
                     linewidths=0.5, zorder=3)  # fmt: skip
    axes.scatter(x[is_limit], y[is_limit], c=colors[is_limit], s=14, zorder=3)
    _draw_arrows(axes, x, y, limits, colors)
    if _are_as_on_the_map(clusters, classes):
        for number, place in zip(clusters["cluster"][known], zip(x, y, strict=True), strict=True):
            axes.annotate(str(number), place, (5, 4), textcoords="offset points", fontsize=7)
    return x, y


def point_colors(clusters: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.float64]:
    """RGB colours (N, 3): of the classes, or of the clusters on the map of a single galaxy."""
    if classes:
        return mixed_colors(clusters, classes)
    if _are_as_on_the_map(clusters, classes):
        colors = cluster_colors(int(clusters["cluster"].max()))
        return np.array([to_rgb(colors[number - 1]) for number in clusters["cluster"]])
    return np.tile(to_rgb(UNCLASSIFIED_COLOR), (len(clusters), 1))


def _are_as_on_the_map(clusters: pd.DataFrame, classes: Sequence[str]) -> bool:
    return not classes and clusters["galaxy"].nunique() == 1


def mixed_colors(clusters: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.float64]:
    """RGB colours (N, 3) of clusters by the probabilities of their classes."""
    palette = np.array([to_rgb(color) for color in cluster_colors(len(classes))])
    p = clusters[[f"p_{name}" for name in classes]].to_numpy(float)
    without = np.isnan(p).any(axis=1, keepdims=True)
    return np.where(without, to_rgb(UNCLASSIFIED_COLOR), np.clip(np.nan_to_num(p) @ palette, 0, 1))


def ratio_label(name: str, reference: Reference | None = None) -> str:
    """A ratio as people write it, `[Ne III] / [Ne II]`."""
    reference = reference or packaged_reference()
    labels = {line.name: line.label for line in reference.lines}
    labels |= {band.name: band.label for band in reference.bands}
    return " / ".join(
        " + ".join(labels.get(feature, feature) for feature in term.split("+"))
        for term in name.split("/")
    )


def drawn_contours(contours: pd.DataFrame) -> pd.DataFrame:
    """The contours of the model, where there is one; else those of the clusters themselves."""
    of_model = contours["origin"] == OF_MODEL
    return contours[of_model] if of_model.any() else contours


def _are_of_model(contours: pd.DataFrame) -> bool:
    return bool((contours["origin"] == OF_MODEL).any())


def _markers(clusters: pd.DataFrame, contours: pd.DataFrame) -> list[tuple[str, NDArray[np.bool_]]]:
    """Markers and the clusters that have them: one for all, or one for every new galaxy."""
    galaxies = clusters["galaxy"].unique()
    if not _are_of_model(contours) or len(galaxies) > len(MARKERS):
        return [(MARKERS[0], np.ones(len(clusters), bool))]
    members = [(clusters["galaxy"] == galaxy).to_numpy() for galaxy in galaxies]
    return list(zip(MARKERS, members, strict=False))


def _draw_contours(
    axes: Axes, here: pd.DataFrame, classes: Sequence[str], style: dict[float, LineStyle]
) -> None:
    color = dict(zip(classes, cluster_colors(len(classes)), strict=True))
    for row in here.to_dict("records"):
        axes.plot(row["x"], row["y"], color=color[row["class"]], linestyle=style[row["level"]],
                  linewidth=1.1, alpha=0.8, zorder=1)  # fmt: skip


def _styles(contours: pd.DataFrame) -> dict[float, LineStyle]:
    levels = sorted(contours["level"].unique())
    return {level: LINE_STYLES[i % len(LINE_STYLES)] for i, level in enumerate(levels)}


def _draw_arrows(
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    limits: Sequence[NDArray[np.int_]],
    colors: NDArray[np.float64],
) -> None:
    """An arrow to smaller values for an upper limit, to larger ones for a lower limit."""
    along_x, along_y = (
        np.where(limit == Limit.UPPER, -1.0, limit == Limit.LOWER) for limit in limits
    )
    for u, v in ((along_x, 0 * along_y), (0 * along_x, along_y)):
        arrow = (u != 0) | (v != 0)
        axes.quiver(
            x[arrow], y[arrow], u[arrow], v[arrow],
            color=colors[arrow], units="inches", scale=1 / ARROW_INCHES, width=0.015, zorder=2,
        )  # fmt: skip


def _frame(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Limits that hold these points; what else is drawn may reach beyond."""
    for values, set_limits in ((x, axes.set_xlim), (y, axes.set_ylim)):
        if len(values):
            margin = MARGIN * (np.ptp(values) or 1.0)
            set_limits(values.min() - 2 * margin, values.max() + 2 * margin)


def _legend(clusters: pd.DataFrame, classes: Sequence[str], contours: pd.DataFrame) -> list[Line2D]:
    dots = [
        Line2D([], [], marker="o", linestyle="", color=color, markeredgecolor="black", label=name)
        for name, color in zip(classes, cluster_colors(len(classes)), strict=True)
    ]
    what = "a class in training" if _are_of_model(contours) else "a class"
    lines = [
        Line2D([], [], color="0.4", linestyle=style, label=f"{level:.0%} of {what}")
        for level, style in _styles(contours).items()
    ]
    markers = _markers(clusters, contours)
    shapes = [
        Line2D([], [], marker=marker, linestyle="", color="white", markeredgecolor="black",
               label=clusters.loc[members, "galaxy"].iloc[0])
        for marker, members in (markers if len(markers) > 1 else [])
    ]  # fmt: skip
    return dots + lines + shapes
