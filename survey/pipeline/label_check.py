"""Whether there is enough to classify by, and what to say to the user if not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from catalogs.diagnostics import ratio_sets
from catalogs.query import Catalog
from survey.classes.arrays import UNLABELLED
from survey.classes.sample import LabelledSample
from survey.config import ClassSettings
from survey.errors import DataError
from survey.pipeline.labels import LabelFile
from survey.pipeline.ratios import named_ratios
from survey.pipeline.sample import labels_of, sample_of


def check_labels(rows: pd.DataFrame, settings: ClassSettings, catalog: Catalog) -> LabelledSample:
    """The rows as a sample that can be learnt from; `catalog` is asked for advice if not.

    Raises
    ------
    DataError
        If the ratios were not measured, or fewer than two classes have labels.
    """
    sample = sample_of(rows, named_ratios(settings.ratios), use_slope=settings.use_slope)
    labels = labels_of(rows)
    if not sample.informed.any():
        raise _no_ratios(rows, settings, catalog)
    usable = labels[sample.informed & (labels != UNLABELLED)]
    counts = np.bincount(usable, minlength=len(settings.classes))
    if (counts > 0).sum() < 2:
        found = ", ".join(
            f"{count} of {name}" for name, count in zip(settings.classes, counts, strict=True)
        )
        raise DataError(
            "too few clusters are labelled to tell classes apart",
            file=settings.labels,
            expected="labelled and measured clusters of at least two classes",
            found=f"{found}, among {len(rows)} clusters of {rows['galaxy'].nunique()} galaxies",
            advice="Do names of galaxies and coordinates agree with the table `galaxies`? A region "
            f"has to cover more than {settings.min_fraction:.0%} of a cluster "
            "(classes.min_fraction).",
        )
    return LabelledSample(sample, labels, settings.classes)


def label_notes(labels: LabelFile, rows: pd.DataFrame) -> list[str]:
    """What a user should know of labels that had no effect."""
    notes = []
    if strangers := labels.strangers(rows["galaxy"].unique()):
        notes.append(f"labels of galaxies that are not in the survey: {', '.join(strangers)}")
    if n_conflicts := int(rows["conflict"].sum()):
        notes.append(f"{n_conflicts} clusters are claimed by two classes, and were not labelled")
    return notes


def fitting_sets(clusters: pd.DataFrame) -> list[str]:
    """Names of the sets of ratios by which some cluster of the table could be classified."""
    rows = clusters.reset_index(drop=True)
    return [
        name
        for name in ratio_sets()
        if sample_of(rows, named_ratios(name), use_slope=False).informed.any()
    ]


def _no_ratios(rows: pd.DataFrame, settings: ClassSettings, catalog: Catalog) -> DataError:
    fitting = fitting_sets(catalog.clusters)
    return DataError(
        f"the ratios {settings.ratios!r} were not measured in any cluster",
        expected="most of their lines within the range of the spectra, some of them detected",
        found=f"{len(rows)} clusters without",
        advice=f"Choose a set that was (classes.ratios): {', '.join(fitting)}."
        if fitting
        else "No set of ratios fits this wavelength range: add one (catalogs/data/ratios.ecsv).",
    )
