"""Reads spectra and models of files and runs, for the commands of `survey latent`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from astropy.table import Table

from catalogs.durable import replacing
from survey.errors import ConfigError, DataError, SurveyError
from survey.latents.grid import Grid
from survey.latents.models.model_io import CARD_FILE
from survey.latents.run.spectra import cluster_spectra
from survey.latents.xray.csc_fetch import sources_of
from survey.latents.xray.spectra import BackgroundPolicy, LoadedSpectra, find_spectra, load_spectra

RUN_MODEL = Path("latent") / "model"
"""Folder of the model of a run, in its directory."""

SOURCE_RUN_MODEL = Path("model")
"""The same of a run over a list of X-ray sources."""


def is_run(path: Path) -> bool:
    """Whether a folder is the directory of a run with a catalog."""
    return (path / "catalog").exists()


def load_inputs(
    inputs: Sequence[Path],
    *,
    grid: Grid | None = None,
    background: BackgroundPolicy = "required",
    response: Path | None = None,
    on_file: Callable[[Path], None] = lambda path: None,
) -> LoadedSpectra:
    """Spectra of one run, or of pulse-height files and folders of such.

    Receipts in a folder say which source a fetched spectrum is of. Responses are read too, so that
    models compare sources and not the chips that saw them.

    Parameters
    ----------
    inputs : sequence of Path
    grid : Grid, optional
        Default: that which the galaxies of the run share, or that of ACIS.
    background, response
        Of pulse-height files, see `survey.latents.xray.spectra.load_spectra`.
    on_file : callable
        Called with each pulse-height file.

    Raises
    ------
    ConfigError
        If a run is given together with something else.
    DataError
        If nothing can be read at all.
    """
    runs = [path for path in inputs if is_run(path)]
    if runs:
        if len(inputs) > 1:
            raise ConfigError("give one run, or files, not both", found=str(len(inputs)))
        return LoadedSpectra(cluster_spectra(runs[0], grid=grid), ())
    files = [file for path in inputs for file in (find_spectra(path) if path.is_dir() else [path])]
    sources: dict[str, str] = {}
    for path in inputs:
        sources |= sources_of(path) if path.is_dir() else {}
    loaded = load_spectra(
        files, grid=grid, sources=sources, background=background, response=response,
        folded=True, on_file=on_file,
    )  # fmt: skip
    if loaded.spectra is None:
        first = loaded.failures[0] if loaded.failures else None
        raise first or DataError("no spectra", expected="pulse-height files, or a run")
    return loaded


def model_of(run_or_model: Path, model: Path | None) -> Path:
    """The folder of a model: the one that is named, or that of the run itself."""
    if model is not None:
        return model
    own = run_or_model / RUN_MODEL
    if not own.is_dir():
        raise ConfigError(
            "the run has no model of its spectra",
            file=own,
            advice=f"Make one with `survey latent fit {run_or_model}`, or give one with --model",
        )
    return own


def model_folder(path: Path) -> Path:
    """The folder of a model: this one, or that of the run in this directory."""
    own = (path, path / SOURCE_RUN_MODEL, path / RUN_MODEL)
    return next((one for one in own if (one / CARD_FILE).is_file()), path)


def read_table(path: Path) -> Table:
    """A table in any format that astropy knows by its ending.

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    try:
        return Table.read(path, format="ascii.ecsv" if path.suffix == ".ecsv" else None)
    except FileNotFoundError:
        raise ConfigError("the table does not exist", file=path) from None
    except SurveyError:
        raise
    except Exception as error:  # astropy raises many kinds, of no family
        raise ConfigError(f"the table cannot be read ({error})", file=path) from None


def write_table(table: Table, path: Path) -> None:
    """Write a table in the format of its ending: .ecsv, .csv, .fits or .vot.

    Raises
    ------
    ConfigError
        For any other ending.
    """
    formats = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".fits": "fits", ".vot": "votable"}
    if path.suffix not in formats:
        raise ConfigError(
            "unknown format of a table", file=path, expected=", ".join(formats), found=path.suffix
        )
    with replacing(path) as unfinished:
        table.write(unfinished, format=formats[path.suffix])
