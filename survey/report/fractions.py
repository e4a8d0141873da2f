"""Maps of the fractions of the clusters in the spaxels of one galaxy, one map for every cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # workers have no screen

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import ArrayLike, NDArray

from survey.report.galaxy import BACKGROUND, label_axes
from survey.report.offsets import offset_matrix
from survey.report.palette import cluster_colors
from survey.report.sky import CORNERS, draw_spaxels, frame_sky

COLOR_MAP = "YlGnBu"
"""Light where there is nothing: the scale bar is black."""

MOST_COLUMNS = 4
PANEL_INCH = 3.1
SIDES = (((0, -1), (0, 1)), ((1, 0), (1, 2)), ((0, 1), (2, 3)), ((-1, 0), (3, 0)))
"""Of a spaxel: where the neighbour (x, y) on that side is, and the corners that the side joins."""


def has_fractions(spaxels: pd.DataFrame) -> bool:
    """Whether there is something to draw: fractions of two clusters or more."""
    known = spaxels["fractions"].dropna()
    return not known.empty and len(known.iloc[0]) > 1


def draw_fractions(
    galaxy: dict[str, Any], spaxels: pd.DataFrame, path: Path, *, stamp: str = ""
) -> None:
    """Write the maps of one galaxy as PNG, on one scale from 0 to 1.

    Parameters
    ----------
    galaxy : dict
        Its row of the table `galaxies`.
    spaxels : DataFrame
        Its rows of the table of that name, some with `fractions`.
    path : Path
        The file to write.
    stamp : str
        Key of the result that the figure is drawn from; kept in the file as its `Source`.
    """
    known = spaxels["fractions"].notna().to_numpy()
    fractions = np.stack([np.asarray(row) for row in spaxels["fractions"][known]])
    count = fractions.shape[1]
    columns = _columns(count)
    rows = -(-count // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(PANEL_INCH * columns + 0.9, PANEL_INCH * rows + 0.7),
        sharex=True, sharey=True, squeeze=False,
        layout=ConstrainedLayoutEngine(compress=True, h_pad=0.07),
    )  # fmt: skip
    scale = ScalarMappable(Normalize(0.0, 1.0), COLOR_MAP)
    panels = grid.flat[:count]
    for number, (axes, color) in enumerate(
        zip(panels, cluster_colors(count), strict=True), start=1
    ):
        colors = np.tile(matplotlib.colors.to_rgba(BACKGROUND), (len(spaxels), 1))
        colors[known] = scale.to_rgba(fractions[:, number - 1])
        draw_fraction_map(axes, galaxy, spaxels, number, colors, outline=color)
        if number <= count - columns:
            axes.set_xlabel("")
        if (number - 1) % columns:
            axes.set_ylabel("")
    for axes in grid.flat[count:]:
        axes.set_axis_off()
    # The panels above an empty place are the lowest of their columns.
    for axes in grid[-2, columns - (rows * columns - count) :] if rows > 1 else ():
        axes.xaxis.set_tick_params(labelbottom=True)
    figure.colorbar(scale, ax=grid, label="fraction of the flux", shrink=0.9, pad=0.015)
    figure.suptitle(f"{galaxy['galaxy']}   fractions of the clusters", fontsize=12)
    figure.savefig(path, dpi=110, metadata={"Source": stamp})
    plt.close(figure)


def draw_fraction_map(
    axes: Axes,
    galaxy: dict[str, Any],
    spaxels: pd.DataFrame,
    number: int,
    colors: ArrayLike,
    *,
    outline: str,
) -> None:
    """Draw every spaxel in its colour, and a line around the spaxels of one cluster."""
    matrix = offset_matrix(galaxy["celestial_header"] or "", galaxy["spaxel_area_arcsec2"])
    centre = galaxy["centre_x"], galaxy["centre_y"]
    drawn = draw_spaxels(
        axes, spaxels["x"], spaxels["y"], centre=centre, matrix=matrix, facecolors=colors
    )
    own = spaxels.loc[spaxels["cluster"] == number, ["x", "y"]].to_numpy()
    border = (_border(own) - centre) @ matrix.T
    axes.add_collection(LineCollection(list(border), colors="black", linewidths=2.2))
    axes.add_collection(LineCollection(list(border), colors=outline, linewidths=1.3))
    frame_sky(axes, [drawn])
    label_axes(axes, galaxy)
    many = "s" if len(own) != 1 else ""
    axes.set_title(f"cluster {number}: {len(own)} spaxel{many}", fontsize=10)


def _columns(count: int) -> int:
    """As many columns as leave the fewest places empty, more rather than fewer."""
    if count <= MOST_COLUMNS:
        return count
    return min((4, 3), key=lambda columns: (-count % columns, -columns))


def _border(pixels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Sides (m, 2, 2) between pixels (n, 2) of a set and others."""
    inside = set(map(tuple, pixels.tolist()))
    sides = [
        (x + CORNERS[list(corners)][:, 0], y + CORNERS[list(corners)][:, 1])
        for x, y in inside
        for (right, up), corners in SIDES
        if (x + right, y + up) not in inside
    ]
    return np.array(sides).reshape(-1, 2, 2).transpose(0, 2, 1)
