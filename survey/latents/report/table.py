"""Writes the evaluation of representations as tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from survey.errors import ConfigError
from survey.latents.evaluation.benchmark import (
    BenchmarkPlan,
    Job,
    Record,
    Summary,
    fold,
    summarise,
    write_table,
)
from survey.latents.evaluation.labelled import LabelledSpectra
from survey.latents.evaluation.scores import COUNT_RANGES
from survey.latents.models.base import ANY_KIND, Representation
from survey.latents.models.model_io import load_model
from survey.latents.report.figures import draw_ablation, draw_latent_space, draw_reconstructions

RECORDS_TABLE = "records.csv"
SUMMARY_TABLE = "summary.csv"
PREFERRED = 8
"""Number of latents of the models that are drawn, if there are such models."""

COLUMNS = (
    ("reconstruction", "truth", "KL", "KL"),
    ("reconstruction", "other half", "deviance per bin", "deviance"),
    ("supervised", None, "logistic", "logistic"),
    ("supervised", None, "forest", "forest"),
    ("unsupervised", None, "mixture votes", "mixture"),
    ("supervised", "AGN or compact", "forest", "AGN/compact"),
    ("regression", "log N_H", "R2, forest", "R2 log N_H"),
    ("confounder", "log counts", "R2, forest", "R2 counts"),
    ("control: shuffled labels", None, "forest", "shuffled"),
    ("control: noise alone", None, "forest", "noise alone"),
    ("equal counts", None, "forest", "forest="),
    ("equal counts", "log counts", "R2, forest", "R2 counts="),
    ("uncertainty", "new observations", "share within 1 sigma", "coverage"),
    *(
        (
            "uncertainty",
            f"new observations, {low:g} to {high:g} counts",
            "share within 1 sigma",
            f"{low:g}-{high:g}",
        )
        for low, high in COUNT_RANGES
    ),
)
"""Of the short table: task, target (None: all classes), metric, heading.

Headings with "=" are of latents as they would be at equal counts.
"""


def write_evaluation(
    data: LabelledSpectra, plan: BenchmarkPlan, records: Sequence[Record], folder: Path
) -> list[str]:
    """Write all records, their summary and the figures; returns the short table as lines.

    Raises
    ------
    ConfigError
        If no method of the plan found anything to score.
    """
    if not records:
        raise ConfigError(
            "there is nothing to score",
            expected=f"methods that represent {data.spectra.kind}, or labels",
            found=", ".join(plan.methods),
            advice=ANY_KIND,
        )
    folder.mkdir(parents=True, exist_ok=True)
    summaries = summarise(records)
    write_table(folder / RECORDS_TABLE, records)
    write_table(folder / SUMMARY_TABLE, summaries)
    draw_ablation(summaries, folder / "ablation.png")
    models = _models(plan, folder / "jobs")
    _, new = fold(data, plan.seeds[0])
    judges = data.rows(new)
    if judges.classes is not None:
        for name, model in models.items():
            latents = model.transform(judges.spectra)
            draw_latent_space(
                latents, judges.classes, folder / f"latent_space_{name}.png", title=name
            )
    expected = {name: model.expected(judges.spectra) for name, model in models.items()}
    draw_reconstructions(
        judges.spectra, expected, folder / "reconstructions.png", truth=judges.expected,
        names=_titles(judges),
    )  # fmt: skip
    lines = short_table(summaries)
    (folder / "summary.txt").write_text("\n".join(lines) + "\n")
    return lines


def short_table(summaries: Sequence[Summary]) -> list[str]:
    """The main numbers of all methods, one line each: mean +- standard deviation over seeds."""
    methods = list(dict.fromkeys((one.method, one.latents) for one in summaries))
    all_classes = next((s.target for s in summaries if s.task == "supervised"), None)
    rows = [["method", *(heading for *_, heading in COLUMNS)]]
    for method, latents in methods:
        own = [one for one in summaries if (one.method, one.latents) == (method, latents)]
        cells = [
            _cell(own, task, all_classes if target is None else target, metric)
            for task, target, metric, _ in COLUMNS
        ]
        rows.append([f"{method}-{latents}" if latents else method, *cells])
    used = [k for k in range(len(rows[0])) if k == 0 or any(row[k] for row in rows[1:])]
    widths = {k: max(len(row[k]) for row in rows) for k in used}
    return ["  ".join(row[k].ljust(widths[k]) for k in used).rstrip() for row in rows]


def _cell(own: list[Summary], task: str, target: str | None, metric: str) -> str:
    for one in own:
        if (one.task, one.target, one.metric) == (task, target, metric):
            digits = 4 if metric == "KL" else 3
            spread = "" if np.isnan(one.std) else f" +-{one.std:.{digits}f}"
            return f"{one.mean:.{digits}f}{spread}"
    return ""


def _models(plan: BenchmarkPlan, jobs: Path) -> dict[str, Representation]:
    """One model of each method, of the first seed, with eight latents if there is one."""
    chosen: dict[str, Job] = {}
    for job in plan.jobs():
        if job.seed == plan.seeds[0] and (job.method not in chosen or job.k == PREFERRED):
            chosen[job.method] = job
    folders = {name: jobs / job.name / "model" for name, job in chosen.items()}
    return {name: load_model(place) for name, place in folders.items() if place.is_dir()}


def _titles(data: LabelledSpectra) -> list[str]:
    classes = [""] * len(data) if data.classes is None else data.classes.tolist()
    if data.spectra.kind == "flux":
        return [f"{name} {label}" for name, label in zip(data.spectra.ids, classes, strict=True)]
    totals = data.spectra.totals
    return [f"{label} {total:.0f} counts" for label, total in zip(classes, totals, strict=True)]
