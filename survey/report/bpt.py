"""The section of the page with optical line ratios, also without a classification.

Baldwin, Phillips & Terlevich 1981: clusters in the planes that published lines divide into star
formation, Seyferts and LINERs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from catalogs.query import Catalog
from catalogs.reference import Reference
from survey.classes.demarcations import UNDECIDED, classify_plane
from survey.report.demarcations import Plane, demarcated_planes
from survey.report.diagnostic_diagrams import draw_planes, ratio_label
from survey.report.page import PageFigure, Section
from survey.report.provenance import drawn_for

FIGURE = "bpt.png"


def bpt_section(
    catalog: Catalog,
    folder: Path,
    drawn: Collection[Plane] = (),
    reference: Reference | None = None,
) -> Section | None:
    """Draw the clusters in the optical planes that were measured; None if none was.

    Parameters
    ----------
    catalog : Catalog
    folder : Path
        Folder of the page; the figure is written into it.
    drawn : collection of (x, y)
        Planes that the page shows already.
    """
    clusters, path = catalog.clusters, folder / FIGURE
    planes = [plane for plane in measured_planes(clusters, reference) if plane not in drawn]
    if not planes:
        path.unlink(missing_ok=True)
        return None
    stamp = catalog.path.name
    if drawn_for(path) != stamp:
        folder.mkdir(parents=True, exist_ok=True)
        draw_planes(
            clusters,
            catalog.diagrams,
            catalog.classes,
            planes,
            path,
            stamp=stamp,
            reference=reference,
        )
    text = " ".join(_counts(clusters, plane, reference) for plane in planes)
    text = f"Clusters against published demarcation lines; arrows are limits. {text}"
    return Section("Optical line ratios", text, (PageFigure(FIGURE, "BPT diagrams"),))


def measured_planes(clusters: pd.DataFrame, reference: Reference | None = None) -> list[Plane]:
    """The planes with published lines in which some cluster has a place, or a limit."""
    return [
        plane
        for plane in demarcated_planes(reference)
        if clusters[[f"log_{name}" for name in plane]].notna().all(axis=1).any()
    ]


def _counts(clusters: pd.DataFrame, plane: Plane, reference: Reference | None) -> str:
    """How many clusters are where, those that are limits left out."""
    limit = np.any([clusters[f"loglimit_{name}"].fillna(0) > 0 for name in plane], axis=0)
    x, y = (np.where(limit, np.nan, clusters[f"log_{name}"].to_numpy(float)) for name in plane)
    found = Counter(classify_plane(x, y, demarcated_planes(reference)[plane]).tolist())
    without = found.pop(UNDECIDED, 0)
    counts = [f"{count} {name}" for name, count in sorted(found.items())]
    counts.append(f"{without} limits or not measured")
    return f"By {ratio_label(plane[0], reference)}: {', '.join(counts)}."
