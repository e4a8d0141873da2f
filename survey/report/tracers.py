"""The picture of a tracer: clusters, the tracer on the same spaxels, and what it has in each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from catalogs.printable import printable
from catalogs.validation.tracer_columns import VELOCITIES
from survey.report.galaxy import BACKGROUND, draw_cluster_map, label_axes
from survey.report.offsets import offset_matrix
from survey.report.palette import cluster_colors
from survey.report.sky import draw_spaxels, frame_sky

CLASS_COLORS = ("#4477AA", "#CCBB44", "#EE6677", "#AA3377", "#228833", "#66CCEE", "#BBBBBB")
"""The bright scheme of Tol (2021, SRON/EPS/TN/09-002), for any colour vision; others than those of
clusters."""

VALUES_MAP, VELOCITY_MAP = "viridis", "RdBu_r"
MOST_IN_WORDS = 20
"""Cells of a contingency table in a row that still have numbers in them."""


def draw_tracer(
    galaxy: dict[str, Any],
    spaxels: pd.DataFrame,
    values: NDArray[np.floating],
    rows: dict[str, Any],
    path: Path,
    *,
    tracer: str,
    velocity_km_s: NDArray[np.floating] | None = None,
    stamp: str = "",
) -> None:
    """Write the picture of one tracer of one galaxy as PNG.

    Parameters
    ----------
    galaxy : dict
        Its row of the table `galaxies`.
    spaxels : DataFrame
        Its rows of the table of that name.
    values : (ny, nx) array
        The tracer on the grid of the cube; of classes their numbers.
    rows : dict
        See `survey.pipeline.validation.trace_task.read_rows`.
    path : Path
        The file to write.
    tracer : str
        Its name.
    velocity_km_s : (n,) array, optional
        Of the clustered spaxels by the survey, for a tracer of velocities.
    stamp : str
        Key of the result that it is drawn from; kept in the file as its `Source`.
    """
    classes = rows["classes"]
    n_cluster = int(spaxels["cluster"].max())
    figure = Figure(figsize=(14, 4.9), layout="constrained")
    sky, traced, compared = figure.subplots(1, 3, width_ratios=(1, 1, 1.1))
    draw_cluster_map(sky, galaxy, spaxels, cluster_colors(n_cluster))
    sky.set_title("clusters", fontsize=10)
    at = values[spaxels["y"], spaxels["x"]]
    if classes is not None:
        _draw_classes(traced, galaxy, spaxels, at, classes)
        _draw_contingency(compared, rows["tracer_clusters"], n_cluster, classes)
    else:
        is_velocity = velocity_km_s is not None
        _draw_values(figure, traced, galaxy, spaxels, at, is_velocity=is_velocity)
        if velocity_km_s is None:
            _draw_spread(compared, spaxels, at, n_cluster)
        else:
            _draw_velocities(compared, spaxels, at, velocity_km_s, rows["tracers"])
    traced.set_title(printable(tracer), fontsize=10)
    meanings = "\n".join(
        f"{one['compared']}: {one['outcome']}; {one['meaning']}" for one in rows["tracers"]
    )
    figure.suptitle(f"{printable(galaxy['galaxy'])}   {printable(tracer)}", fontsize=12)
    figure.supxlabel(printable(meanings, keep="\n"), fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100, format="png", metadata={"Source": stamp})


def _sky(axes: Axes, galaxy: dict[str, Any], spaxels: pd.DataFrame, colors: Any) -> None:
    matrix = offset_matrix(galaxy["celestial_header"] or "", galaxy["spaxel_area_arcsec2"])
    drawn = draw_spaxels(
        axes, spaxels["x"], spaxels["y"], centre=(galaxy["centre_x"], galaxy["centre_y"]),
        matrix=matrix, facecolors=colors,
    )  # fmt: skip
    frame_sky(axes, [drawn])
    label_axes(axes, galaxy)
    axes.set_ylabel("")


def _class_colors(count: int) -> list[str]:
    return [CLASS_COLORS[number % len(CLASS_COLORS)] for number in range(count)]


def _draw_classes(
    axes: Axes,
    galaxy: dict[str, Any],
    spaxels: pd.DataFrame,
    at: NDArray[np.floating],
    classes: list[str],
) -> None:
    colors = _class_colors(len(classes))
    lookup = np.array([BACKGROUND, *colors])
    _sky(axes, galaxy, spaxels, lookup[np.nan_to_num(at).astype(int)])
    handles = [
        Patch(color=color, label=printable(name))
        for color, name in zip(colors, classes, strict=True)
    ]
    axes.legend(handles=handles, fontsize=8, loc="upper left", framealpha=0.8)


def _draw_values(
    figure: Figure,
    axes: Axes,
    galaxy: dict[str, Any],
    spaxels: pd.DataFrame,
    at: NDArray[np.floating],
    *,
    is_velocity: bool,
) -> None:
    from matplotlib.cm import ScalarMappable

    known = np.isfinite(at)
    low, high = (float(value) for value in np.percentile(at[known], (2, 98)))
    if is_velocity:
        half = max(high - low, 1e-9) / 2
        low, high = (low + high) / 2 - half, (low + high) / 2 + half
    scale = ScalarMappable(Normalize(low, high), VELOCITY_MAP if is_velocity else VALUES_MAP)
    colors = np.tile(np.array(_rgba(BACKGROUND)), (len(at), 1))
    colors[known] = scale.to_rgba(at[known])
    _sky(axes, galaxy, spaxels, colors)
    label = "km/s" if is_velocity else "value"
    figure.colorbar(scale, ax=axes, shrink=0.75, pad=0.02, label=label)


def _rgba(color: str) -> tuple[float, ...]:
    from matplotlib.colors import to_rgba

    return to_rgba(color)


def _draw_contingency(
    axes: Axes, cells: list[dict[str, Any]], n_cluster: int, classes: list[str]
) -> None:
    """Shares of the classes in every cluster, with the numbers of spaxels."""
    counts = np.zeros((n_cluster, len(classes)), int)
    for cell in cells:
        counts[cell["cluster"] - 1, classes.index(cell["class"])] = cell["n_spaxel"]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap=colormaps["Greys"], vmin=0, vmax=1, aspect="auto")
    if len(classes) <= MOST_IN_WORDS and n_cluster <= 2 * MOST_IN_WORDS:
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if shares[row, column] > 0.6 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=color, fontsize=8)
    axes.set_xticks(range(len(classes)), [printable(name) for name in classes], fontsize=8)
    axes.set_yticks(range(n_cluster), [str(number + 1) for number in range(n_cluster)])
    axes.set_ylabel("cluster")
    axes.set_title("spaxels by cluster and class; grey: share of the cluster", fontsize=10)


def _draw_spread(
    axes: Axes, spaxels: pd.DataFrame, at: NDArray[np.floating], n_cluster: int
) -> None:
    """The values of the map in every cluster: median, quartiles, 5th and 95th percentile."""
    cluster = spaxels["cluster"].to_numpy()
    colors = cluster_colors(n_cluster)
    for number in range(1, n_cluster + 1):
        own = at[(cluster == number) & np.isfinite(at)]
        if not len(own):
            continue
        axes.boxplot(
            [own], positions=[number], widths=0.6, whis=(5, 95), showfliers=False,
            patch_artist=True, boxprops={"facecolor": colors[number - 1]},
            medianprops={"color": "black"},
        )  # fmt: skip
    axes.set_xticks(range(1, n_cluster + 1), [str(number) for number in range(1, n_cluster + 1)])
    axes.set_xlabel("cluster")
    axes.set_ylabel("value of the map")
    axes.set_title("values in every cluster (5, 25, 50, 75, 95%)", fontsize=10)


def _draw_velocities(
    axes: Axes,
    spaxels: pd.DataFrame,
    at: NDArray[np.floating],
    velocity_km_s: NDArray[np.floating],
    rows: list[dict[str, Any]],
) -> None:
    """Velocities of the survey over those of the map, with the line."""
    clustered = spaxels["cluster"].to_numpy() > 0
    cluster, theirs = spaxels["cluster"].to_numpy()[clustered], at[clustered]
    known = np.isfinite(theirs) & np.isfinite(velocity_km_s)
    colors = np.array(cluster_colors(int(cluster.max())))
    axes.scatter(theirs[known], velocity_km_s[known], s=7, c=colors[cluster[known] - 1])
    axes.set_xlabel("map (km/s)")
    axes.set_ylabel("survey: lines of the cluster and shift (km/s)")
    line = next((one for one in rows if one["compared"] == VELOCITIES), None)
    if line is None or line.get("slope") is None or not known.any():
        return
    ends = np.array([theirs[known].min(), theirs[known].max()])
    axes.plot(ends, line["intercept_km_s"] + line["slope"] * ends, color="black", linewidth=1)
    axes.set_title(
        f"slope {line['slope']:.2f} ± {line['slope_err']:.2f}, "
        f"scatter {line['scatter_km_s']:.0f} km/s",
        fontsize=10,
    )
