"""Commands that simulate cubes of known truth, and run a first survey of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from survey.cli.app import app
from survey.cli.runs import execute, finish_run
from survey.terminal import Quiet, Seed, Workers, err_console, out_console


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder for the cubes.")],
    archive: Annotated[
        str, typer.Option(help="demo, or gatos-like (the paper's sample).")
    ] = "demo",
    galaxies: Annotated[
        int | None, typer.Option(min=1, help="How many (default: as many as the archive has).")
    ] = None,
    seed: Seed = 0,
    size: Annotated[int, typer.Option(min=8, help="Spaxels along a side.")] = 24,
    window: Annotated[str, typer.Option(help="ch3, ch4 or muse, or a part, as ch3-short.")] = "ch3",
    snr: Annotated[float, typer.Option(help="Continuum S/N per sample, field median.")] = 30.0,
    workers: Workers = 1,
    quiet: Quiet = False,
) -> None:
    """Write simulated cubes of known truth (MIRI/MRS or MUSE), with a survey.toml to run them."""
    _simulate(out, archive, galaxies, seed=seed, size=size, window=window, snr=snr,
              workers=workers or 1, quiet=quiet)  # fmt: skip
    if quiet:
        return
    out_console.print(f"run them with: survey run {out / 'survey.toml'}", highlight=False)
    if (labels := out / "labels.ecsv").exists():
        out_console.print(
            f"then classify: survey classify {out / 'run'} --labels {labels}", highlight=False
        )


def _simulate(
    out: Path, archive: str, galaxies: int | None, *, seed: int, size: int, window: str,
    snr: float, workers: int, quiet: bool,
) -> None:  # fmt: skip
    from rich.progress import Progress

    from survey.simulate.archive import simulate_archive
    from survey.simulate.designs import load_design

    total = galaxies or len(load_design(archive).members)
    with Progress(console=err_console, disable=quiet) as progress:
        bar = progress.add_task("simulating", total=total)
        simulate_archive(
            out,
            total,
            archive=archive,
            seed=seed,
            size=(size, size),
            window=window,
            snr=snr,
            workers=workers,
            on_done=lambda path: progress.advance(bar),
        )


@app.command()
def demo(
    out: Annotated[Path, typer.Argument(help="Folder for everything.")] = Path("demo"),
    workers: Workers = 2,
    seed: Seed = 0,
) -> None:
    """Simulate four small galaxies, run them, and show the catalog."""
    import pandas as pd

    from survey.pipeline.run.plan import plan_run

    _simulate(out, "demo", None, seed=seed, size=24, window="ch3", snr=30.0, workers=workers or 1,
              quiet=False)  # fmt: skip
    plan = plan_run([out / "survey.toml"], overrides={"engine": {"workers": workers}})
    outcome = execute(plan, quiet=False)
    file = plan.root / "catalog" / "clusters.parquet"
    columns = ["galaxy", "cluster", "n_spaxel", "continuum_snr", "flux_NeII_12.81",
               "flux_NeIII_15.56", "flux_PAH_12.7"]  # fmt: skip
    clusters = pd.read_parquet(file, columns=columns)
    out_console.print(f"\n>>> pandas.read_parquet({str(file)!r})", highlight=False)
    out_console.print(clusters.head(12).to_string(), highlight=False, soft_wrap=True)
    finish_run(plan, outcome, as_json=False, quiet=False)
