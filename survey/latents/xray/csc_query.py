"""Selects detections of the Chandra Source Catalog whose spectra are worth fetching, by TAP.

Replies come in pages, in order of the name of the source: each page begins after the last source of
which all detections have come. So a limit of the service to the rows of a reply cuts nothing off.
Names and positions are asked for in batches.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table, vstack

from survey.archives.session import tap_table
from survey.errors import ConfigError, DataError

if TYPE_CHECKING:
    import requests

SOURCE_NAME = re.compile(r"2CXO J\d{6}\.\d[+-]\d{6}[A-Z]?")
"""A letter at the end: X of an extended source, A, B, ... of several that share a name."""

Position = tuple[float, float]
"""Right ascension and declination in degrees."""


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
        Names as "2CXO J004231.1+411621".
    positions : tuple of (ra, dec) in degrees
        Sources around these are wanted too. Neither names nor positions mean all sources.
    radius_arcsec : float
        How far from a position.
    limit : int, optional
        Detections at most.
    """

    min_counts: float = 40.0
    min_significance: float = 5.0
    max_off_axis_arcmin: float = 10.0
    sources: tuple[str, ...] = ()
    positions: tuple[Position, ...] = ()
    radius_arcsec: float = 3.0
    limit: int | None = None

    def __post_init__(self) -> None:
        wrong = [name for name in self.sources if not SOURCE_NAME.fullmatch(name)]
        if wrong:
            raise ConfigError(
                "not a name of a source in the Chandra Source Catalog",
                expected="names like 2CXO J004231.1+411621",
                found=", ".join(map(repr, wrong[:3])),
            )
        for ra, dec in self.positions:
            if not (0 <= ra <= 360 and -90 <= dec <= 90):
                raise ConfigError(
                    "not a position", expected="degrees, 0 to 360 and -90 to 90",
                    found=f"{ra:g}, {dec:g}",
                )  # fmt: skip
        if not 0 < self.radius_arcsec <= 600:
            raise ConfigError(
                "the radius of a search is out of range", expected="0 to 600 arcsec",
                found=f"{self.radius_arcsec:g}",
            )  # fmt: skip
        if self.limit is not None and self.limit < 1:
            raise ConfigError("the limit is below one", expected="a limit of one or more")

    def batches(self) -> Iterator[Selection]:
        """The same as several, none of more names or positions than one query takes."""
        limits = csc_facts()["limits"]
        if not (self.sources or self.positions):
            yield self
            return
        for k in range(0, len(self.sources), limits["names"]):
            yield replace(self, sources=self.sources[k : k + limits["names"]], positions=())
        for k in range(0, len(self.positions), limits["positions"]):
            yield replace(self, sources=(), positions=self.positions[k : k + limits["positions"]])

    def facts(self) -> dict[str, Any]:
        """The selection and the release, as plain numbers and text: equal if the reply is to be."""
        return {"release": csc_facts()["release"]} | asdict(self)


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
        If the service refuses the query, or does not send all detections of one source.
    InfrastructureError
        If it cannot be reached.
    """
    url = url or csc_facts()["query_url"]
    pages: list[Table] = []
    for page in chain.from_iterable(_pages(one, url, session) for one in selection.batches()):
        pages.append(page)
        if selection.limit is not None and sum(map(len, pages)) >= selection.limit:
            break
    table = vstack(pages, metadata_conflicts="silent") if len(pages) > 1 else pages[0]
    return _once(table)[: selection.limit]


def _pages(batch: Selection, url: str, session: requests.Session | None) -> Iterator[Table]:
    """Replies to one query, each of whole sources only."""
    size = csc_facts()["limits"]["rows"]
    if batch.limit is not None and batch.limit <= size:
        page = tap_table(url, query_of(batch, rows=batch.limit), session, batch.limit)
        page.meta.pop("overflow")
        _require_columns(page, url)
        yield page
        return
    after: str | None = None
    while True:
        page = tap_table(url, query_of(batch, after=after, rows=size), session, size)
        _require_columns(page, url)
        if not (page.meta.pop("overflow") or len(page) >= size):
            yield page
            return
        names = [str(name) for name in page["name"]]
        whole = np.array([name != names[-1] for name in names])
        if not whole.any() or after in names:
            raise DataError(
                "the catalog sends only part of the detections of a source", file=url,
                found=f"{len(page)} rows of {names[-1] if names else 'none'}",
                advice="Select fewer",
            )  # fmt: skip
        yield page[whole]
        after = names[int(np.flatnonzero(whole)[-1])]


_KEY = ("name", "obsid", "obi", "region_id")


def _once(table: Table) -> Table:
    """Rows without those that came twice, as of a source that is near two positions."""
    keys = [tuple(str(row[name]) for name in _KEY) for row in table]
    first = sorted({key: place for place, key in reversed(list(enumerate(keys)))}.values())
    return table[first]


def _require_columns(table: Table, url: str) -> None:
    wanted = [*csc_facts()["columns"]["source"], *csc_facts()["columns"]["detection"]]
    if missing := sorted(set(wanted) - set(table.colnames)):
        raise DataError(
            "the reply of the catalog lacks columns",
            file=url,
            expected=", ".join(missing),
            found=", ".join(table.colnames),
        )


def query_of(selection: Selection, *, after: str | None = None, rows: int | None = None) -> str:
    """The selection in ADQL.

    A source is a set of detections in stacks of observations; only those that are its own
    beyond doubt (match_type u) are taken.

    Parameters
    ----------
    selection : Selection
        One of its `batches`.
    after : str, optional
        Only sources whose names come after this one.
    rows : int, optional
        Rows at most.
    """
    facts = csc_facts()
    release = facts["release"]
    columns = [f"m.{name}" for name in facts["columns"]["source"]]
    columns += [f"o.{name}" for name in facts["columns"]["detection"]]
    top = "" if rows is None else f"TOP {rows:d} "
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
    if selection.positions:
        conditions.append(" OR ".join(_cone(one, selection) for one in selection.positions))
    if after is not None:
        quoted = after.replace("'", "''")
        conditions.append(f"m.name > '{quoted}'")
    return (
        f"SELECT DISTINCT {top}{', '.join(columns)} "
        f"FROM {release}.master_source m, {release}.master_stack_assoc a, "
        f"{release}.observation_source o, {release}.stack_observation_assoc b, "
        f"{release}.stack_source s "
        f"WHERE {' AND '.join(f'({one})' for one in conditions)} "
        "ORDER BY name, obsid, obi, region_id"
    )


def _cone(position: Position, selection: Selection) -> str:
    """A circle in ADQL, as the documentation of the catalog has it: its radius is in arcmin.

    The range of declinations is there for the sake of an index.
    """
    ra, dec = position
    degrees = selection.radius_arcsec / 3600
    return (
        f"(m.dec BETWEEN {dec - degrees:.7f} AND {dec + degrees:.7f} AND "
        f"dbo.cone_distance(m.ra, m.dec, {ra:.7f}, {dec:.7f}) <= {degrees * 60:.6f})"
    )


def detections_of(table: Table) -> tuple[list[Detection], list[DataError]]:
    """The rows of a table as detections, and what is wrong with the others.

    Names and numbers become names of files, so that rows with any other content are set aside.
    """
    found, bad = [], []
    for number, row in enumerate(table, start=1):
        name = str(row["name"]).strip()
        try:
            if any(np.ma.is_masked(row[column]) for column in ("obsid", "obi", "region_id")):
                raise ValueError("blank cells")
            numbers = [int(row[column]) for column in ("obsid", "obi", "region_id")]
        except (TypeError, ValueError) as error:
            bad.append(DataError(f"row {number}, {name!r}, has no numbers ({error})"))
            continue
        if SOURCE_NAME.fullmatch(name) and all(0 <= one < 10**6 for one in numbers):
            found.append(Detection(name, *numbers))
        else:
            bad.append(DataError(f"row {number} is not a detection", found=f"{name!r}, {numbers}"))
    return found, bad


@cache
def csc_facts() -> dict[str, Any]:
    """The content of `csc.toml`."""
    return tomllib.loads((files("survey.latents.xray") / "csc.toml").read_text(encoding="utf-8"))
