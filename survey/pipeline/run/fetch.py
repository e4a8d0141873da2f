"""Fetches the cubes of a survey from an archive, and writes its targets table.

What is wanted is kept in `fetch.toml`, so that the same command goes on where it stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit
from astropy.table import Table

from catalogs.durable import replacing, write_text
from catalogs.reference import load_gatos_sample
from survey.archives import eso, manga, mast
from survey.archives.download import fetch, is_fetched
from survey.archives.fetch_each import FetchReport
from survey.archives.products import Found, Plan, Wanted
from survey.config.toml_file import read_toml
from survey.errors import ConfigError, DataError
from survey.pipeline.run.settings_file import LABELS_FILE, write_label_template
from survey.pipeline.run.targets import FILE_SEPARATOR

if TYPE_CHECKING:
    import requests

FETCH_FILE = "fetch.toml"
CUBES = "cubes"
TABLE, HELD_OUT_TABLE = "targets.ecsv", "test_targets.ecsv"
ARCHIVES = ("mast", "manga", "muse")
SAMPLES = ("gatos",)


@dataclass(frozen=True)
class Selection:
    """Which cubes are wanted.

    Attributes
    ----------
    archive : str
        One of `ARCHIVES`.
    sample : str
        One of `SAMPLES`, or "".
    targets : tuple of str
        Names of galaxies; of MaNGA PLATE-IFU.
    programs : tuple of int
        JWST programmes, all targets of each.
    channel : int
        MRS channel, 0 for all.
    """

    archive: str = "mast"
    sample: str = ""
    targets: tuple[str, ...] = ()
    programs: tuple[int, ...] = ()
    channel: int = 3

    def __post_init__(self) -> None:
        _one_of("archive", self.archive, ARCHIVES)
        if self.sample:
            _one_of("sample", self.sample, SAMPLES)
        if (self.sample or self.programs) and self.archive != "mast":
            raise ConfigError("samples and programmes are of the archive mast", found=self.archive)
        if not (self.sample or self.targets or self.programs):
            raise ConfigError(
                "it is not said what to fetch",
                expected="a sample, targets or programmes",
                advice="For example: survey fetch --sample gatos, or --target 'NGC 7469'",
            )


def _one_of(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise ConfigError(f"unknown {what}", expected=", ".join(known), found=repr(name))


def write_selection(selection: Selection, folder: Path) -> Path:
    """Write what is wanted into `fetch.toml`."""
    path = folder / FETCH_FILE
    document = tomlkit.document()
    document.add(tomlkit.comment("What `survey fetch` fetches into this folder."))
    for name, value in asdict(selection).items():
        document.add(name, list(value) if isinstance(value, tuple) else value)
    write_text(path, tomlkit.dumps(document))
    return path


def read_selection(folder: Path) -> Selection:
    """What `fetch.toml` of a folder says.

    Raises
    ------
    ConfigError
        If there is none, or it makes no sense.
    """
    path = folder / FETCH_FILE
    if not path.is_file():
        raise ConfigError(
            "it is not said what to fetch",
            file=path,
            expected="this file, of `survey init --sample gatos`, or options",
            advice="For example: survey fetch --sample gatos, or --target 'NGC 7469'",
        )
    try:
        content = read_toml(path, "selection")
        content = {name: tuple(v) if isinstance(v, list) else v for name, v in content.items()}
        return Selection(**content)
    except ConfigError as error:
        error.file = str(path)
        raise
    except TypeError as error:
        raise ConfigError(f"it cannot be read ({error})", file=path) from None


def find(selection: Selection, session: requests.Session) -> Plan:
    """What the archive has of it, with sizes; nothing is fetched.

    Raises
    ------
    InfrastructureError
        If the archive cannot be reached.
    """
    plans = []
    if selection.sample:
        plans.append(mast.find_galaxies(_sample(), session, channel=selection.channel))
    for program in selection.programs:
        try:
            plans.append(mast.find_program(program, session, channel=selection.channel))
        except DataError as error:
            plans.append(Plan((), (error,)))
    if selection.targets and selection.archive == "manga":
        plans.append(manga.find_galaxies([Wanted(name) for name in selection.targets], session))
    elif selection.targets:
        wanted, unknown = [], []
        for name in selection.targets:
            try:
                wanted.append(mast.resolve(name, session))
            except DataError as error:
                unknown.append(error)
        plans.append(Plan((), tuple(unknown)))
        plans.append(
            mast.find_galaxies(wanted, session, channel=selection.channel)
            if selection.archive == "mast"
            else eso.find_galaxies(wanted, session)
        )
    found = {one.wanted.galaxy: one for plan in plans for one in plan.found}
    return Plan(tuple(found.values()), tuple(error for plan in plans for error in plan.missing))


def fetch_plan(
    plan: Plan,
    selection: Selection,
    folder: Path,
    session: requests.Session,
    *,
    verify: bool = False,
    on_bytes: Callable[[int], None] = lambda n: None,
) -> FetchReport:
    """Fetch the cubes of a plan, and write the tables of the galaxies that are complete.

    Raises
    ------
    InfrastructureError, ResourceError
        See `survey.archives.download.fetch`. The tables hold what is complete.
    """
    try:
        return fetch(plan.products, folder / CUBES, session, verify=verify, on_bytes=on_bytes)
    finally:
        write_tables(plan, selection, folder)


def write_tables(plan: Plan, selection: Selection, folder: Path) -> list[Path]:
    """Write targets tables of the galaxies whose cubes are all there, and labels of a sample.

    Galaxies of a table that are not of the plan stay, as do redshifts that were entered by hand.
    Galaxies that a sample holds out have a table of their own.
    """
    complete = [
        found
        for found in plan.found
        if all(is_fetched(folder / CUBES, product) for product in found.products)
    ]
    held_out = {one.galaxy for one in load_gatos_sample() if one.held_out and selection.sample}
    written = []
    for name, rows in (
        (TABLE, [one for one in complete if one.wanted.galaxy not in held_out]),
        (HELD_OUT_TABLE, [one for one in complete if one.wanted.galaxy in held_out]),
    ):
        if rows:
            _write_table(rows, folder / name)
            written.append(folder / name)
    if selection.sample and not (folder / LABELS_FILE).exists():
        write_label_template(folder / LABELS_FILE)
        written.append(folder / LABELS_FILE)
    return written


def _sample() -> list[Wanted]:
    return [
        Wanted(one.galaxy, one.ra_deg, one.dec_deg, one.redshift, one.program)
        for one in load_gatos_sample()
    ]


def _write_table(found: Iterable[Found], path: Path) -> None:
    known = _rows_of(path)
    for one in found:
        wanted = one.wanted
        before = known.get(wanted.galaxy, {})
        redshift = wanted.redshift
        if math.isnan(redshift):
            redshift = before.get("redshift", math.nan)
        known[wanted.galaxy] = before | {
            "galaxy": wanted.galaxy,
            "files": FILE_SEPARATOR.join(f"{CUBES}/{product.name}" for product in one.products),
            "redshift": redshift,
            "ra": wanted.ra_deg,
            "dec": wanted.dec_deg,
        }
    names = list(dict.fromkeys(name for row in known.values() for name in row))
    table = Table({name: [row.get(name, "") for row in known.values()] for name in names})
    for name in ("ra", "dec"):
        table[name].unit = "deg"
    with replacing(path) as unfinished:
        table.write(unfinished, format="ascii.ecsv")


def _rows_of(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    try:
        table = Table.read(path, format="ascii.ecsv").filled("")
        return {str(row["galaxy"]): dict(zip(row.colnames, row, strict=True)) for row in table}
    except Exception as error:  # astropy raises errors of many unrelated classes
        raise ConfigError(
            f"the targets table cannot be read, to be added to ({error})",
            file=path,
            advice="Repair it, or move it away",
        ) from None
