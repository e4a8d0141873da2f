"""Writes the page of the classes: planes of ratios to point at, importances and scores."""

from __future__ import annotations

from pathlib import Path

from catalogs.query import Catalog
from catalogs.reference import Reference
from catalogs.survey_parts import SurveyPart
from survey import __version__
from survey.report.bpt import bpt_section
from survey.report.classes import class_section
from survey.report.page import write_template
from survey.report.pages.numbers import script_json
from survey.report.pages.planes import plane_data


def write_classes_page(
    page: Path, catalog: Catalog, classification: SurveyPart | None, reference: Reference
) -> None:
    """Write the page, with the figures of a classification below its folder.

    Parameters
    ----------
    page : Path
    catalog : Catalog
    classification : SurveyPart, optional
        The classification in the catalog, if there is one.
    reference : Reference
    """
    folder = page.parent
    sections, planes = [], []
    if classification is not None:
        sections.append(class_section(catalog, classification, folder, reference))
        planes = [(x, y) for x, y in classification.summary["planes"]]
    if optical := bpt_section(catalog, folder, planes, reference):
        sections.append(optical)
    data = plane_data(folder.parent, catalog, planes, reference)
    write_template(
        page,
        "classes.html",
        title="Classes",
        version=__version__,
        sections=sections,
        planes=script_json(data) if data else "",
    )
