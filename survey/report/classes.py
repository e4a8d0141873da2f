"""The part of the page that shows a classification."""

from __future__ import annotations

from pathlib import Path

from catalogs.query import Catalog
from catalogs.reference import Reference
from catalogs.survey_parts import SurveyPart
from survey.report.diagnostic_diagrams import draw_planes
from survey.report.page import Picture, Section
from survey.report.provenance import drawn_for
from survey.report.scores import draw_importances, draw_scores

OVERLAY_CAPTION = (
    "Clusters over the contours of those that the model was trained on, in planes of two log "
    "ratios; arrows are limits. Contours enclose fractions of a class in training, which was on "
)
CAPTIONS = {
    "planes": "Clusters in planes of two log ratios, coloured by the probabilities of their "
    "classes; arrows are limits. Contours enclose fractions of a class.",
    "importances": "What the forests tell the classes by: mean and standard deviation over the "
    "draws.",
    "scores": "Labels against classes found, and fractions against probabilities. Only what is "
    "measured with the galaxy held out says how well a new galaxy would do.",
}


def class_section(
    catalog: Catalog, classification: SurveyPart, folder: Path, reference: Reference | None = None
) -> Section:
    """Draw the classification of a catalog, and return its part of the page.

    Pictures that are of this very classification already are left alone.

    Parameters
    ----------
    catalog : Catalog
    classification : SurveyPart
        The one that its classes are of.
    folder : Path
        Of the page; the pictures are written below it.
    """
    pictures = folder / "classes"
    pictures.mkdir(parents=True, exist_ok=True)
    if drawn_for(pictures / "planes.png") != classification.receipt.key:
        _draw(catalog, classification, pictures, reference)
    captions = dict(CAPTIONS)
    if trained_on := classification.summary.get("trained_on"):
        captions["planes"] = f"{OVERLAY_CAPTION}{', '.join(trained_on)}."
    shown = tuple(
        Picture(f"classes/{name}.png", name, caption)
        for name, caption in captions.items()
        if (pictures / f"{name}.png").exists()
    )
    return Section("Classes", _counts(catalog), shown)


def _draw(
    catalog: Catalog, classification: SurveyPart, folder: Path, reference: Reference | None
) -> None:
    for old in folder.glob("*.png"):
        old.unlink()
    stamp = classification.receipt.key
    if len(catalog.scores):  # a model that was applied has none of its own
        draw_importances(catalog.importances, folder / "importances.png", stamp=stamp)
        draw_scores(catalog.scores, folder / "scores.png", stamp=stamp)
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
    return f"{found}, {int(catalog.clusters['class'].isna().sum())} without class"
