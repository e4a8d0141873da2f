"""The command that compares representations, on simulated or labelled spectra."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from survey.errors import ConfigError
from survey.latents.cli.app import Background, ResponseFile, latent_app, load_spectra
from survey.terminal import EXIT_QUARANTINED, Quiet, Seed, err_console, out_console, progress_bar

if TYPE_CHECKING:
    from survey.latents.evaluation.benchmark import Job
    from survey.latents.evaluation.labelled import LabelledSpectra


@latent_app.command()
def evaluate(
    out: Annotated[Path, typer.Argument(help="Folder for tables, figures and models.")],
    simulate: Annotated[
        int | None, typer.Option(min=200, help="Number of spectra to simulate.")
    ] = None,
    responses: Annotated[
        Path | None,
        typer.Option(help="Simulate with the responses of the spectra in this folder."),
    ] = None,
    spectra: Annotated[
        list[Path] | None, typer.Option(help="Pulse-height files or folders; may be repeated.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Table of the spectra: id, source, class, numbers.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Only these methods; may be repeated.")
    ] = None,
    latents: Annotated[
        list[int] | None, typer.Option(min=1, help="Numbers of latents; may be repeated.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of folds and seeds.")] = 3,
    epochs: Annotated[int, typer.Option(min=1, help="Training epochs of the autoencoder.")] = 40,
    controls: Annotated[
        bool,
        typer.Option(
            help="Also evaluate controls: shuffled labels, noise alone, uncertainties, information."
        ),
    ] = True,
    background: Background = "required",
    response: ResponseFile = None,
    seed: Seed = 1,
    quiet: Quiet = False,
) -> None:
    """Compare representations by all labels of the spectra; continues after an interruption."""
    from survey.latents.evaluation.benchmark import BenchmarkPlan
    from survey.latents.evaluation.benchmark import evaluate as run_plan
    from survey.latents.evaluation.labelled import LabelledSpectra
    from survey.latents.report.table import write_evaluation
    from survey.latents.run.benchmark_sets import labelled_benchmark

    if (simulate is None) == (spectra is None):
        raise ConfigError(
            "no spectra to evaluate, or two kinds",
            advice="Give either --simulate N or --spectra FILES.",
        )
    plan = BenchmarkPlan(seeds=tuple(range(seeds)), controls=controls, uncertainties=controls,
                parameters={"autoencoder": {"epochs": epochs}})  # fmt: skip
    if method:
        plan = replace(plan, methods=tuple(method))
    if latents:
        plan = replace(plan, latents=tuple(latents))
    jobs = plan.jobs()
    failed = False
    if simulate is not None:
        data = _simulated(simulate, seed, responses, quiet=quiet)
    else:
        read, failed = load_spectra(
            spectra or [], None, quiet=quiet, background=background, response=response
        )
        data = LabelledSpectra(read) if labels is None else labelled_benchmark(read, labels)
    with progress_bar(quiet=quiet) as progress:
        bar = progress.add_task("jobs", total=len(jobs))

        def show(job: Job, cached: bool) -> None:
            progress.advance(bar)
            if not quiet and not cached:
                progress.console.print(f"done {job.name}", highlight=False)

        records = run_plan(data, plan, out / "jobs", on_job=show)
    lines = write_evaluation(data, plan, records, out)
    if not quiet:
        for line in lines:
            out_console.print(line, highlight=False, soft_wrap=True, markup=False)
        err_console.print(f"tables and figures: {out}", highlight=False)
    if failed:
        raise typer.Exit(EXIT_QUARANTINED)


def _simulated(number: int, seed: int, responses: Path | None, *, quiet: bool) -> LabelledSpectra:
    from survey.latents.run.benchmark_sets import observed_responses, simulated_benchmark
    from survey.latents.xray.simulate import simulate_xray

    real = None if responses is None else observed_responses(responses)
    with progress_bar(quiet=quiet) as progress:
        bar = progress.add_task("spectra", total=number)
        return simulated_benchmark(
            simulate_xray(
                number, seed=seed, responses=real, on_spectrum=lambda: progress.advance(bar)
            )
        )
