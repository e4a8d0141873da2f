"""Brings the spectra of a list of sources together: fetched from the archive, or here already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

from survey.errors import DataError
from survey.latents.run.settings import FetchSettings
from survey.latents.run.source_list import WantedSource
from survey.latents.xray.csc_fetch import fetch_spectra, open_session, spectra_of
from survey.latents.xray.csc_list import listed_detections
from survey.latents.xray.csc_query import Selection, detections_of

SPECTRA = "spectra"
"""Folder of fetched spectra in that of the run."""


@dataclass
class SourceFiles:
    """The files of all sources, by path.

    Attributes
    ----------
    source_of : dict of str
        Name of the source of each file, by path.
    listed_as : dict of str
        How the list calls a source, where it has another name there.
    position : dict of (float, float)
        Right ascension and declination of sources, in degrees.
    fetched, present : int
        Detections that were fetched now, and that were there.
    failures : list of DataError
        What could not be fetched, and sources of which nothing was found.
    """

    source_of: dict[str, str] = field(default_factory=dict)
    listed_as: dict[str, str] = field(default_factory=dict)
    position: dict[str, tuple[float, float]] = field(default_factory=dict)
    fetched: int = 0
    present: int = 0
    failures: list[DataError] = field(default_factory=list)

    @property
    def files(self) -> list[Path]:
        """All files, in order."""
        return [Path(path) for path in self.source_of]


def bring_together(
    wanted: tuple[WantedSource, ...], folder: Path, settings: FetchSettings, radius_arcsec: float,
    *, again: bool = False, on_detections: Callable[[int], None] = lambda number: None,
    on_detection: Callable[[], None] = lambda: None,
) -> SourceFiles:  # fmt: skip
    """The spectra of all sources that have any.

    Parameters
    ----------
    wanted : tuple of WantedSource
    folder : Path
        Of the run.
    settings : FetchSettings
    radius_arcsec : float
        How far a source of the catalog may be from a position in the list.
    again : bool
        Query the catalog again, whatever list is kept.
    on_detections : callable
        Called with the number of detections of the catalog.
    on_detection : callable
        Called with each that is done.

    Raises
    ------
    InfrastructureError
        If the archive cannot be reached; what was fetched stays.
    """
    found = SourceFiles()
    for one in wanted:
        if one.files:
            there = [path for path in one.files if path.is_file()]
            found.failures += [
                DataError(f"{one.name} has no such file of its spectrum", file=path)
                for path in one.files
                if path not in there
            ]
            found.source_of |= {str(path): one.name for path in there}
            found.position[one.name] = (one.ra_deg, one.dec_deg)
    remote = [one for one in wanted if not one.files]
    if remote:
        _fetch(remote, folder / SPECTRA, settings, radius_arcsec, found, again, on_detections,
               on_detection)  # fmt: skip
    return found


def _fetch(
    remote: list[WantedSource], folder: Path, settings: FetchSettings, radius_arcsec: float,
    found: SourceFiles, again: bool, on_detections: Callable[[int], None],
    on_detection: Callable[[], None],
) -> None:  # fmt: skip
    session = open_session()
    selection = Selection(
        settings.min_counts,
        settings.min_significance,
        settings.max_off_axis_arcmin,
        sources=tuple(dict.fromkeys(one.csc_name for one in remote if one.csc_name)),
        positions=tuple(
            dict.fromkeys((one.ra_deg, one.dec_deg) for one in remote if not one.csc_name)
        ),
        radius_arcsec=radius_arcsec,
    )
    table = listed_detections(selection, folder, session=session, again=again)
    listed, bad = detections_of(table)
    found.failures += bad
    _name_sources(remote, table, settings, radius_arcsec, found)
    detections = [one for one in listed if one.source in found.listed_as]
    on_detections(len(detections))
    report = fetch_spectra(
        detections, folder, session=session, on_detection=lambda done: on_detection()
    )
    found.fetched, found.present = report.fetched, report.present
    found.failures += report.failures
    for detection in detections:
        paths = spectra_of(folder, detection)
        found.source_of |= {str(path): detection.source for path in paths}


def _name_sources(
    remote: list[WantedSource], table: Table, settings: FetchSettings, radius_arcsec: float,
    found: SourceFiles,
) -> None:  # fmt: skip
    """Note which source of the catalog each of the list is, and which have none or one twice."""
    positions = _positions(table)
    names = _names_of(remote, positions, radius_arcsec)
    found.failures += [
        DataError(
            "the catalog has no detection of the source that is bright enough",
            file=one.name,
            expected=f"{settings.min_counts:g} counts or more, significance "
            f"{settings.min_significance:g}, within {settings.max_off_axis_arcmin:g} arcmin"
            " of the axis",
        )
        for one in remote
        if one.name not in names
    ]
    for row, name in names.items():
        if name in found.listed_as:
            found.failures.append(
                DataError(
                    f"is the source {name} of the catalog, as {found.listed_as[name]} is",
                    file=row,
                )
            )
        found.listed_as.setdefault(name, row)
        found.position[name] = positions[name]


def _positions(table: Table) -> dict[str, tuple[float, float]]:
    """Positions of the sources of a list of detections; NaN where blank."""
    out = {}
    for row in table:
        place = [float(np.ma.filled(row[name], np.nan)) for name in ("ra", "dec")]
        out[str(row["name"]).strip()] = (place[0], place[1])
    return out


def _names_of(
    remote: list[WantedSource], positions: dict[str, tuple[float, float]], radius_arcsec: float
) -> dict[str, str]:
    """The name in the catalog of every source of the list that it has, by its name in the list."""
    found = {one.name: one.csc_name for one in remote if one.csc_name in positions}
    placed = [one for one in remote if not one.csc_name]
    known = [name for name, place in positions.items() if np.isfinite(place).all()]
    if placed and known:
        here = SkyCoord([(one.ra_deg, one.dec_deg) for one in placed] * u.deg)
        there = SkyCoord([positions[name] for name in known] * u.deg)
        which, apart, _ = here.match_to_catalog_sky(there)
        for one, place, distance in zip(placed, which, apart.arcsec, strict=True):
            if distance <= radius_arcsec:
                found[one.name] = known[int(place)]
    return found
