"""Where an image or a column is: in an extension, of the same file or of another one.

Written as "VAR", "1", "other.fits", "other.fits[VAR]", "WAVE[lambda]", "other.fits[WAVE][lambda]".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from survey.config import ReadSettings
from survey.cubes.files.cube_file import CubeFile
from survey.errors import ConfigError

_FITS_ENDING = re.compile(r"(\.(fits?|fts))?(\.(gz|bz2|xz|zip|fz|Z))?$", re.I)
_PLACE = re.compile(r"(?P<first>[^\[\]]*)(\[(?P<second>[^\[\]]+)\])?(\[(?P<third>[^\[\]]+)\])?")
_NAME = re.compile(r"\{name(?:/(?P<old>[^/{}]+)/(?P<new>[^/{}]*))?\}")


@dataclass(frozen=True)
class Place:
    """An extension of a file, or a column of a table in it.

    Attributes
    ----------
    file : str
        Another file, as written; "" for the file of the flux.
    extension : str or int or None
        None for the first image or table with data.
    column : str
        "" if none is named.
    """

    file: str
    extension: str | int | None
    column: str

    def file_beside(self, beside: CubeFile) -> CubeFile | None:
        """The other file, relative to the folder of the cube; None for the cube itself.

        "{name}" in it is the name of the cube without its ending, "{name/a/b}" the same with the
        first "a" replaced by "b".
        """
        if not self.file:
            return None
        name = name_without_ending(beside)
        return beside.beside(_NAME.sub(_filled_in(name), self.file))


def _filled_in(name: str) -> Callable[[re.Match[str]], str]:
    return lambda found: name.replace(found["old"], found["new"], 1) if found["old"] else name


def name_without_ending(path: CubeFile) -> str:
    """The name of a FITS file without ".fits", ".fits.gz" and the like."""
    return _FITS_ENDING.sub("", path.name)


def parse_place(text: str | int) -> Place:
    """The place that a setting names.

    Raises
    ------
    ConfigError
        If it is not written like one.
    """
    if isinstance(text, int):
        return Place("", text, "")
    found = _PLACE.fullmatch(text.strip())
    if found is None or not text.strip():
        raise ConfigError(
            "no such way to name an extension",
            expected='EXT, FILE.fits[EXT], EXT[COLUMN] or FILE.fits[EXT][COLUMN], such as "VAR"',
            found=repr(text),
        )
    first, second, third = (found[name] or "" for name in ("first", "second", "third"))
    if is_file(first):
        return Place(first, _extension(second), third)
    if third:
        raise ConfigError(
            "too many brackets",
            expected="EXT[COLUMN], or a file that ends with .fits",
            found=repr(text),
        )
    return Place("", _extension(first or second), second if first else "")


def companion_files(path: CubeFile, settings: ReadSettings) -> list[CubeFile]:
    """The other files that a cube is read with, which its results depend on too."""
    generic = settings.generic
    if generic is None:
        return []
    written = [place for place in (generic.error, generic.mask, generic.wavelength) if place]
    found = [parse_place(place).file_beside(path) for place in written]
    return list(dict.fromkeys(file for file in found if file is not None))


def is_file(text: str) -> bool:
    """Whether a name is that of a file, and not of an extension."""
    ending = _FITS_ENDING.search(text)
    return "/" in _NAME.sub("", text) or bool(ending and ending.group()) or bool(_NAME.search(text))


def _extension(text: str) -> str | int | None:
    text = text.strip()
    return (int(text) if text.isdigit() else text) if text else None
