"""The command that goes from a list of X-ray sources to their latents, classes and scores."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from survey.latents.cli.app import Background, ResponseFile, background_policy, latent_app
from survey.terminal import (
    EXIT_QUARANTINED,
    AsJson,
    Quiet,
    Seed,
    out_console,
    print_error,
    print_warning,
    progress_bar,
    shown,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from survey.latents.run.sources import SourceRun


@latent_app.command()
def run(
    sources: Annotated[
        Path,
        typer.Argument(help="Table of names or positions, or files: CSV, ECSV, VOTable, FITS."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for tables, model and spectra.")],
    labels: Annotated[
        Path | None, typer.Option(help="Table of classes, matched by name or position.")
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(help="TOML file: [sources], [labels], [fetch], [model] (docs/xray.md)."),
    ] = None,
    again: Annotated[bool, typer.Option(help="Query the catalog again.")] = False,
    background: Background = "required",
    response: ResponseFile = None,
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Latents, classes and scores of a list of X-ray sources; continues after an interruption.

    Spectra are fetched from the Chandra Source Catalog, unless the list names files. Writes
    OUT/sources.parquet, detections.parquet, provenance.parquet and label_scores.parquet.
    """
    from survey.latents.run.settings import load_source_settings
    from survey.latents.run.sources import run_sources

    chosen = load_source_settings(settings)
    policy = background_policy(background)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with progress_bar(quiet=quiet or as_json) as progress:
            bars = _Bars(progress)
            done = run_sources(
                sources, out, labels=labels, settings=chosen,
                settings_folder=None if settings is None else settings.parent,
                background=policy, response=response, again=again, seed=seed,
                on_step=bars.step, on_item=bars.item,
            )  # fmt: skip
    _report(done, caught, out, quiet=quiet, as_json=as_json)
    if done.failures:
        raise typer.Exit(EXIT_QUARANTINED)


@latent_app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    detections: Annotated[int, typer.Option(min=1, help="Number of spectra.")] = 200,
    seed: Seed = 1,
    quiet: Quiet = False,
) -> None:
    """Write spectra of simulated X-ray sources, their response, a list of them, and labels."""
    from survey.latents.run.simulated_files import LABELS_FILE, LIST_FILE, simulate_files

    number = simulate_files(out, detections, seed=seed)
    if not quiet:
        text = (
            f"{detections} spectra of {number} sources; next: survey latent run {out / LIST_FILE} "
            f"--labels {out / LABELS_FILE} --out RUN"
        )
        out_console.print(shown(text), highlight=False, soft_wrap=True)


class _Bars:
    """One progress bar for each step."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.bar: TaskID | None = None

    def step(self, name: str, total: int | None) -> None:
        self.bar = self.progress.add_task(name, total=total)

    def item(self) -> None:
        if self.bar is not None:
            self.progress.advance(self.bar)


def _report(
    done: SourceRun, caught: list[warnings.WarningMessage], out: Path, *, quiet: bool,
    as_json: bool,
) -> None:  # fmt: skip
    from survey.errors import SurveyWarning

    for one in caught:
        if issubclass(one.category, SurveyWarning):
            print_warning(str(one.message))
        else:
            warnings.showwarning(one.message, one.category, one.filename, one.lineno)
    for error in done.failures:
        print_error(error)
    if as_json:
        print(json.dumps(done.summary | {"notes": done.notes, "folder": str(out)}))
        return
    for note in done.notes:
        print_warning(note)
    if quiet:
        return
    facts = done.summary
    lines = [
        f"{facts['listed']} sources listed, {facts['fetched']} detections fetched, "
        f"{facts['present']} present; {facts['failed']} errors",
        f"{facts['sources']} sources of {facts['spectra']} spectra: {facts['counts']:.0f} counts "
        f"in {facts['exposure_s'] / 1e3:.1f} ks, {facts['responses']} responses, "
        f"{facts['without_response']} spectra without one",
        f"{facts['without_background']} sources without the background of all their spectra",
    ]
    if "labelled_by_name" in facts:
        lines.append(
            f"labels: {facts['labelled_by_name']} by name, {facts['labelled_by_position']} by "
            "position"
        )
    for line in [*lines, f"tables: {out}"]:
        out_console.print(shown(line), highlight=False, soft_wrap=True)
