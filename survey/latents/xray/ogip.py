"""Pulse-height spectra in OGIP files, type I and II.

OGIP/92-007 (Arnaud, George & Tennant) and its addendum 92-007a: one spectrum a table, or one a
row; COUNTS or RATE; exposure, scales, QUALITY and GROUPING as keywords or columns. The Chandra
Source Catalog keeps source and background as two SPECTRUM extensions of one file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from catalogs.printable import printable
from survey.cubes.read_fits import open_fits
from survey.errors import DataError
from survey.latents.xray.tables import Floats, Table, tables_of

BAD_QUALITY = (1, 5)
"""Defined bad by software, by the user. 2 is dubious, as channels too few for a group are: kept."""

MAX_FRACTION_OF_A_COUNT = 0.02
"""Single-precision rates times exposure come out this close to whole numbers."""


@dataclass(frozen=True, eq=False)
class Pha:
    """One pulse-height spectrum of c channels, as counted.

    Attributes
    ----------
    file : Path
    row : int or None
        SPEC_NUM of a type II file.
    channels : array (c,) of int
    counts : array (c,)
        Whole numbers.
    exposure_s : float
    backscal, areascal : array (c,)
        Size of the extraction region in any unit; factor of the effective area.
    quality, grouping : array (c,) of int
    background_file, response_file, ancillary_file : str
        Names as in the file; empty where there is none.
    object_name, observation, telescope, instrument : str
    own_background : bool
        Whether the file holds a background spectrum too.
    frame_s : float or None
        TIMEDEL, the time of a frame of the camera.
    folder : str
        Part of the name, where files of one name are in several folders.
    """

    file: Path
    row: int | None
    channels: npt.NDArray[np.int64]
    counts: Floats
    exposure_s: float
    backscal: Floats
    areascal: Floats
    quality: npt.NDArray[np.int64]
    grouping: npt.NDArray[np.int64]
    background_file: str = ""
    response_file: str = ""
    ancillary_file: str = ""
    object_name: str = ""
    observation: str = ""
    telescope: str = ""
    instrument: str = ""
    own_background: bool = False
    frame_s: float | None = None
    folder: str = ""

    @property
    def name(self) -> str:
        """The name of the file without its endings, and the row if there are several.

        With the folder in front, if that is set.
        """
        stem = stem_of(self.file)
        stem = f"{self.folder}-{stem}" if self.folder else stem
        return stem if self.row is None else f"{stem}#{self.row}"

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Channels (c,) that neither software nor user has defined bad."""
        return ~np.isin(self.quality, BAD_QUALITY)

    @property
    def groups(self) -> npt.NDArray[np.int64]:
        """Number of the group that each channel (c,) belongs to, from 0.

        1 begins a group, -1 goes on with it, 0 is a group of its own.
        """
        return np.cumsum(self.grouping != -1) - (self.grouping[0] != -1)


def stem_of(file: Path) -> str:
    """The name of a file without its endings."""
    stem = re.sub(r"\.(gz|fits|fit|pha|pha2|pi)$", "", file.name, flags=re.IGNORECASE)
    return printable(re.sub(r"\.(fits|fit|pha|pha2|pi)$", "", stem, flags=re.IGNORECASE))


def read_pha(path: str | Path) -> tuple[Pha, ...]:
    """The source spectra of a file, in the order of the file.

    Raises
    ------
    DataError
        If it is not a readable file with an OGIP spectrum of counts.
    """
    return _read(Path(path), background=False)


def read_background(pha: Pha) -> Pha | None:
    """The background that belongs to a spectrum, or None where its file names none.

    The file that BACKFILE names is looked for beside the spectrum, by its last part alone; it
    may be the file of the spectrum itself, and is it where a file holds a background and names
    none, or was renamed. `NAME{3}` and `NAME[3]` mean a row of a type II file and an extension.

    Raises
    ------
    DataError
        If the background is missing or has other channels.
    """
    if not (pha.background_file or pha.own_background):
        return None
    name, row, extension = _split(pha.background_file)
    path = beside(pha.file, name)
    if path is None and pha.own_background:
        path = pha.file
    if path is None:
        raise DataError(
            "the background spectrum is missing",
            file=pha.file,
            expected=f"{name} in the same folder",
            found="no such file",
            advice="Put it there, or read without it: --background optional, or none",
        )
    within = path == pha.file and extension is None and row is None
    found = _read(path, background=True if within else None, extension=extension)
    if row is not None:
        found = tuple(one for one in found if one.row == row)
    if len(found) != 1:
        raise DataError(
            "the background is not one spectrum",
            file=path,
            expected="one that belongs to " + pha.name,
            found=str(len(found)),
        )
    background = found[0]
    if not np.array_equal(background.channels, pha.channels):
        raise DataError(
            "background and source have different channels",
            file=path,
            expected=_range(pha.channels),
            found=_range(background.channels),
        )
    return background


def background_scale(pha: Pha, background: Pha) -> Floats:
    """Expected background counts in the source region per count of the background (c,).

    The ratio of exposure x BACKSCAL x AREASCAL; zero in channels where the source has none.

    Raises
    ------
    DataError
        If the background has channels of no size.
    """
    source = pha.exposure_s * pha.backscal * pha.areascal
    other = background.exposure_s * background.backscal * background.areascal
    if not (other[pha.usable] > 0).all():
        raise DataError(
            "the background has channels without exposure or size",
            file=background.file,
            expected="a positive product of EXPOSURE, BACKSCAL and AREASCAL",
            found=f"{other[pha.usable].min():g}",
        )
    return np.divide(source, other, out=np.zeros_like(source), where=other > 0)


def beside(file: Path, name: str) -> Path | None:
    """The file of this name in the folder of another, plain or compressed; None if missing."""
    last = Path(name.replace("\\", "/")).name
    for candidate in (last, last + ".gz", last.removesuffix(".gz")):
        if candidate and (file.parent / candidate).is_file():
            return file.parent / candidate
    return None


def responses_beside(pha: Pha) -> tuple[Path | None, Path | None]:
    """The RMF and the ARF that a spectrum names; None where it names none, or it is missing."""
    names = (pha.response_file, pha.ancillary_file)
    rmf, arf = (beside(pha.file, name) if name else None for name in names)
    return rmf, arf


def _read(path: Path, *, background: bool | None, extension: str | None = None) -> tuple[Pha, ...]:
    """Spectra of a file: its sources or its backgrounds, or with None those of a background file.

    A background file holds backgrounds by their class (HDUCLAS2 = BKG), or, as many programs
    write it, one spectrum of the class TOTAL.
    """
    with open_fits(path) as file:
        spectra = [table for table in tables_of(file) if _is_spectrum(table)]
        own = any(table.text("HDUCLAS2").upper() == "BKG" for table in spectra)
        background = own if background is None else background
        if extension is not None:
            chosen = [t for t in spectra if extension in (t.name, str(t.extension))]
        else:
            chosen = [t for t in spectra if (t.text("HDUCLAS2").upper() == "BKG") is background]
        if not chosen:
            what = "background" if background else "source"
            raise DataError(
                f"no {what} spectrum in the file",
                file=path,
                expected="a table with EXTNAME or HDUCLAS1 = SPECTRUM",
                found=", ".join(table.name for table in tables_of(file)) or "no tables",
            )
        return tuple(pha for table in chosen for pha in _spectra(table, own))


def _is_spectrum(table: Table) -> bool:
    kind = table.text("HDUCLAS1").upper() or table.text("EXTNAME").upper()
    return kind == "SPECTRUM"


def _spectra(table: Table, own_background: bool) -> list[Pha]:
    path = table.file.path
    if table.text("HDUCLAS2").upper() == "NET":
        raise DataError(
            "the spectrum has had its background subtracted",
            file=path,
            expected="HDUCLAS2 = TOTAL",
            found="NET",
            advice="Extract source and background separately",
        )
    form = _Form.of(table)
    exposure_s = form.number_per_spectrum("EXPOSURE")
    if not (exposure_s > 0).all():
        raise DataError(
            "EXPOSURE is not positive",
            file=path,
            expected="seconds above 0",
            found=str(exposure_s.min()),
        )
    scale = {key: form.per_channel(key, 1.0) for key in ("BACKSCAL", "AREASCAL")}
    for key, values in scale.items():
        if not (values >= 0).all() or not values.any():
            raise DataError(
                f"{key} is not valid",
                file=path,
                expected="numbers from 0, and some above",
                found=str(values.min()),
            )
    counts = _counts(form, exposure_s)
    flags = {key: form.per_channel(key, 0).astype(np.int64) for key in ("QUALITY", "GROUPING")}
    if not np.isin(flags["GROUPING"], (-1, 0, 1)).all():
        strange = sorted(set(flags["GROUPING"].ravel().tolist()) - {-1, 0, 1})
        raise DataError(
            "GROUPING has other numbers than -1, 0 and 1",
            file=path,
            expected="-1, 0 and 1",
            found=", ".join(map(str, strange[:5])),
        )
    names = {
        field: form.text_per_spectrum(key)
        for field, key in (
            ("background_file", "BACKFILE"),
            ("response_file", "RESPFILE"),
            ("ancillary_file", "ANCRFILE"),
        )
    }
    return [
        Pha(
            file=Path(path),
            row=form.row_names[i],
            channels=form.channels[i],
            counts=counts[i],
            exposure_s=float(exposure_s[i]),
            backscal=scale["BACKSCAL"][i],
            areascal=scale["AREASCAL"][i],
            quality=flags["QUALITY"][i],
            grouping=flags["GROUPING"][i],
            object_name=table.text("OBJECT"),
            observation=table.text("OBS_ID"),
            telescope=table.text("TELESCOP"),
            instrument=table.text("INSTRUME"),
            own_background=own_background,
            frame_s=table.number("TIMEDEL", np.nan) if "TIMEDEL" in table.header else None,
            **{field: values[i] for field, values in names.items()},
        )
        for i in range(form.n_spectra)
    ]


@dataclass(frozen=True)
class _Form:
    """Type I and type II alike, as n spectra of c channels."""

    table: Table
    many: bool
    channels: npt.NDArray[np.int64]
    row_names: list[int | None]

    @classmethod
    def of(cls, table: Table) -> _Form:
        value = "COUNTS" if table.has("COUNTS") else "RATE"
        many = table.has("SPEC_NUM") or table.numbers(value).ndim == 2
        if table.has("CHANNEL"):
            channels = np.atleast_2d(table.numbers("CHANNEL")).astype(np.int64)
        else:
            # The addendum lets a type II file leave out channels that are all there.
            width = np.atleast_2d(table.numbers(value)).shape[1]
            channels = np.arange(1, width + 1)[None]
        if (np.diff(channels, axis=1) <= 0).any():
            raise DataError(
                "the channels do not increase",
                file=table.file.path,
                expected="numbers that increase",
                found=f"{channels[0, 0]} to {channels[0, -1]}",
            )
        if not many:
            return cls(table, many, channels, [None])
        n_rows = len(table.numbers(value))
        numbers = table.numbers("SPEC_NUM") if table.has("SPEC_NUM") else np.arange(1, n_rows + 1)
        rows: list[int | None] = [int(number) for number in numbers]
        return cls(table, many, np.broadcast_to(channels, (n_rows, channels.shape[1])), rows)

    @property
    def n_spectra(self) -> int:
        return len(self.row_names)

    def per_channel(self, key: str, default: float) -> Floats:
        """A column or keyword (n, c)."""
        shape = self.channels.shape
        if not self.table.has(key):
            return np.full(shape, self.table.number(key, default))
        values = self.table.numbers(key)
        values = values.reshape(1, -1) if not self.many else values.reshape(len(values), -1)
        if values.shape[1] not in (1, shape[1]) or len(values) != shape[0]:
            raise DataError(
                f"{key} does not have one value for each channel",
                file=self.table.file.path,
                expected=str(shape[1]),
                found=str(values.shape[1]),
            )
        return np.array(np.broadcast_to(values, shape))

    def number_per_spectrum(self, key: str) -> Floats:
        """A column of a type II file, or a keyword (n,)."""
        if self.many and self.table.has(key):
            return self.table.numbers(key).reshape(self.n_spectra)
        return np.full(self.n_spectra, self.table.number(key))

    def text_per_spectrum(self, key: str) -> list[str]:
        """As `number_per_spectrum`, for names of files."""
        if self.many and self.table.has(key):
            return [_file_name(value) for value in self.table.column(key)]
        return [_file_name(self.table.text(key))] * self.n_spectra


def _counts(form: _Form, exposure_s: Floats) -> Floats:
    """Whole counts (n, c), from COUNTS, or from RATE and the exposure."""
    path = form.table.file.path
    if form.table.has("COUNTS"):
        values = form.table.numbers("COUNTS").reshape(form.channels.shape)
        tolerance = np.zeros_like(values)
    else:
        rate = form.table.numbers("RATE").reshape(form.channels.shape)
        values = rate * exposure_s[:, None]
        tolerance = np.maximum(MAX_FRACTION_OF_A_COUNT, 1e-6 * np.abs(values))
    counts = np.rint(values)
    if (counts < 0).any() or (np.abs(values - counts) > tolerance).any():
        raise DataError(
            "the spectrum does not hold counts",
            file=path,
            expected="whole numbers, not negative",
            found="background-subtracted or weighted values, it seems",
            advice="Extract the spectrum without subtraction or weights",
        )
    return counts


def _file_name(value: Any) -> str:
    name = str(value).strip()
    return "" if name.lower() in ("", "none", "null") else name


def _split(name: str) -> tuple[str, int | None, str | None]:
    match = re.fullmatch(r"(.*?)(?:\{(\d+)\})?(?:\[([^\]]+)\])?(?:\{(\d+)\})?", name)
    assert match is not None  # every part may be empty
    row = match[2] or match[4]
    return match[1].strip(), None if row is None else int(row), match[3]


def _range(channels: npt.NDArray[np.int64]) -> str:
    return f"{len(channels)} channels, {channels[0]} to {channels[-1]}"
