"""Selects detections of the Chandra Source Catalog whose spectra are worth fetching, by TAP."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from astropy.table import Table

from survey.archives.session import tap_table
from survey.errors import ConfigError, DataError

if TYPE_CHECKING:
    import requests

SOURCE_NAME = re.compile(r"2CXO J\d{6}\.\d[+-]\d{6}X?")


@dataclass(frozen=True)
class Selection:
    """Which detections are wanted.

    Attributes
    ----------
    min_counts : float
        Net counts in the source region, 0.5 to 7 keV.
    min_significance : float
        Of the flux in that band.
    max_off_axis_arcmin : float
    sources : tuple of str
        Names as "2CXO J004231.1+411621"; none means all.
    limit : int, optional
        Detections at most.
    """

    min_counts: float = 40.0
    min_significance: float = 5.0
    max_off_axis_arcmin: float = 10.0
    sources: tuple[str, ...] = ()
    limit: int | None = None

    def __post_init__(self) -> None:
        wrong = [name for name in self.sources if not SOURCE_NAME.fullmatch(name)]
        if wrong:
            raise ConfigError(
                "not a name of a source in the Chandra Source Catalog",
                expected="names like 2CXO J004231.1+411621",
                found=", ".join(map(repr, wrong[:3])),
            )
        if self.limit is not None and self.limit < 1:
            raise ConfigError("the limit is below one", expected="a limit of one or more")


@dataclass(frozen=True, order=True)
class Detection:
    """One detection of a source: its region in one interval of one observation."""

    source: str
    obsid: int
    obi: int
    region: int

    @property
    def key(self) -> str:
        """The beginning of the names of its files, but for their version."""
        return f"acisf{self.obsid:05d}_{self.obi:03d}_r{self.region:04d}"

    @property
    def identifier(self) -> str:
        """As the service has it."""
        return f"{self.obsid}.{self.obi}.{self.region}"


def find_detections(
    selection: Selection, *, url: str | None = None, session: requests.Session | None = None
) -> Table:
    """Detections with ACIS that meet a selection, in order of source.

    Parameters
    ----------
    selection : Selection
    url : str, optional
        Of the TAP service. Default: that of the Chandra Data Archive.
    session : requests.Session, optional
        See `survey.latents.xray.csc_fetch.open_session`.

    Returns
    -------
    astropy.table.Table
        A row for each, with the columns of `csc.toml`.

    Raises
    ------
    DataError
        If the service refuses the query, or has more rows than it will send.
    InfrastructureError
        If it cannot be reached.
    """
    table = tap_table(
        url or csc_facts()["query_url"], query_of(selection), session, selection.limit
    )
    wanted = [*csc_facts()["columns"]["source"], *csc_facts()["columns"]["detection"]]
    if missing := sorted(set(wanted) - set(table.colnames)):
        raise DataError(
            "the reply of the catalog lacks columns",
            file=url,
            expected=", ".join(missing),
            found=", ".join(table.colnames),
        )
    return table


def query_of(selection: Selection) -> str:
    """The selection in ADQL.

    A source is a set of detections in stacks of observations; only those that are its own
    beyond doubt (match_type u) are taken.
    """
    facts = csc_facts()
    release = facts["release"]
    columns = [f"m.{name}" for name in facts["columns"]["source"]]
    columns += [f"o.{name}" for name in facts["columns"]["detection"]]
    top = "" if selection.limit is None else f"TOP {selection.limit:d} "
    conditions = [
        "a.match_type = 'u'",
        "m.name = a.name",
        "s.detect_stack_id = a.detect_stack_id AND s.region_id = a.region_id",
        "s.detect_stack_id = b.detect_stack_id AND s.region_id = b.region_id",
        "o.obsid = b.obsid AND o.obi = b.obi AND o.region_id = b.region_id",
        "o.instrument = 'ACIS'",
        f"o.src_cnts_aper_b >= {selection.min_counts:g}",
        f"o.flux_significance_b >= {selection.min_significance:g}",
        f"o.theta <= {selection.max_off_axis_arcmin:g}",
    ]
    if selection.sources:
        conditions.append(f"m.name IN ({', '.join(map(repr, selection.sources))})")
    return (
        f"SELECT DISTINCT {top}{', '.join(columns)} "
        f"FROM {release}.master_source m, {release}.master_stack_assoc a, "
        f"{release}.observation_source o, {release}.stack_observation_assoc b, "
        f"{release}.stack_source s "
        f"WHERE {' AND '.join(f'({one})' for one in conditions)} "
        "ORDER BY name, obsid, obi, region_id"
    )


def detections_of(table: Table) -> list[Detection]:
    """The rows of a table as detections.

    Raises
    ------
    DataError
        If names or numbers are not what they should be: they become names of files.
    """
    found = []
    for row in table:
        name = str(row["name"])
        try:
            numbers = [int(row[column]) for column in ("obsid", "obi", "region_id")]
        except (TypeError, ValueError) as error:
            raise DataError(f"a detection of {name!r} without numbers ({error})") from None
        if not SOURCE_NAME.fullmatch(name) or not all(0 <= one < 10**6 for one in numbers):
            raise DataError("a row of the reply is not a detection", found=f"{name!r}, {numbers}")
        found.append(Detection(name, *numbers))
    return found


@cache
def csc_facts() -> dict[str, Any]:
    """The content of `csc.toml`."""
    return tomllib.loads((files("survey.latents.xray") / "csc.toml").read_text(encoding="utf-8"))
