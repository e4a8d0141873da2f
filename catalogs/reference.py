"""What is known beforehand: lines, bands, instruments, windows, the sample of the paper.

Typed loaders of the tables in `catalogs/data`, which are edited by hand, each row with its
source. Everything is checked once, when first loaded.
"""

from __future__ import annotations

import math
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from astropy.table import Row, Table
from numpy.typing import ArrayLike, NDArray

from catalogs.durable import hash_bytes
from catalogs.errors import CatalogError

Range = tuple[float, float]
Polynomial = tuple[float, ...]
LineSet = Literal["mir", "optical"]
UM_PER_ANGSTROM = 1e-4
T = TypeVar("T")


@dataclass(frozen=True)
class Line:
    """An emission line; the wavelength is in vacuum.

    `blend` names neighbours that broad lines reach into; a line that is not `common` gives
    way to one that is. `bright` lines are those by which velocities are found. Potentials are
    those of the ion that emits, NaN for molecules. A `doublet` is one line to us, and broader than
    the motion of the gas makes it. `absorption_um` is the equivalent width that
    stars usually have under it, give or take `absorption_err_um`.
    """

    name: str
    label: str
    wavelength_um: float
    set: str
    ip_lower_ev: float = math.nan
    ip_upper_ev: float = math.nan
    mrs_band: str = ""
    spread_km_s: float = math.nan
    common: bool = True
    bright: bool = False
    blend: tuple[str, ...] = ()
    doublet: bool = False
    absorption_um: float = 0.0
    absorption_err_um: float = 0.0
    source: str = ""


@dataclass(frozen=True)
class Band:
    """A PAH band, integrated over a straight continuum between two windows (rest frame).

    `subtract` names lines whose measured flux is taken off, `mask` lines that are
    interpolated across. `drudes` are the (centre, FWHM) in micron that profile fits use.
    """

    name: str
    label: str
    integration_um: Range
    continuum_blue_um: Range
    continuum_red_um: Range
    subtract: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    drudes: tuple[Range, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class Segment:
    """Spectral resolution over a range of observed wavelengths, as a polynomial in micron."""

    range_um: Range
    coefficients: Polynomial
    quantity: Literal["resolving_power", "fwhm_um"]

    def resolving_power(self, wavelength_um: NDArray[np.float64]) -> NDArray[np.float64]:
        """R at observed wavelengths; outside the range as at its nearest end."""
        inside = np.clip(wavelength_um, *self.range_um)
        value = _polynomial(self.coefficients, inside)
        return value if self.quantity == "resolving_power" else inside / value


@dataclass(frozen=True)
class Instrument:
    """Resolution in wavelength and, where the seeing does not decide it, on the sky.

    Between bands that are `arms` of one spectrograph there may be a gap.
    """

    name: str
    segments: tuple[Segment, ...]
    psf_fwhm_arcsec: Polynomial | None
    source: str
    arms: bool = False


@dataclass(frozen=True)
class SampleGalaxy:
    """A galaxy of the GATOS clustering paper."""

    galaxy: str
    gatos: bool
    type: str
    distance_mpc: float
    program: int


def load_lines(instrument_set: LineSet | None = None) -> tuple[Line, ...]:
    """Catalogued lines in order of wavelength: one set, or all of them (None)."""
    return tuple(
        line for line in _packaged_lines() if instrument_set is None or line.set == instrument_set
    )


def blend_groups(lines: Sequence[Line]) -> tuple[tuple[int, ...], ...]:
    """Positions of lines that blend with one another, directly or through others between.

    Groups of two and more, each in the order of the lines.
    """
    group = {line.name: {line.name} for line in lines}
    for line in lines:
        for name in group.keys() & set(line.blend):
            joined = group[line.name] | group[name]
            group.update(dict.fromkeys(joined, joined))
    names = [line.name for line in lines]
    members = [tuple(i for i, name in enumerate(names) if name in group[mine]) for mine in names]
    return tuple(places for i, places in enumerate(members) if len(places) > 1 and places[0] == i)


@cache
def load_bands() -> tuple[Band, ...]:
    """Catalogued PAH bands, in order of wavelength."""
    with as_file(packaged_file("pah_bands.ecsv")) as path:
        return read_bands(path)


@cache
def load_instruments() -> Mapping[str, Instrument]:
    """Instruments by the name that cubes carry ("MIRI/MRS", "MUSE", ...)."""
    return {name: _instrument(name, entry) for name, entry in _toml("instruments.toml").items()}


@cache
def load_gatos_sample() -> tuple[SampleGalaxy, ...]:
    """The fifteen galaxies of the GATOS clustering paper."""
    with as_file(packaged_file("gatos_sample.ecsv")) as path:
        return tuple(read_rows(path, _sample_galaxy))


def named_window(name: str) -> Range:
    """Limits in micron (rest frame) of a named wavelength window, as "ch3-short".

    Raises
    ------
    CatalogError
        If no window has this name.
    """
    low, high = _named("windows", name)
    return float(low), float(high)


def slope_windows(name: str = "mir") -> tuple[Range, ...]:
    """Continuum windows in micron (rest frame) over which a slope is defined.

    Raises
    ------
    CatalogError
        If no slope has this name.
    """
    return tuple((float(low), float(high)) for low, high in _named("slopes", name))


def resolving_power(instrument: str, wavelength_um: ArrayLike) -> NDArray[np.float64] | None:
    """R = wavelength / FWHM at observed wavelengths; None for an instrument not listed."""
    entry = load_instruments().get(instrument)
    if entry is None:
        return None
    wavelength = np.asarray(wavelength_um, dtype=np.float64)
    middles = [
        (left.range_um[1] + right.range_um[0]) / 2
        for left, right in zip(entry.segments, entry.segments[1:], strict=False)
    ]
    powers = np.array([segment.resolving_power(wavelength) for segment in entry.segments])
    nearest = np.digitize(wavelength, middles)[np.newaxis]
    return np.take_along_axis(powers, nearest, axis=0)[0]


def psf_fwhm_arcsec(instrument: str, wavelength_um: ArrayLike) -> NDArray[np.float64] | None:
    """FWHM of the PSF at observed wavelengths; None where no law is known."""
    entry = load_instruments().get(instrument)
    if entry is None or entry.psf_fwhm_arcsec is None:
        return None
    wavelength = np.asarray(wavelength_um, dtype=np.float64)
    return _polynomial(entry.psf_fwhm_arcsec, wavelength)


@cache
def reference_digest() -> str:
    """Hash of all packaged tables: what was measured with them depends on it."""
    tables = sorted(files("catalogs").joinpath("data").iterdir(), key=lambda table: table.name)
    return hash_bytes(b"".join(table.read_bytes() for table in tables if table.is_file()))


def read_lines(path: str | Path) -> tuple[Line, ...]:
    """Read a line list with the columns of `data/lines.ecsv`.

    Raises
    ------
    CatalogError
        If it cannot be read, a name occurs twice, a wavelength is not positive, or a blend
        names a line that is not there.
    """
    lines = tuple(sorted(read_rows(path, _line), key=lambda line: line.wavelength_um))
    names = _unique_names(lines, path)
    for line in lines:
        if not line.wavelength_um > 0:
            raise CatalogError(f"{line.name} has no positive wavelength", file=path)
        _known(line.name, line.blend, names, path)
    return lines


def read_bands(path: str | Path) -> tuple[Band, ...]:
    """Read a band list with the columns of `data/pah_bands.ecsv`.

    Raises
    ------
    CatalogError
        If it cannot be read, a name occurs twice, windows are out of order, or it subtracts
        or masks a line that is not catalogued.
    """
    bands = tuple(read_rows(path, _band))
    _unique_names(bands, path)
    lines = {line.name for line in load_lines()}
    for band in bands:
        limits = (*band.continuum_blue_um, *band.integration_um, *band.continuum_red_um)
        within = all(low < high for low, high in zip(limits[::2], limits[1::2], strict=True))
        apart = limits[1] <= limits[2] and limits[3] <= limits[4]
        if not (within and apart):
            raise CatalogError(
                f"windows of {band.name} are out of order",
                file=path,
                expected="blue continuum below integration below red continuum",
                found=" ".join(f"{limit:g}" for limit in limits),
            )
        _known(band.name, band.subtract + band.mask, lines, path)
    return bands


@cache
def _packaged_lines() -> tuple[Line, ...]:
    with as_file(packaged_file("lines.ecsv")) as path:
        return read_lines(path)


def _line(row: Row) -> Line:
    return Line(
        name=str(row["name"]),
        label=str(row["label"]),
        wavelength_um=float(row["wavelength"]),
        set=str(row["set"]),
        ip_lower_ev=float(row["ip_lower"]),
        ip_upper_ev=float(row["ip_upper"]),
        mrs_band=str(row["mrs_band"]),
        spread_km_s=float(row["spread"]),
        common=bool(row["common"]),
        bright=bool(row["bright"]),
        blend=tuple(str(row["blend"]).split()),
        doublet="doublet" in str(row["transition"]),
        absorption_um=float(row["absorption"]) * UM_PER_ANGSTROM,
        absorption_err_um=float(row["absorption_err"]) * UM_PER_ANGSTROM,
        source=str(row["source"]),
    )


def _band(row: Row) -> Band:
    centers, widths = (
        [float(value) for value in str(row[column]).split()]
        for column in ("drude_center", "drude_fwhm")
    )
    return Band(
        name=str(row["name"]),
        label=str(row["label"]),
        integration_um=(float(row["low"]), float(row["high"])),
        continuum_blue_um=(float(row["blue_low"]), float(row["blue_high"])),
        continuum_red_um=(float(row["red_low"]), float(row["red_high"])),
        subtract=tuple(str(row["subtract"]).split()),
        mask=tuple(str(row["mask"]).split()),
        drudes=tuple(zip(centers, widths, strict=True)),
        source=str(row["source"]),
    )


def _sample_galaxy(row: Row) -> SampleGalaxy:
    return SampleGalaxy(
        galaxy=str(row["galaxy"]),
        gatos=bool(row["gatos"]),
        type=str(row["type"]),
        distance_mpc=float(row["distance"]),
        program=int(row["program"]),
    )


def _instrument(name: str, entry: Mapping[str, Any]) -> Instrument:
    psf = entry.get("psf_fwhm_arcsec")
    return Instrument(
        name=name,
        segments=tuple(map(_segment, entry["segments"])),
        psf_fwhm_arcsec=None if psf is None else tuple(psf),
        source=entry["source"],
        arms=entry.get("arms", False),
    )


def _segment(entry: Mapping[str, Any]) -> Segment:
    low, high = entry["range_um"]
    quantity: Literal["resolving_power", "fwhm_um"] = (
        "resolving_power" if "resolving_power" in entry else "fwhm_um"
    )
    return Segment((low, high), tuple(entry[quantity]), quantity)


def _polynomial(coefficients: Polynomial, x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.polynomial.polynomial.polyval(x, coefficients), dtype=np.float64)


def read_rows(path: str | Path, parse: Callable[[Row], T]) -> list[T]:
    """Every row of an ECSV table, parsed; missing text is empty.

    Raises
    ------
    CatalogError
        If it cannot be read, or lacks a column.
    """
    try:
        table = Table.read(path, format="ascii.ecsv")
        for name in table.colnames:
            if table[name].dtype.kind in "OU":
                # ECSV has no empty string: astropy reads one as a masked value.
                table[name] = np.ma.filled(table[name], "")
        return [parse(row) for row in table]
    except KeyError as error:
        raise CatalogError(f"the table has no column {error}", file=path) from None
    except Exception as error:  # astropy's reader raises whatever its parsers do
        raise CatalogError(f"cannot be read as an ECSV table ({error})", file=path) from None


def packaged_file(name: str) -> Any:
    """A file of `catalogs/data`, wherever the package is installed."""
    return files("catalogs") / "data" / name


@cache
def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads(packaged_file(name).read_text(encoding="utf-8"))


def _named(section: str, name: str) -> Any:
    known = _toml("windows.toml")[section]
    if name not in known:
        raise CatalogError(
            f"no wavelength window is called {name!r}",
            expected=f"one of {', '.join(known)}",
            advice="Or give two wavelengths in micron.",
        )
    return known[name]


def _unique_names(entries: Iterable[Line | Band], path: str | Path) -> set[str]:
    counts = Counter(entry.name for entry in entries)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        raise CatalogError(f"names occur more than once: {', '.join(twice)}", file=path)
    return set(counts)


def _known(owner: str, names: Iterable[str], known: set[str], path: str | Path) -> None:
    missing = sorted(set(names) - known)
    if missing:
        raise CatalogError(
            f"{owner} refers to lines that are not catalogued",
            file=path,
            found=", ".join(missing),
        )
