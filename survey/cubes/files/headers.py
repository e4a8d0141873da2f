"""Headers of a file without its data, for whoever must not be held up: the driver of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from astropy.io import fits

from survey.cubes.files.cube_file import CubeFile
from survey.cubes.files.structure import ALWAYS_BYTES, MOST_RATIO, HeaderUnit, header_units
from survey.cubes.files.unpack import CORRUPT, Source
from survey.errors import DataError

BLOCK_BYTES = 1 << 16
"""What is requested at a time of a remote file."""

MOST_UNPACKED_BYTES = 64 << 20
"""Data of a compressed file that are passed over to come to a later header."""


def primary_header(path: str | Path | CubeFile) -> fits.Header:
    """The primary header of a FITS file, plain or compressed.

    Raises
    ------
    DataError
        If there is no such file, or its first header cannot be read.
    """
    with _units(path) as (units, _):
        return as_header(next(units), str(path))


def image_header(path: str | Path | CubeFile) -> fits.Header | None:
    """The header of the first image of three axes or more.

    None if there is no such image, if in a compressed file it is far behind, or if the file cannot
    hold what the header says.

    Raises
    ------
    DataError
        If the file cannot be opened, or a header up to that one cannot be read.
    """
    with _units(path) as (units, source):
        passed = 0
        for unit in units:
            is_image = unit.number == 0 or b"IMAGE" in unit.text[:30]
            if is_image and len(unit.axes) >= 3:
                most = max(ALWAYS_BYTES, MOST_RATIO * source.n_bytes)
                held = most if source.is_packed else source.n_bytes
                return as_header(unit, str(path)) if unit.data_bytes <= held else None
            passed += unit.padded_bytes
            if source.is_packed and passed > MOST_UNPACKED_BYTES:
                return None
    return None


@contextmanager
def _units(
    cube: str | Path | CubeFile,
) -> Iterator[tuple[Iterator[HeaderUnit], Source]]:
    path = str(cube)
    with CubeFile.of(cube).open(block_bytes=BLOCK_BYTES) as file:
        if not file.seekable():
            raise DataError(
                "its headers alone cannot be read",
                file=path,
                expected="a server that sends parts of files, or an archive that is not compressed",
                found="a file that is sent only whole",
            )
        try:
            source = Source(file, path)
            yield header_units(source.read, source.skip, file=path), source
        except CORRUPT as error:
            raise DataError(
                "the file is corrupt", file=path, expected="a whole file", found=str(error)
            ) from error


def as_header(unit: HeaderUnit, path: str | Path) -> fits.Header:
    """The cards of a unit.

    Raises
    ------
    DataError
        If they are none.
    """
    try:
        text = unit.text.decode("ascii", errors="replace").replace("\ufffd", "?")  # as astropy does
        header = fits.Header.fromstring(text)
        remove_unreadable(header)
        return header
    except Exception as error:  # astropy raises many kinds at mangled cards
        raise DataError(
            f"the header of extension {unit.number} cannot be read",
            file=path,
            expected="cards as FITS defines them",
            found=str(error),
        ) from error


def remove_unreadable(header: fits.Header) -> None:
    """Remove the cards that astropy cannot read or that do not print: later they raise errors."""
    for place in reversed([i for i, card in enumerate(header.cards) if not _is_readable(card)]):
        del header[place]


def _is_readable(card: fits.Card) -> bool:
    try:
        return str(card.value).isprintable() and bool(str(card.comment).isprintable())
    except (fits.VerifyError, ValueError):
        return False


def card_number(value: Any) -> float:
    """The number of a card, which may be written as text, and with the exponent of Fortran.

    Raises
    ------
    TypeError, ValueError
        If it is none.
    """
    return float(value.upper().replace("D", "E") if isinstance(value, str) else value)
