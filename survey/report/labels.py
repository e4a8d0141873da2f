"""The picture of labels that regions cover little of: regions over the clusters that hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from catalogs.printable import printable
from catalogs.query import Catalog
from survey.cubes.wcs import celestial_wcs
from survey.report.galaxy import draw_cluster_map
from survey.report.offsets import offset_matrix
from survey.report.palette import cluster_colors

COLUMNS = 3
UNLABELLED_COLOR = "#d9dcdc"
CIRCLE_SIDES = 60


def draw_labels(
    catalog: Catalog,
    regions: Mapping[str, Sequence[Mapping[str, Any]]],
    path: Path,
    *,
    stamp: str = "",
) -> None:
    """Write maps of galaxies, labelled clusters in the colours of their classes, as PNG.

    Parameters
    ----------
    catalog : Catalog
    regions : mapping
        Regions by galaxy, each with the entries of a
        `survey.classes.labelling.regions.LabelRegion`.
    path : Path
        The file to write.
    stamp : str
        Key of the result that the figure is drawn from; kept in the file as its `Source`.
    """
    columns = min(COLUMNS, len(regions))
    rows = -(-len(regions) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(4.4 * columns, 4.4 * rows), squeeze=False, layout="constrained"
    )
    colors = dict(zip(catalog.classes, cluster_colors(len(catalog.classes)), strict=True))
    for axes in grid.flat[len(regions) :]:
        axes.set_axis_off()
    for axes, (galaxy, drawn) in zip(grid.flat, regions.items(), strict=False):
        _draw_galaxy(axes, catalog, galaxy, drawn, colors)
    figure.savefig(path, dpi=110, metadata={"Source": stamp})
    plt.close(figure)


def _draw_galaxy(
    axes: Axes,
    catalog: Catalog,
    galaxy: str,
    regions: Sequence[Mapping[str, Any]],
    colors: Mapping[str, str],
) -> None:
    (row,) = catalog.galaxies[catalog.galaxies["galaxy"] == galaxy].to_dict("records")
    facts = {str(name): value for name, value in row.items()}
    clusters = catalog.clusters[catalog.clusters["galaxy"] == galaxy].sort_values("cluster")
    labels = clusters["label_initial"]
    shades = [colors.get(label, UNLABELLED_COLOR) for label in labels]
    draw_cluster_map(axes, facts, catalog.spaxels(galaxy), shades)
    for region in regions:
        outline = _offsets(region, facts)
        axes.plot(*outline.T, color="white", linewidth=3.0)
        axes.plot(*outline.T, color=colors[region["class_name"]], linewidth=1.4)
    said = [
        f"{row.cluster}: {row.label_initial} ({row.label_coverage:.0%})"
        for row in clusters.itertuples()
        if row.label_initial in colors
    ]
    axes.set_title(f"{printable(galaxy)}\n{', '.join(said)}", fontsize=9)


def _offsets(region: Mapping[str, Any], facts: Mapping[str, Any]) -> NDArray[np.float64]:
    """The closed outline of a region (K, 2): arcsec east and north of the photometric centre."""
    header = facts["celestial_header"]
    pixel = celestial_wcs(header).world_to_pixel_values(region["ra_deg"], region["dec_deg"])
    centre = facts["centre_x"], facts["centre_y"]
    matrix = offset_matrix(header, facts["spaxel_area_arcsec2"])
    corners = (np.stack([np.atleast_1d(axis) for axis in pixel], axis=-1) - centre) @ matrix.T
    radius = region["radius_arcsec"]
    if np.isfinite(radius):
        angle = np.linspace(0, 2 * np.pi, CIRCLE_SIDES)
        return np.asarray(corners[0] + radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1))
    return np.concatenate([corners, corners[:1]])
