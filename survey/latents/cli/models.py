"""Commands that fit representations of spectra and use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from survey.errors import ConfigError
from survey.latents.cli.app import Background, ResponseFile, latent_app, load_spectra
from survey.terminal import (
    EXIT_QUARANTINED,
    AsJson,
    Quiet,
    Seed,
    out_console,
    progress_bar,
    shown,
)

if TYPE_CHECKING:
    from survey.latents.models.base import Representation
    from survey.latents.spectra import SpectrumSet

FEW_SPECTRA = 500
"""Fewer spectra give only hundreds of steps: a network then learns only the mean shape."""

Inputs = Annotated[
    list[Path], typer.Argument(help="Pulse-height files or folders of them, or one RUN.")
]
Model = Annotated[
    Path,
    typer.Argument(help="A model, or a run that has one (`survey latent fit`, `latent run`)."),
]
RunModel = Annotated[
    Path | None, typer.Option("--model", help="A model (default: that of the run).")
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")]
EitherRun = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run directory of a survey, or of `latent run`.")
]


@latent_app.command()
def fit(
    inputs: Inputs,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the model (default: RUN/latent/model).")
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help="nmf or pca; of counts also autoencoder, hardness or physical (needs responses)."
        ),
    ] = "nmf",
    latents: Annotated[int, typer.Option(min=1, help="Numbers per spectrum.")] = 8,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Training epochs of the autoencoder.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the autoencoder on a CPU.")] = 1,
    background: Background = "required",
    response: ResponseFile = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Fit a representation of spectra; continues an interrupted training."""
    from survey.latents.calibration import calibrate
    from survey.latents.evaluation.benchmark import WITHOUT_CHOICE
    from survey.latents.models.methods import make_representation
    from survey.latents.models.model_io import save_model
    from survey.latents.run.inputs import RUN_MODEL, is_run

    if out is None:
        if not is_run(inputs[0]):
            raise ConfigError(
                "no folder for the model", advice="Give --out FOLDER; only a RUN has a default."
            )
        out = inputs[0] / RUN_MODEL
    spectra, failed = load_spectra(
        inputs, None, quiet=quiet, background=background, response=response
    )
    given = method in WITHOUT_CHOICE
    chosen: dict[str, Any] = {} if given else {"n_latents": latents, "seed": seed}
    options: dict[str, Any] = {}
    if method == "autoencoder":
        chosen |= {"threads": threads} | ({} if epochs is None else {"epochs": epochs})
    model = make_representation(method, **chosen)
    with progress_bar(quiet=quiet or method != "autoencoder") as progress:
        if method == "autoencoder":
            bar = progress.add_task("epochs", total=chosen.get("epochs", 40))
            checkpoint = out.with_name(f".{out.name}.training")
            options = {
                "checkpoint": checkpoint,
                "progress": lambda epoch: progress.update(bar, completed=epoch.number),
            }
        model.fit(spectra, **options)
    calibrate(model, spectra, seed=seed)
    save_model(model, out)
    _forget(options.get("checkpoint"))
    if not quiet:
        text = f"{model.name} of {len(spectra)} spectra in {out}"
        out_console.print(shown(text), highlight=False, soft_wrap=True)
        if method == "autoencoder" and len(spectra) < FEW_SPECTRA:
            text = f"note: {len(spectra)} spectra are few for a network; --method nmf needs less"
            out_console.print(text, highlight=False, soft_wrap=True)
    if is_run(inputs[0]) and out == inputs[0] / RUN_MODEL:
        _publish(inputs[0], out, quiet=quiet)
    _end(failed)


@latent_app.command()
def publish(run: Run, model: RunModel = None, quiet: Quiet = False) -> None:
    """Publish the latents of all clusters, and how unusual they are, in the catalog of a run.

    By the model of the run, or by one of another run, so that both are in one latent space.
    """
    from survey.latents.run.inputs import model_of

    _require_run(run)
    _publish(run, model_of(run, model), quiet=quiet)


@latent_app.command()
def encode(
    model: Model,
    inputs: Inputs,
    out: Annotated[Path, typer.Option(help="A table: .ecsv, .csv, .fits or .vot.")] = Path(
        "latents.ecsv"
    ),
    errors: Annotated[bool, typer.Option(help="Also write uncertainties, from thinning.")] = True,
    background: Background = "required",
    response: ResponseFile = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Write the latents of spectra, their uncertainties, and their goodness of fit."""
    from astropy.table import Table

    from survey.latents.anomaly import misfit_of_model
    from survey.latents.models.model_io import load_model
    from survey.latents.run.inputs import model_folder, write_table
    from survey.latents.uncertainty import latent_uncertainty

    fitted = load_model(model_folder(model))
    spectra, failed = load_spectra(
        inputs, fitted.grid_, quiet=quiet, background=background, response=response
    )
    latents = fitted.transform(spectra)
    table = Table({"id": spectra.ids, "source": spectra.sources})
    if spectra.kind == "counts":
        table["counts"] = spectra.totals
    for k, column in enumerate(latents.T, start=1):
        table[f"z{k}"] = column
    if errors:
        for k, column in enumerate(latent_uncertainty(fitted, spectra, seed=seed).T, start=1):
            table[f"err_z{k}"] = column
    table["log_likelihood"] = fitted.score_samples(spectra)
    table["misfit_sigma"] = misfit_of_model(fitted, spectra, latents)
    write_table(table, out)
    if not quiet:
        out_console.print(f"{len(table)} spectra in {shown(str(out))}", highlight=False)
    _end(failed)


@latent_app.command()
def reconstruct(
    model: Model,
    inputs: Inputs,
    out: Annotated[Path, typer.Option(help="A table: .ecsv, .fits or .vot.")] = Path(
        "reconstructed.fits"
    ),
    figure: Annotated[
        Path | None, typer.Option(help="Draw a figure of some of them (.png).")
    ] = None,
    background: Background = "required",
    response: ResponseFile = None,
    quiet: Quiet = False,
) -> None:
    """Write spectra from their latents: expected values, and shapes without background."""
    from astropy.table import Table

    from survey.latents.models.model_io import load_model
    from survey.latents.report.figures import draw_reconstructions
    from survey.latents.run.inputs import model_folder, write_table

    fitted = load_model(model_folder(model))
    spectra, failed = load_spectra(
        inputs, fitted.grid_, quiet=quiet, background=background, response=response
    )
    expected = fitted.expected(spectra)
    table = Table(
        {
            "id": spectra.ids,
            "observed": spectra.values,
            "usable": spectra.mask,
            "expected": expected,
            "shape": fitted.inverse_transform(fitted.transform(spectra)),
        }
    )
    table.meta["EDGES"] = " ".join(f"{edge:.6g}" for edge in fitted.grid_.edges)
    table.meta["UNIT"] = fitted.grid_.unit
    write_table(table, out)
    if figure is not None:
        draw_reconstructions(spectra, {fitted.name: expected}, figure)
    if not quiet:
        out_console.print(f"{len(table)} spectra in {shown(str(out))}", highlight=False)
    _end(failed)


@latent_app.command()
def neighbours(
    run: EitherRun,
    name: Annotated[str, typer.Argument(metavar="NAME", help="GALAXY/CLUSTER, or a source.")],
    model: RunModel = None,
    number: Annotated[int, typer.Option(min=1, help="Number of clusters or sources.")] = 10,
    as_json: AsJson = False,
) -> None:
    """List the clusters, or X-ray sources, with the spectra most similar to that of one."""
    from survey.latents.anomaly import nearest
    from survey.latents.run.source_table import is_source_run, nearest_sources

    if is_source_run(run):
        _require_no_model(model)
        _print_rows(nearest_sources(run, name, number), as_json=as_json)
        return

    fitted, spectra = _of_run(run, model)
    names = spectra.ids.tolist()
    if name not in names:
        raise ConfigError(
            f"the run has no cluster {name!r}", expected="GALAXY/CLUSTER, as in " + names[0]
        )
    rows, distance = nearest(fitted.transform(spectra), names.index(name), number)
    found = [
        {"cluster": names[row], "distance": round(float(d), 4)}
        for row, d in zip(rows, distance, strict=True)
    ]
    _print_rows(found, as_json=as_json)


@latent_app.command()
def anomalies(
    run: EitherRun,
    model: RunModel = None,
    number: Annotated[int, typer.Option(min=1, help="Number of clusters or sources.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the clusters, or X-ray sources, with the most unusual spectra, these first."""
    import numpy as np

    from survey.latents.anomaly import find_anomalies
    from survey.latents.run.source_table import is_source_run, oddest_sources

    if is_source_run(run):
        _require_no_model(model)
        _print_rows(oddest_sources(run, number), as_json=as_json)
        return

    fitted, spectra = _of_run(run, model)
    found = find_anomalies(fitted, spectra)
    rows = [
        {
            "cluster": str(spectra.ids[row]),
            "score": round(float(found.score[row]), 4),
            "isolation": round(float(found.isolation[row]), 3),
            "misfit_sigma": round(float(found.misfit[row]), 2),
        }
        for row in np.argsort(-found.score, kind="stable")[:number]
    ]
    _print_rows(rows, as_json=as_json)


def _of_run(run: Path, model: Path | None) -> tuple[Representation, SpectrumSet]:
    """The model of a run, and the spectra of its clusters."""
    from survey.latents.models.model_io import load_model
    from survey.latents.run.inputs import model_of

    _require_run(run)
    fitted = load_model(model_of(run, model))
    return fitted, load_spectra([run], fitted.grid_, quiet=True)[0]


def _require_run(run: Path) -> None:
    from survey.latents.run.inputs import is_run

    if not is_run(run):
        raise ConfigError("no survey has run in this directory", file=run, expected="a catalog")


def _require_no_model(model: Path | None) -> None:
    if model is not None:
        raise ConfigError(
            "the latents of a table of sources are those of its own model", found=str(model),
            advice="Leave --model out, or run `survey latent run` with other settings.",
        )  # fmt: skip


def _publish(run: Path, model: Path, *, quiet: bool) -> None:
    from survey.latents.run.publish import publish_latents

    done = publish_latents(run, model)
    if not quiet:
        summary = done.latents.receipt.summary
        state = "computed" if done.computed else "nothing has changed"
        text = f"{summary['n_latents']} latents a cluster in {run}/catalog/latents.parquet"
        out_console.print(shown(f"{text} ({state})"), highlight=False, soft_wrap=True)


def _forget(checkpoint: Path | None) -> None:
    import shutil

    if checkpoint is not None:
        shutil.rmtree(checkpoint, ignore_errors=True)


def _end(failed: bool) -> None:
    if failed:
        raise typer.Exit(EXIT_QUARANTINED)


def _print_rows(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows))
        return
    from astropy.table import Table

    for line in Table(rows).pformat(max_lines=-1, max_width=-1):
        out_console.print(shown(line), highlight=False, soft_wrap=True)
