"""Writes all files of one galaxy that other programs read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from astropy.table import QTable

from catalogs.durable import replacing
from catalogs.export import write_ecsv, write_fits
from catalogs.parts import safe_name
from survey.export.galaxy_tables import GalaxyTables
from survey.export.maps import write_maps
from survey.export.regions import write_regions
from survey.export.spectra import spectrum_table
from survey.report.galaxy import draw_galaxy

FOLDER = "export"
"""Folder of a run directory for what is exported from it."""


def export_galaxy(galaxy: GalaxyTables, folder: Path) -> list[Path]:
    """Write the maps, the spectra, the regions and the figure of one galaxy.

    Parameters
    ----------
    galaxy : GalaxyTables
    folder : Path
        Made if it is not there. Existing files are replaced, each in one step.

    Returns
    -------
    list of Path
        <galaxy>_maps.fits, _spectra.fits, _spectra.ecsv, _clusters.ecsv, _clusters.reg and
        _clusters.pdf.
    """
    name = safe_name(galaxy.about["galaxy"])
    writers: dict[str, Callable[[Path], None]] = {
        "maps.fits": lambda path: write_maps(galaxy, path),
        "spectra.fits": lambda path: write_fits(spectrum_table(galaxy), path),
        "spectra.ecsv": lambda path: write_ecsv(spectrum_table(galaxy), path),
        "clusters.ecsv": lambda path: write_ecsv(_clusters(galaxy), path),
        "clusters.reg": lambda path: write_regions(galaxy, path),
        "clusters.pdf": lambda path: _draw(galaxy, path),
    }
    written = []
    for suffix, write in writers.items():
        path = folder / f"{name}_{suffix}"
        with replacing(path) as unfinished:
            write(unfinished)
        written.append(path)
    return written


def _clusters(galaxy: GalaxyTables) -> QTable:
    return galaxy.qtable("clusters")


def _draw(galaxy: GalaxyTables, path: Path) -> None:
    draw_galaxy(
        galaxy.about,
        galaxy.frame("clusters"),
        galaxy.frame("spaxels"),
        galaxy.frame("spectra"),
        path,
        stamp=galaxy.about["part_key"],
        reference=galaxy.reference,
        kind="pdf",
    )
