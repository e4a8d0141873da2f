"""The section of the page with a classification."""

from __future__ import annotations

from pathlib import Path

from catalogs.query import Catalog
from catalogs.reference import Reference
from catalogs.survey_parts import SurveyPart
from survey.report.diagnostic_diagrams import draw_planes
from survey.report.labels import draw_labels
from survey.report.page import PageFigure, Section
from survey.report.provenance import drawn_for
from survey.report.scores import draw_importances, draw_scores

OVERLAY_CAPTION = (
    "Clusters over the contours of those that the model was trained on, in planes of two log "
    "ratios; arrows are limits. Contours enclose fractions of a class in training, which was on "
)
CAPTIONS = {
    "planes": "Clusters in planes of two log ratios, coloured by the probabilities of their "
    "classes; arrows are limits. Contours enclose fractions of a class.",
    "labels": "Regions that cover no cluster, over the clusters that they label because these hold "
    "most of them. Colours are classes; numbers are the fractions that regions cover.",
    "importances": "Importance of the predictors, with errors: by the method of the classes, and "
    "in the random forest.",
    "scores": "Labels against classes found, and fractions against probabilities. Only the scores "
    "with the galaxy held out predict those of a new galaxy. With a few dozen labels the distance "
    "of a curve from the diagonal is mostly chance.",
}


def class_section(
    catalog: Catalog, classification: SurveyPart, folder: Path, reference: Reference | None = None
) -> Section:
    """Draw the classification of a catalog, and return its section of the page.

    Figures that are of this classification already are not drawn again.

    Parameters
    ----------
    catalog : Catalog
    classification : SurveyPart
        The classification in the catalog.
    folder : Path
        Folder of the page; the figures are written below it.
    """
    figures = folder / "classes"
    figures.mkdir(parents=True, exist_ok=True)
    if drawn_for(figures / "planes.png") != classification.receipt.key:
        _draw(catalog, classification, figures, reference)
    captions = dict(CAPTIONS)
    if trained_on := classification.summary.get("trained_on"):
        captions["planes"] = f"{OVERLAY_CAPTION}{', '.join(trained_on)}."
    shown = tuple(
        PageFigure(f"classes/{name}.png", name, caption)
        for name, caption in captions.items()
        if (figures / f"{name}.png").exists()
    )
    return Section("Classes", _counts(catalog), shown)


def _draw(
    catalog: Catalog, classification: SurveyPart, folder: Path, reference: Reference | None
) -> None:
    for old in folder.glob("*.png"):
        old.unlink()
    stamp = classification.receipt.key
    if len(catalog.scores):  # An applied model has no scores.
        draw_importances(catalog.importances, folder / "importances.png", stamp=stamp)
        draw_scores(catalog.scores, folder / "scores.png", stamp=stamp)
    if regions := classification.summary.get("partly_covered"):
        draw_labels(catalog, regions, folder / "labels.png", stamp=stamp)
    # The ratios of a model are not always among those of the catalog.
    planes = [
        (x, y)
        for x, y in classification.summary["planes"]
        if {f"log_{x}", f"log_{y}"} <= set(catalog.clusters)
    ]
    if planes:
        draw_planes(
            catalog.clusters, catalog.diagrams, catalog.classes, planes, folder / "planes.png",
            stamp=stamp, reference=reference,
        )  # fmt: skip


def _counts(catalog: Catalog) -> str:
    counts = catalog.clusters["class"].value_counts().reindex(catalog.classes, fill_value=0)
    found = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"{found}, {int((catalog.clusters['class'] == '').sum())} without class"
