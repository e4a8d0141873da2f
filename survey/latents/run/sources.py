"""From a list of sources to latents, classes and scores: what `survey latent run` does.

    list -> files (fetched, or here) -> spectra with backgrounds and responses
         -> one spectrum for each source -> model -> evaluation -> tables

All that is learned or scored has one row for each source, so that detections of one source never
stand on both sides of a fold, nor among its own neighbours. A second run of the same command
fetches and fits only what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from catalogs.durable import replacing, write_json
from catalogs.schema import arrow_schema, to_arrow
from catalogs.vocabulary import packaged_vocabulary
from survey.errors import DataError
from survey.latents.by_source import added_by_source
from survey.latents.evaluation.benchmark import WITHOUT_CHOICE, BenchmarkPlan, Job, summarise
from survey.latents.evaluation.benchmark import evaluate as evaluate_plan
from survey.latents.evaluation.class_probabilities import class_probabilities
from survey.latents.evaluation.labelled import LabelledSpectra, Target
from survey.latents.models.base import Representation
from survey.latents.run import source_rows
from survey.latents.run.benchmark_sets import AGN_OR_COMPACT
from survey.latents.run.fitted import fitted_model
from survey.latents.run.inputs import SOURCE_RUN_MODEL
from survey.latents.run.labels import Label, LabelTable, match_labels, read_labels
from survey.latents.run.provenance import provenance_rows
from survey.latents.run.settings import ModelSettings, SourceRunSettings
from survey.latents.run.source_files import SourceFiles, bring_together
from survey.latents.run.source_latents import SourceLatents, source_latents
from survey.latents.run.source_list import read_source_list
from survey.latents.run.source_rows import Row
from survey.latents.spectra import Names, SpectrumSet
from survey.latents.xray.physical_fit import MODELS, fit_physical
from survey.latents.xray.spectra import BackgroundPolicy, LoadedSpectra, load_spectra

EVALUATION = "evaluation"
SUMMARY_FILE = "summary.json"
ALL_LABELS = "all"
SOURCES_PER_LATENT = 3
"""With fewer sources for each latent, a model would only learn them by heart."""

INDEPENDENT = "without X-ray-selected"

Step = Callable[[str, int | None], None]


@dataclass(frozen=True)
class SourceRun:
    """What came of a list of sources.

    Attributes
    ----------
    summary : dict
        Counts of everything, as in `summary.json`.
    failures : tuple of DataError
        Rows, detections and files that could not be used.
    notes : tuple of str
        What else a reader of the tables should know.
    """

    summary: dict[str, Any]
    failures: tuple[DataError, ...]
    notes: tuple[str, ...]


@dataclass
class _Work:
    """What has been found out so far."""

    out: Path
    settings: SourceRunSettings
    seed: int
    failures: list[DataError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)


def run_sources(
    listed: Path,
    out: Path,
    *,
    labels: Path | None = None,
    settings: SourceRunSettings | None = None,
    settings_folder: Path | None = None,
    background: BackgroundPolicy = "required",
    response: Path | None = None,
    again: bool = False,
    seed: int = 0,
    on_step: Step = lambda name, total: None,
    on_item: Callable[[], None] = lambda: None,
) -> SourceRun:
    """Fetch, read, fit, evaluate, and write the tables of a list of sources.

    Parameters
    ----------
    listed : Path
        The list; see `survey.latents.run.source_list`.
    out : Path
        Folder of the run: `sources.parquet`, `detections.parquet`, with labels also
        `provenance.parquet` and `label_scores.parquet`, the model, and the fetched spectra.
    labels : Path, optional
        Table of labels; see `survey.latents.run.labels`.
    settings : SourceRunSettings, optional
    settings_folder : Path, optional
        Where files are that the settings name.
    background, response
        See `survey.latents.xray.spectra.load_spectra`.
    again : bool
        Query the catalog again.
    seed : int
    on_step : callable
        Called with the name of each step and the number of its items, None where unknown.
    on_item : callable
        Called with each item that is done.

    Raises
    ------
    ConfigError
        If list, labels or settings cannot be read.
    InfrastructureError
        If the archive cannot be reached.
    DataError
        If not one spectrum can be read.
    """
    work = _Work(out, settings or SourceRunSettings(), seed)
    wanted = read_source_list(listed, work.settings.sources)
    table = None
    if labels is not None:
        table = read_labels(labels, work.settings.labels, folder=settings_folder)
    work.failures += wanted.bad
    work.summary |= {"listed": len(wanted.sources) + len(wanted.bad), "bad_rows": len(wanted.bad)}
    out.mkdir(parents=True, exist_ok=True)
    files = bring_together(
        wanted.sources, out, work.settings.fetch, work.settings.sources.radius_arcsec,
        again=again, on_detections=lambda n: on_step("detections", n), on_detection=on_item,
    )  # fmt: skip
    work.failures += files.failures
    work.summary |= {"fetched": files.fetched, "present": files.present}
    loaded = _loaded(work, files, background, response, on_step, on_item)
    assert loaded.spectra is not None
    sums, members = added_by_source(loaded.spectra)
    on_step("model", None)
    model = _model(work, sums)
    background_counts = model.background_.expected(sums)
    rows = source_rows.source_rows(sums, background_counts, members, loaded.facts, files)
    latents = model.transform(sums)
    found = source_latents(model, sums, latents, seed)
    source_rows.add_latents(rows, model, sums, found, work.settings.model.neighbours)
    source_rows.add_hardness(rows, sums, background_counts, seed)
    if sums.folding is not None:
        on_step("physical fits", None)
        fits = {name: fit_physical(sums, background_counts, name) for name in MODELS}
        source_rows.add_fits(rows, fits)
    if piled := sum(row["piled_up"] for row in rows):
        work.notes.append(
            f"{piled} of {len(rows)} sources are piled up (column piled_up): their spectra, and "
            "all that is made of them, are too hard"
        )
    classes: tuple[str, ...] = ()
    if table is not None:
        classes = _labelled(work, rows, sums, found, table, on_step, on_item)
    detections = source_rows.detection_rows(loaded.spectra, loaded.facts, members)
    _write(work, "sources", rows, classes)
    _write(work, "detections", detections)
    _summarise(work, loaded, sums, rows)
    return SourceRun(work.summary, tuple(work.failures), tuple(work.notes))


def _loaded(
    work: _Work, files: SourceFiles, background: BackgroundPolicy, response: Path | None,
    on_step: Step, on_item: Callable[[], None],
) -> LoadedSpectra:  # fmt: skip
    on_step("spectra", len(files.files))
    loaded = load_spectra(
        files.files, sources=files.source_of, background=background, response=response,
        folded=True, on_file=lambda path: on_item(),
    )  # fmt: skip
    work.failures += loaded.failures
    if loaded.spectra is None:
        raise DataError(
            "not one spectrum of the list can be read",
            expected="spectra of the sources",
            found=f"{len(work.failures)} errors"
            + (f", the first: {work.failures[0]}" if work.failures else ""),
        )
    return loaded


def _model(work: _Work, sums: SpectrumSet) -> Representation:
    """The model of the settings; hardness ratios where there are too few sources for it."""
    settings = work.settings.model
    parameters = _parameters(settings, work.seed)
    if len(sums) < SOURCES_PER_LATENT * parameters.get("n_latents", 0):
        work.notes.append(
            f"{len(sums)} sources are too few for {settings.latents} latents of "
            f"{settings.method}: the latents are hardness ratios"
        )
        return fitted_model(sums, {}, "hardness", work.out / SOURCE_RUN_MODEL)
    return fitted_model(sums, parameters, settings.method, work.out / SOURCE_RUN_MODEL)


def _parameters(settings: ModelSettings, seed: int) -> dict[str, Any]:
    if settings.method in WITHOUT_CHOICE:
        return {}
    chosen: dict[str, Any] = {"n_latents": settings.latents, "seed": seed}
    return chosen | ({"epochs": settings.epochs} if settings.method == "autoencoder" else {})


def _labelled(
    work: _Work, rows: list[Row], sums: SpectrumSet, latents: SourceLatents,
    table: LabelTable, on_step: Step, on_item: Callable[[], None],
) -> tuple[str, ...]:  # fmt: skip
    """Labels, classes, provenance and scores; returns the classes that have probabilities."""
    ra, dec = (np.array([row[name] for row in rows], dtype=np.float64) for name in ("ra", "dec"))
    labels = match_labels(
        [(row["source"], row["listed_as"]) for row in rows], ra, dec, table,
        work.settings.labels.radius_arcsec,
    )  # fmt: skip
    source_rows.add_labels(rows, labels)
    known = [one for one in labels if one is not None]
    by = {how: sum(one.matched == how for one in known) for how in ("name", "position")}
    work.summary |= {"labelled_by_name": by["name"], "labelled_by_position": by["position"]}
    if not known:
        work.notes.append("the table of labels has none of the sources: no classes, no scores")
        return ()
    counted = provenance_rows(
        [one.source_class for one in known], [one.reference for one in known],
        [one.used_xray for one in known], table.known,
    )  # fmt: skip
    _write(work, "provenance", counted)
    names = np.array(["" if one is None else one.source_class for one in labels], dtype=np.str_)
    found = class_probabilities(latents.alike, latents.alike_errors, names, seed=work.seed)
    if found is None:
        work.notes.append("the labels have no two classes of three sources: no probabilities")
    else:
        source_rows.add_classes(rows, found)
    _evaluate(work, sums, labels, names, on_step, on_item)
    return () if found is None else found.classes


def _evaluate(
    work: _Work, sums: SpectrumSet, labels: list[Label | None], names: Names, on_step: Step,
    on_item: Callable[[], None],
) -> None:  # fmt: skip
    settings = work.settings.model
    independent = np.array(
        [one.source_class if one is not None and one.used_xray == "no" else "" for one in labels],
        dtype=np.str_,
    )
    data = LabelledSpectra(
        sums,
        classes=names,
        groupings={"AGN or compact": AGN_OR_COMPACT},
        label_sets={INDEPENDENT: independent},
        targets={"log counts": Target(np.log10(sums.totals + 1))},
    )
    labelled = data.labels()
    apart = {*data.groupings, *data.label_sets}
    titles = {name: name if name in apart else ALL_LABELS for name in labelled}
    if INDEPENDENT not in labelled:
        work.notes.append(
            "fewer than two classes have labels that are known to be without X-ray data: no "
            "scores of those alone"
        )
    methods = dict.fromkeys((*settings.compared, settings.method))
    plan = BenchmarkPlan(
        methods=("majority", *methods), latents=(settings.latents,),
        seeds=tuple(range(settings.seeds)), controls=False, uncertainties=False,
        parameters={"autoencoder": {"epochs": settings.epochs}},
    )  # fmt: skip
    jobs = plan.jobs()
    on_step("evaluation", len(jobs))

    def done(job: Job, cached: bool) -> None:
        on_item()

    try:
        records = evaluate_plan(data, plan, work.out / EVALUATION / "jobs", on_job=done)
    except (DataError, ValueError) as error:
        work.notes.append(f"the sources are too few to be evaluated: {error}")
        return
    numbers = {name: int(np.sum(values != "")) for name, values in labelled.items()}
    rows = source_rows.score_rows(summarise(records), numbers, titles)
    if rows:
        _write(work, "label_scores", rows)
    else:
        work.notes.append("too few sources have labels in every fold: no scores")


def _summarise(work: _Work, loaded: LoadedSpectra, sums: SpectrumSet, rows: list[Row]) -> None:
    assert loaded.spectra is not None
    assert loaded.spectra.exposure_s is not None
    used = {one.response for one in loaded.facts if one.response}
    work.summary |= {
        "spectra": len(loaded.spectra),
        "unreadable": len(loaded.failures),
        "sources": len(sums),
        "counts": float(loaded.spectra.totals.sum()),
        "exposure_s": float(np.nansum(loaded.spectra.exposure_s)),
        "responses": len(used),
        "without_response": sum(not one.response for one in loaded.facts),
        "without_background": sum(row["background"] != "all" for row in rows),
        "failed": len(work.failures),
    }
    write_json(work.out / SUMMARY_FILE, work.summary | {"notes": work.notes})


def _write(work: _Work, name: str, rows: list[Row], classes: tuple[str, ...] = ()) -> None:
    vocabulary = packaged_vocabulary().with_classes(classes)
    table = to_arrow(name, rows, vocabulary)
    table = table.cast(arrow_schema(name, vocabulary=vocabulary))
    with replacing(work.out / f"{name}.parquet") as unfinished:
        pq.write_table(table, unfinished)
