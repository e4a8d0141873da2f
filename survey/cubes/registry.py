"""The table of readers; the primary header of a file decides which reader reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from astropy.io import fits

from catalogs.printable import printable
from survey.config import GenericReaderSettings, ReadSettings
from survey.cubes.files.cube_file import CubeFile
from survey.cubes.files.headers import primary_header
from survey.cubes.read_fits import FitsFile, open_fits
from survey.cubes.readers.checked_cube import CheckedCube
from survey.cubes.readers.generic import read_generic
from survey.cubes.readers.guess import Guess, guess_settings
from survey.cubes.readers.irs import read_irs
from survey.cubes.readers.jwst import read_jwst
from survey.cubes.readers.manga import read_manga
from survey.cubes.readers.muse import read_muse
from survey.cubes.readers.sami import read_sami
from survey.errors import ConfigError, DataError
from survey.spectra.redshift import REDSHIFT_RANGE, suspected_meaning

if TYPE_CHECKING:
    import xarray as xr

GENERIC = "generic"
TARGET_KEYWORDS = ("TARGNAME", "OBJECT", "NAME")
"""Keywords of the primary header; the first that is not empty is used."""

LARGEST_PLACEHOLDER = -9.0
"""Redshifts of headers up to this one (-9, -99, -9999) stand for an unknown one."""


@dataclass(frozen=True)
class Reader:
    """A kind of cube and how it is read.

    Attributes
    ----------
    name : str
        As in the settings.
    marks : mapping
        Keywords of the primary header, each with the start of its value, that identify the kind.
    read : callable
        Makes the cube of an open file.
    flux : str or int
        The extension of the flux. Programs that write cubes anew keep the primary header, and
        often nothing else.
    """

    name: str
    marks: Mapping[str, str]
    read: Callable[[FitsFile], CheckedCube]
    flux: str | int = 0

    def can_read(self, fits_file: FitsFile) -> bool:
        """Whether a file is of the kind, and has its flux where that kind has it."""
        return self.recognises(fits_file.primary) and fits_file.has(self.flux)

    def recognises(self, primary: fits.Header) -> bool:
        """Whether a primary header carries all marks."""
        return all(
            keyword in primary and str(primary[keyword]).strip().startswith(value)
            for keyword, value in self.marks.items()
        )


READERS = (
    Reader("jwst", {"TELESCOP": "JWST"}, read_jwst, "SCI"),
    Reader("muse", {"INSTRUME": "MUSE"}, read_muse, "DATA"),
    Reader("manga", {"PLATEIFU": ""}, read_manga, "FLUX"),
    Reader("sami", {"INSTRUME": "AAOMEGA-SAMI"}, read_sami),
    Reader("irs", {"TELESCOP": "Spitzer", "SOFTWARE": "CUBISM"}, read_irs),
)


def reader_names() -> tuple[str, ...]:
    """Names of all readers, as in the settings."""
    return (*(reader.name for reader in READERS), GENERIC)


def target_name(path: str | Path | CubeFile) -> str:
    """Name of the target in the primary header of a file, "" if it has none.

    Nothing else is read, and of a compressed file no more is unpacked than that header.

    Raises
    ------
    DataError
        If the file is not a FITS file.
    """
    primary = primary_header(path)
    for keyword in TARGET_KEYWORDS:
        if name := printable(str(primary.get(keyword, "")).strip()):
            return name
    return ""


def read_cube(
    path: str | Path | CubeFile,
    settings: ReadSettings,
    *,
    redshift: float = float("nan"),
    target: str = "",
    scratch: Path | None = None,
) -> xr.Dataset:
    """Read one FITS cube into memory; see `open_cube`."""
    with open_cube(path, settings, redshift=redshift, target=target, scratch=scratch) as cube:
        return cube.load()


@contextmanager
def open_cube(
    path: str | Path | CubeFile,
    settings: ReadSettings,
    *,
    redshift: float = float("nan"),
    target: str = "",
    scratch: Path | None = None,
) -> Iterator[xr.Dataset]:
    """Open one FITS cube, of which only those voxels are read that are asked for.

    Parameters
    ----------
    path : str or Path or CubeFile
        A FITS file, also a URL, plain or compressed (gzip, bzip2, xz, zip, fpack).
    settings : ReadSettings
        Which reader ("auto" goes by the header), and what the generic one has to know. With
        "auto", a file that no reader recognises goes to the generic one if it was set up.
    redshift, target : float, str
        Stand above what the header says, if given.
    scratch : Path, optional
        Where a large compressed file may be unpacked meanwhile.

    Yields
    ------
    xarray.Dataset
        See `survey.cubes.dataset.to_dataset`; `reader` is the name of the reader, and
        `stale_checksum` says whether a checksum in the file is wrong.

    Raises
    ------
    DataError
        If the file cannot be read as a cube.
    ConfigError
        If there is no reader of the name in the settings.
    """
    from survey.cubes.dataset import to_dataset  # xarray is slow to load

    with open_checked(path, settings, redshift=redshift, target=target, scratch=scratch) as checked:
        yield to_dataset(checked)


@contextmanager
def open_checked(
    path: str | Path | CubeFile,
    settings: ReadSettings,
    *,
    redshift: float = float("nan"),
    target: str = "",
    scratch: Path | None = None,
) -> Iterator[CheckedCube]:
    """Open one FITS cube as arrays, without xarray; see `open_cube`."""
    strict = settings.checksums == "strict"
    with open_fits(path, scratch=scratch, strict_sums=strict) as fits_file:
        reader = _choose(fits_file, settings)
        cube = reader.read(fits_file)
        cube.attrs.update(reader=reader.name, stale_checksum=fits_file.has_stale_sum)
        if isnan(redshift):
            # Of headers, -9999 and the like say that it is unknown.
            written = float(cube.attrs["redshift"])
            redshift = float("nan") if written <= LARGEST_PLACEHOLDER else written
        cube.attrs["redshift"] = float(redshift)
        if target:
            cube.attrs["target"] = target
        yield cube


def guess_generic(path: str | Path | CubeFile, settings: ReadSettings) -> Guess | None:
    """Settings that may fit a cube that no reader recognises; None if one does, or some are set.

    Raises
    ------
    DataError
        If the file cannot be read, or has no cube.
    """
    if settings.reader != "auto" or settings.generic is not None:
        return None
    with open_fits(path) as fits_file:
        if any(reader.can_read(fits_file) for reader in READERS):
            return None
        return guess_settings(fits_file)


def check_header_redshift(redshift: float, path: str | Path | CubeFile) -> None:
    """Check the redshift of a header, where no other is given.

    Raises
    ------
    DataError
        If no galaxy can have it; an unknown one (NaN) is no error.
    """
    meaning = suspected_meaning(redshift)
    if meaning is not None:
        raise DataError(
            "the redshift in the header cannot be",
            file=str(path),
            expected=REDSHIFT_RANGE,
            found=f"{redshift:g}",
            advice=f"{meaning}. Give the redshift in the targets table, or with --redshift",
        )


def _choose(fits_file: FitsFile, settings: ReadSettings) -> Reader:
    generic_settings = settings.generic or GenericReaderSettings()
    generic = Reader(GENERIC, {}, lambda fits_file: read_generic(fits_file, generic_settings))
    if settings.reader == "auto":
        return _recognise(fits_file, otherwise=generic if settings.generic else None)
    by_name = {reader.name: reader for reader in (*READERS, generic)}
    if settings.reader not in by_name:
        raise ConfigError(
            "unknown read.reader",
            expected=f"auto, {', '.join(by_name)}",
            found=repr(settings.reader),
        )
    return by_name[settings.reader]


def _recognise(fits_file: FitsFile, otherwise: Reader | None = None) -> Reader:
    for reader in READERS:
        if reader.can_read(fits_file):
            return reader
    if otherwise is not None:
        return otherwise
    expected = f"a cube of {', '.join(reader.name for reader in READERS)}"
    found = ", ".join(f"{key} = {fits_file.primary.get(key)!r}" for key in ("TELESCOP", "INSTRUME"))
    for reader in READERS:
        if reader.recognises(fits_file.primary):
            expected = f"{reader.flux}, where a {reader.name} cube has its flux"
            found = ", ".join(fits_file.extension_names())
    raise DataError(
        "no reader recognises the file",
        file=fits_file.path,
        expected=expected,
        found=found,
        advice="Describe it in the settings, table [read.generic]: `survey inspect` of the file "
        "prints one to start from. Or name another reader with read.reader",
    )
