"""The sample of a classification: written once, and read once by every worker.

It has the clusters of all galaxies, the fluxes that the predictors need, and the initial labels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from catalogs.part_tables import read_part_table
from catalogs.parts import PartStore, Receipt
from catalogs.query import Catalog
from catalogs.reference import Reference
from catalogs.survey_parts import SurveyPart
from catalogs.versions import Manifest
from catalogs.vocabulary import Vocabulary
from survey.classes.labelling.labels import check_classes
from survey.classes.predictors import Predictor, features_needed
from survey.classes.ratios import Ratio, features_of
from survey.classes.sample import LATENT, LabelledSample, PredictorSample, Sample, latent_names
from survey.classes.shares import end_member_light
from survey.classes.types import UNLABELLED, Labels
from survey.config import ClassSettings
from survey.errors import DataError
from survey.pipeline.classification.labels import LabelFile, label_rows
from survey.pipeline.ratios import (
    flux_columns,
    fluxes_of,
    measurement_columns,
    measurements_of,
    named_predictors,
    named_ratios,
)
from survey.pipeline.run.records.alike import named

SAMPLE_FILE = "sample.parquet"
USED_FILE = "predictors.json"
LATENT_ERROR = f"err_{LATENT}"
MOST_NAMED = 10
"""Clusters that a message names one by one."""

SPAXEL_COLUMNS = ["cluster", "ra", "dec", "scale", "fractions"]
LIGHT = "light"
"""Light of a cluster by the end-members of its galaxy, see `survey.classes.shares`."""

GALAXY_COLUMNS = ["galaxy", "cluster", "nuclear", "slope_alpha", "slope_alpha_err"]


@dataclass(frozen=True)
class Used:
    """What a classification is made with: ratios, and a set of predictors, empty if it is they."""

    ratios: tuple[Ratio, ...]
    predictors: tuple[Predictor, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Columns of the table `clusters` that it needs; the slope apart."""
        return [
            *flux_columns(features_of(self.ratios)),
            *measurement_columns(features_needed(self.predictors)),
        ]


def used_by(settings: ClassSettings, reference: Reference) -> Used:
    """The ratios and predictors of settings.

    Raises
    ------
    CatalogError
        If there is no such set.
    """
    ratios = named_ratios(settings.ratios, reference)
    if settings.spread:
        return Used(ratios)
    return Used(ratios, named_predictors(settings.predictors or settings.ratios, reference))


def parts_of(catalog: Catalog, store: PartStore) -> dict[str, Receipt]:
    """The parts of the galaxies of a catalog, by galaxy."""
    manifest = Manifest.read(catalog.path)
    return {galaxy: Receipt.read(store.path(galaxy, *part)) for galaxy, *part in manifest.parts}


def write_sample(
    folder: Path,
    parts: Mapping[str, Receipt],
    vocabulary: Vocabulary,
    used: Used,
    labels: LabelFile | None,
    settings: ClassSettings,
    latents: SurveyPart | None = None,
) -> None:
    """Collect the clusters of all galaxies, with labels and latents, into a file in `folder`.

    Raises
    ------
    ConfigError
        If labels have classes that the settings do not have.
    """
    if labels is not None:
        check_classes(labels.classes, settings.classes)
    columns = [*GALAXY_COLUMNS, *dict.fromkeys(used.columns)]
    frames = []
    for part in parts.values():
        table = read_part_table(part, "clusters", vocabulary)
        measured = [name for name in columns if name in table.column_names]
        clusters = table.select(measured).to_pandas().sort_values("cluster", ignore_index=True)
        spaxels = read_part_table(part, "spaxels").select(SPAXEL_COLUMNS).to_pandas()
        if labels is not None:
            found = label_rows(labels, clusters, spaxels, settings)
            clusters = clusters.join(found.reset_index(drop=True))
        clusters[LIGHT] = light_of(spaxels, len(clusters))
        frames.append(clusters)
    rows = pd.concat(frames, ignore_index=True)
    if latents is not None:
        rows = rows.join(_latent_columns(rows, latents, parts))
    rows.to_parquet(folder / SAMPLE_FILE)
    (folder / USED_FILE).write_text(json.dumps(asdict(used)), encoding="utf-8")


def light_of(spaxels: pd.DataFrame, n_cluster: int) -> list[Any]:
    """Light of each cluster of a galaxy by end-members; None if spaxels have no fractions."""
    mixed = spaxels[spaxels["fractions"].notna()]
    if mixed.empty:
        return [None] * n_cluster
    return list(
        end_member_light(
            mixed["cluster"].to_numpy(),
            mixed["scale"].to_numpy(float),
            np.stack(list(mixed["fractions"])),
        )
    )


def _latent_columns(
    rows: pd.DataFrame, latents: SurveyPart, parts: Mapping[str, Receipt]
) -> pd.DataFrame:
    """Latents and their errors, a column each, of the clusters of `rows`; NaN if missing."""
    table = latents.current_rows(
        "latents", {name: part.key for name, part in parts.items()}
    ).to_pandas()
    number = latents.summary["n_latents"]
    columns = {
        name: np.stack(list(table[column])) if len(table) else np.empty((0, number))
        for name, column in ((LATENT, "latent"), (LATENT_ERROR, "err_latent"))
    }
    names = [one for prefix in columns for one in latent_names(number, prefix)]
    where = pd.MultiIndex.from_frame(table[["galaxy", "cluster"]])
    known = pd.DataFrame(np.hstack(list(columns.values())), index=where, columns=names)
    found = known.reindex(pd.MultiIndex.from_frame(rows[["galaxy", "cluster"]]))
    return found.reset_index(drop=True)


@lru_cache(maxsize=1)
def sample_rows(folder: Path) -> pd.DataFrame:
    """The rows of the file that `write_sample` wrote."""
    return pd.read_parquet(folder / SAMPLE_FILE)


def partly_covered(labels: LabelFile, rows: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Regions of the galaxies whose labels cover little of a cluster, to be drawn."""
    galaxies = rows.loc[rows["partly"], "galaxy"].unique()[:MOST_NAMED]
    return {galaxy: [asdict(each) for each in labels.of(galaxy)[0]] for galaxy in galaxies}


def used_in(folder: Path) -> Used:
    """The ratios and predictors that `write_sample` wrote."""
    content = json.loads((folder / USED_FILE).read_text(encoding="utf-8"))
    return Used(
        tuple(
            Ratio(tuple(row["numerator"]), tuple(row["denominator"])) for row in content["ratios"]
        ),
        tuple(
            Predictor(tuple(row["numerator"]), tuple(row["denominator"]), row["offset"])
            for row in content["predictors"]
        ),
    )


def sample_of(rows: pd.DataFrame, used: Used, *, use_slope: bool) -> Sample:
    """The sample for the classifier, with the latents if it has any.

    A slope that was measured nowhere is not used as a predictor.
    """
    n_latents = sum(str(name).startswith(LATENT) for name in rows)
    latents, errors = (
        rows[list(latent_names(n_latents, prefix))].to_numpy(float) if n_latents else None
        for prefix in (LATENT, LATENT_ERROR)
    )
    slope = rows["slope_alpha"].to_numpy(float)
    with_slope = use_slope and bool(np.isfinite(slope).any())
    chosen = tuple(each for each in used.predictors if with_slope or not each.is_slope)
    make: Callable[..., Sample] = Sample
    if used.predictors:
        measured = measurements_of(rows, features_needed(chosen))
        make = partial(PredictorSample, set=chosen, measurements=measured)
    return make(
        galaxy=pd.factorize(rows["galaxy"])[0],
        fluxes=fluxes_of(rows, features_of(used.ratios)),
        ratios=used.ratios,
        slope=slope if with_slope else None,
        slope_error=rows["slope_alpha_err"].to_numpy(float) if with_slope else None,
        latents=latents,
        latent_errors=errors,
    )


def labels_of(rows: pd.DataFrame) -> Labels:
    """Initial labels (N,) of the rows."""
    if "label" not in rows:
        return np.full(len(rows), UNLABELLED, dtype=np.int32)
    return rows["label"].to_numpy(np.int32)


def check_labels(
    rows: pd.DataFrame, settings: ClassSettings, catalog: Catalog, reference: Reference
) -> LabelledSample:
    """The rows as a labelled sample; `catalog` is used for the advice in errors.

    Raises
    ------
    DataError
        If the ratios were not measured, or fewer than two classes have labels.
    """
    sample = sample_of(rows, used_by(settings, reference), use_slope=settings.use_slope)
    labels = labels_of(rows)
    if not sample.informed.any():
        raise _not_measured(rows, settings, catalog, reference)
    usable = labels[sample.informed & (labels != UNLABELLED)]
    counts = np.bincount(usable, minlength=len(settings.classes))
    if (counts > 0).sum() < 2:
        found = ", ".join(
            f"{count} of {name}" for name, count in zip(settings.classes, counts, strict=True)
        )
        raise DataError(
            "too few clusters are labelled to separate classes",
            file=settings.labels,
            expected="labelled and measured clusters of at least two classes",
            found=f"{found}, among {len(rows)} clusters of {rows['galaxy'].nunique()} galaxies",
            advice="Check that names and coordinates agree with the table `galaxies`.",
        )
    return LabelledSample(sample, labels, settings.classes)


def label_notes(labels: LabelFile, rows: pd.DataFrame, settings: ClassSettings) -> list[str]:
    """Messages about labels that had no effect, or less than their author may think."""
    notes = []
    if len(partly := rows[rows["partly"]]):
        names = [f"{row.galaxy} {row.cluster} ({row.coverage:.0%})" for row in partly.itertuples()]
        notes.append(
            f"{len(names)} clusters are labelled by a region that covers at most "
            f"{settings.min_fraction:.0%} of them, because they hold most of it: "
            f"{named(names, MOST_NAMED)}; the report has a map of them"
        )
    if unknown := labels.unknown_galaxies(rows["galaxy"].unique()):
        notes.append(f"labels of galaxies that are not in the survey: {', '.join(unknown)}")
    if n_conflicts := int(rows["conflict"].sum()):
        notes.append(f"{n_conflicts} clusters are claimed by two classes and have no label")
    return notes


def fitting_sets(
    clusters: pd.DataFrame, settings: ClassSettings, reference: Reference
) -> list[str]:
    """Names of the sets of ratios whose predictors were measured in at least one cluster."""
    rows = clusters.reset_index(drop=True)
    fitting = []
    for name in reference.ratio_sets:
        used = used_by(settings.model_copy(update={"ratios": name, "predictors": None}), reference)
        # The slope is left out: one number alone makes no class.
        if sample_of(rows, used, use_slope=False).informed.any():
            fitting.append(name)
    return fitting


def _not_measured(
    rows: pd.DataFrame, settings: ClassSettings, catalog: Catalog, reference: Reference
) -> DataError:
    fitting = fitting_sets(catalog.clusters, settings, reference)
    name = settings.predictors or settings.ratios
    return DataError(
        f"the predictors {name!r} were not measured in any cluster",
        expected="most of their lines within the range of the spectra, some of them detected",
        found=f"{len(rows)} clusters without",
        advice=f"Choose a set that was measured (classes.ratios): {', '.join(fitting)}."
        if fitting
        else "No set fits this wavelength range: add one (catalogs/data/predictors.ecsv).",
    )
