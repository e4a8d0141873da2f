"""Benchmark of representations: every method, number of latents and seed, scored the same way.

A seed is one fold of a cross-validation grouped by source, and the seed of all random numbers: the
representation, and the tasks that use its latents, are trained on three quarters of the sources and
scored on the rest. So the standard deviation over seeds includes both.

Each (method, k, seed) is a job. Its results are kept in a folder, and computed again only if the
data or the settings have changed; an interrupted training continues.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from catalogs.durable import hash_bytes, write_json
from survey.config import fingerprint
from survey.errors import ConfigError, DataError, SurveyError
from survey.latents.calibration import calibrate
from survey.latents.evaluation.downstream_tasks import Finding
from survey.latents.evaluation.labelled import LabelledSpectra
from survey.latents.evaluation.scores import judge_chance, judge_confounders, judge_representation
from survey.latents.models.base import Representation
from survey.latents.models.methods import METHODS, make_representation
from survey.latents.models.model_io import load_model, save_model
from survey.latents.spectra import SpectrumSet

if TYPE_CHECKING:
    from survey.latents.models.transformer.training import Epoch

CODE_VERSION = 3
"""Raised when a change here gives other results than before."""

CHANCE = ("majority", "stratified")
CONFOUNDERS = "confounders"
RECORDS_FILE = "records.json"
FOLDS = 4
WITHOUT_CHOICE = ("hardness", "physical")
"""Methods whose number of latents is given."""


@dataclass(frozen=True)
class BenchmarkPlan:
    """What is compared.

    Attributes
    ----------
    methods : sequence of str
        Names of `METHODS`, "majority", "stratified" or "confounders" (the circumstances of the
        observations in the place of latents).
    latents : sequence of int
        Numbers of latents k, for methods that have a choice.
    seeds : sequence of int
    parameters : mapping of str to mapping
        Parameters of methods by their name.
    controls : bool
        Whether to judge shuffled labels, noise alone and mutual information too.
    uncertainties : bool
        Whether models are calibrated, and errors and latents at equal counts judged too.
    """

    methods: Sequence[str] = (*CHANCE, CONFOUNDERS, *METHODS)
    latents: Sequence[int] = (4, 6, 8, 12, 16)
    seeds: Sequence[int] = (0, 1, 2)
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    controls: bool = True
    uncertainties: bool = True

    def jobs(self) -> list[Job]:
        """All jobs, the quick ones first."""
        known = (*CHANCE, CONFOUNDERS, *METHODS)
        for method in self.methods:
            if method not in known:
                raise ConfigError("unknown method", expected=", ".join(known), found=repr(method))
        ordered = [method for method in known if method in self.methods]
        return [
            Job(method, k, seed)
            for method in ordered
            for k in (self.latents if _has_choice(method) else (None,))
            for seed in self.seeds
        ]


@dataclass(frozen=True)
class Job:
    """One representation to be fitted and judged; `k` is None where there is no choice."""

    method: str
    k: int | None
    seed: int

    @property
    def name(self) -> str:
        """As in "pca-8-seed0"."""
        return f"{self.method}{'' if self.k is None else f'-{self.k}'}-seed{self.seed}"


@dataclass(frozen=True)
class Record:
    """One number of the table; `latents` is zero for methods without."""

    method: str
    latents: int
    seed: int
    task: str
    target: str
    metric: str
    value: float
    circular: bool


def evaluate(
    data: LabelledSpectra,
    plan: BenchmarkPlan,
    folder: Path,
    *,
    on_job: Callable[[Job, bool], None] = lambda job, cached: None,
    on_epoch: Callable[[Job, Epoch], None] = lambda job, epoch: None,
) -> list[Record]:
    """Do all jobs of a plan that are not done, and return the records of all.

    Methods that cannot represent the spectra are left out: those of counts for flux, and those that
    need responses where the spectra have none.

    Parameters
    ----------
    data : LabelledSpectra
    plan : BenchmarkPlan
    folder : Path
        Where each job leaves its model, latents and records.
    on_job : callable
        Called with each job when it is done, and with whether it had been done before.
    on_epoch : callable
        Called with each epoch of a training.

    Raises
    ------
    ConfigError
        If the plan names methods there are not.
    DataError
        If there are fewer sources than folds.
    """
    digest = _digest(data)
    records: list[Record] = []
    for job in plan.jobs():
        if not _can_represent(job.method, data.spectra):
            on_job(job, True)
            continue
        place = folder / job.name
        how = plan.controls, plan.uncertainties
        key = fingerprint(CODE_VERSION, digest, asdict(job), _parameters(plan, job), how)
        found = _read_records(place, key)
        cached = found is not None
        if found is None:
            found = _do(data, plan, job, place, key, partial(on_epoch, job))
            write_json(place / RECORDS_FILE, {"key": key, "records": [asdict(r) for r in found]})
        records += found
        on_job(job, cached)
    return records


def _do(
    data: LabelledSpectra, plan: BenchmarkPlan, job: Job, place: Path, key: str,
    progress: Callable[[Epoch], None],
) -> list[Record]:  # fmt: skip
    place.mkdir(parents=True, exist_ok=True)
    known, new = fold(data, job.seed)
    if job.method in CHANCE:
        findings = list(judge_chance(data, known, new, job.method, job.seed))
        return _records(data, job, 0, findings)
    if job.method == CONFOUNDERS:
        findings = list(judge_confounders(data, known, new, job.seed))
        return _records(data, job, len(data.confounders), findings)
    model = _fitted(data.rows(known), plan, job, place, key, progress)
    findings = list(
        judge_representation(
            model, data, known, new, job.seed, controls=plan.controls,
            uncertainties=plan.uncertainties,
        )
    )  # fmt: skip
    latents = model.transform(data.spectra)
    np.savez(place / "latents.npz", latents=latents, held_out=new, ids=data.spectra.ids)
    return _records(data, job, latents.shape[1], findings)


def _fitted(
    known: LabelledSpectra, plan: BenchmarkPlan, job: Job, place: Path, key: str,
    progress: Callable[[Epoch], None],
) -> Representation:  # fmt: skip
    """The model of a job, as it was saved, or else fitted now."""
    fit_key, marker = fingerprint(key, "model"), place / "model.key"
    if marker.is_file() and marker.read_text() == fit_key:
        try:
            return load_model(place / "model")
        except SurveyError:
            pass  # damaged: it is fitted again
    model = make_representation(job.method, **_parameters(plan, job))
    options: dict[str, Any] = {}
    if job.method == "autoencoder":
        options = {"checkpoint": place / f"training-{fit_key}", "progress": progress}
    model.fit(known.spectra, **options)
    if plan.uncertainties:
        calibrate(model, known.spectra, seed=job.seed)
    save_model(model, place / "model")
    marker.write_text(fit_key)
    for training in place.glob("training-*"):
        shutil.rmtree(training)
    return model


def fold(data: LabelledSpectra, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n,) of bool that are learned from, and those that judge; no source is in both.

    Raises
    ------
    DataError
        If there are fewer sources than folds.
    """
    sources, classes = data.spectra.sources, data.classes
    if (number_of_sources := len(np.unique(sources))) < FOLDS:
        raise DataError(
            "too few sources to hold some out", expected=f"{FOLDS} sources or galaxies",
            found=str(number_of_sources),
        )  # fmt: skip
    number, repetition = seed % FOLDS, seed // FOLDS
    if classes is None:
        # Shuffled by renaming: GroupKFold itself deals out groups by their size.
        names, which = np.unique(sources, return_inverse=True)
        renamed = np.random.default_rng(repetition).permutation(len(names))[which]
        parts = GroupKFold(FOLDS).split(renamed, groups=renamed)
    else:
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=repetition)
        parts = folds.split(classes, classes, sources)
    new = np.zeros(len(data), dtype=bool)
    new[list(parts)[number][1]] = True
    return ~new, new


def _can_represent(method: str, spectra: SpectrumSet) -> bool:
    if method not in METHODS:
        return True
    needed = METHODS[method]
    return spectra.kind in needed.kinds and not (needed.needs_responses and spectra.folding is None)


def _has_choice(method: str) -> bool:
    return method in METHODS and method not in WITHOUT_CHOICE


def _parameters(plan: BenchmarkPlan, job: Job) -> dict[str, Any]:
    if job.method not in METHODS:
        return {}
    chosen = {"n_latents": job.k, "seed": job.seed} if _has_choice(job.method) else {}
    return dict(plan.parameters.get(job.method, {})) | chosen


def _records(
    data: LabelledSpectra, job: Job, latents: int, findings: Iterable[Finding]
) -> list[Record]:
    circular = {name for name, target in data.targets.items() if target.circular}
    return [
        Record(
            job.method, latents, job.seed, one.task, one.target, one.metric, one.value,
            one.target in circular,
        )
        for one in findings
    ]  # fmt: skip


def _read_records(place: Path, key: str) -> list[Record] | None:
    """The records of a job that was done with this key, or None."""
    try:
        found = json.loads((place / RECORDS_FILE).read_text())
        return [Record(**one) for one in found["records"]] if found["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest(data: LabelledSpectra) -> str:
    """A hash of all that results depend on."""
    spectra = data.spectra
    arrays = [
        spectra.grid.edges, spectra.values, spectra.mask, spectra.sources, spectra.background,
        spectra.ivar, data.classes, data.expected, data.expected_source,
        *data.label_sets.values(), spectra.folding and spectra.folding.matrices.data,
        spectra.response, *(target.values for target in data.targets.values()),
        *data.variability.values(), *data.confounders.values(),
    ]  # fmt: skip
    content = [None if a is None else hash_bytes(np.ascontiguousarray(a).tobytes()) for a in arrays]
    names = [
        list(data.targets), list(data.variability), list(data.confounders), list(data.label_sets)
    ]  # fmt: skip
    return fingerprint(content, names, {k: dict(v) for k, v in data.groupings.items()})


@dataclass(frozen=True)
class Summary:
    """One line of the table over seeds; `std` is NaN for a single seed."""

    method: str
    latents: int
    task: str
    target: str
    metric: str
    mean: float
    std: float
    seeds: int
    circular: bool


def summarise(records: Iterable[Record]) -> list[Summary]:
    """Means and standard deviations over seeds, in the order of the records."""
    groups: dict[tuple[str, int, str, str, str], list[Record]] = {}
    for one in records:
        key = (one.method, one.latents, one.task, one.target, one.metric)
        groups.setdefault(key, []).append(one)
    return [_summary(found) for found in groups.values()]


def _summary(found: list[Record]) -> Summary:
    first, values = found[0], np.array([one.value for one in found])
    return Summary(
        first.method,
        first.latents,
        first.task,
        first.target,
        first.metric,
        mean=float(values.mean()),
        std=float(np.std(values, ddof=1)) if len(values) > 1 else float("nan"),
        seeds=len(values),
        circular=first.circular,
    )


def write_table(path: Path, rows: Sequence[Record] | Sequence[Summary]) -> None:
    """Write records or their summary as CSV."""
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(asdict(rows[0])))
        table.writeheader()
        table.writerows(asdict(row) for row in rows)
