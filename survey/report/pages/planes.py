"""The planes of two log ratios on the page of the classes, with all clusters of a survey."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from catalogs.query import Catalog
from catalogs.reference import Reference
from survey.classes.demarcations import Demarcation
from survey.report.bpt import measured_planes
from survey.report.demarcations import demarcated_planes, line_heights, plane_frame
from survey.report.diagnostic_diagrams import (
    UNCLASSIFIED_COLOR,
    drawn_contours,
    mixed_colors,
    ratio_label,
)
from survey.report.pages.numbers import rounded
from survey.report.pages.paths import FOLDER, address, page_path
from survey.report.palette import cluster_colors

DASHES = ("solid", "dashed", "dotted", "dotdash")
CURVE_POINTS = 120


def plane_data(
    root: Path, catalog: Catalog, planes: Sequence[tuple[str, str]], reference: Reference
) -> list[dict[str, Any]]:
    """Data of the planes of a classification and of the optical ones that were measured."""
    optical = measured_planes(catalog.clusters, reference)
    wanted = dict.fromkeys([*planes, *optical])
    made = [_plane(root, catalog, plane, reference) for plane in wanted]
    return [plane for plane in made if plane is not None]


def _plane(
    root: Path, catalog: Catalog, plane: tuple[str, str], reference: Reference
) -> dict[str, Any] | None:
    clusters = catalog.clusters
    if not {f"log_{name}" for name in plane} <= set(clusters):
        return None
    x, y = (clusters[f"log_{name}"].to_numpy(float) for name in plane)
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return None
    rows = clusters[known]
    limits = [rows[f"loglimit_{name}"].fillna(0).astype(int).to_list() for name in plane]
    return {
        "labels": [f"log {ratio_label(name, reference)}" for name in plane],
        "x": [rounded(value) for value in x[known]],
        "y": [rounded(value) for value in y[known]],
        "limit_x": limits[0],
        "limit_y": limits[1],
        "galaxy": rows["galaxy"].to_list(),
        "cluster": rows["cluster"].to_list(),
        "class": ["" if pd.isna(name) else name for name in rows["class"]],
        "color": _colors(rows, catalog.classes),
        "page": [address(page_path(root, name), root / FOLDER) for name in rows["galaxy"]],
        "contours": _contours(catalog, plane),
        "curves": _curves(plane, demarcated_planes(reference).get(plane, ()), reference),
        "legend": list(zip(catalog.classes, cluster_colors(len(catalog.classes)), strict=True)),
    }


def _colors(rows: pd.DataFrame, classes: Sequence[str]) -> list[str]:
    """Colours of clusters, mixed by the probabilities of their classes."""
    if not classes:
        return [UNCLASSIFIED_COLOR] * len(rows)
    mixed = np.rint(255 * mixed_colors(rows, classes)).astype(int)
    return ["#{:02x}{:02x}{:02x}".format(*color) for color in mixed]


def _contours(catalog: Catalog, plane: tuple[str, str]) -> list[dict[str, Any]]:
    drawn = drawn_contours(catalog.diagrams)
    color = dict(zip(catalog.classes, cluster_colors(len(catalog.classes)), strict=True))
    here = drawn[(drawn["x_ratio"] == plane[0]) & (drawn["y_ratio"] == plane[1])]
    levels = sorted(here["level"].unique())
    return [
        {
            "x": [rounded(value) for value in row["x"]],
            "y": [rounded(value) for value in row["y"]],
            "color": color.get(row["class"], UNCLASSIFIED_COLOR),
            "dash": DASHES[levels.index(row["level"]) % len(DASHES)],
        }
        for row in here.to_dict("records")
    ]


def _curves(
    plane: tuple[str, str], lines: Sequence[Demarcation], reference: Reference
) -> list[dict[str, Any]]:
    """The published lines of a plane, each where those before leave something to divide."""
    frame = plane_frame(plane, reference)
    if frame is None:
        return []
    (left, right), (bottom, top) = frame
    x = np.linspace(left, right, CURVE_POINTS)
    curves = []
    for number, (line, height) in enumerate(zip(lines, line_heights(lines, x), strict=True)):
        shown = (bottom < height) & (height < top)
        curves.append(
            {
                "name": line.name,
                "dash": DASHES[number % len(DASHES)],
                "x": [rounded(value) for value in x[shown]],
                "y": [rounded(value) for value in height[shown]],
            }
        )
    return curves
