"""Reads the reference data as one object: the packaged tables and a user's own.

These are lines, bands, instruments, windows, ratios, demarcation lines and label rules. The
packaged tables are in `catalogs/data`; they are edited by hand, and each row has its source. A
user's table has the same columns. Its rows replace packaged rows of the same name, or are added.
Everything is checked when it is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from catalogs.durable import hash_bytes
from catalogs.errors import CatalogError
from catalogs.reference.entries import (
    SLOPE,
    Band,
    DemarcationRow,
    Instrument,
    Line,
    PahProfile,
    PlaceClass,
    PredictorRow,
    Range,
    RatioRow,
    SampleGalaxy,
    polynomial,
)
from catalogs.reference.files import Cells, Entry, read_rows, read_toml, toml_place
from catalogs.reference.parse import (
    parse_band,
    parse_demarcation,
    parse_instrument,
    parse_line,
    parse_pah_profile,
    parse_place_class,
    parse_predictor,
    parse_ratios,
    parse_sample_galaxy,
)

T = TypeVar("T")
NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")
"""Names occur in names of columns; a ratio is named `A/B`."""

PACKAGED = {
    "lines": "lines.ecsv",
    "bands": "pah_bands.ecsv",
    "ratios": "ratios.ecsv",
    "predictors": "predictors.ecsv",
    "demarcations": "demarcations.ecsv",
    "place_classes": "place_classes.ecsv",
    "instruments": "instruments.toml",
    "windows": "windows.toml",
}
"""The tables by name, with their files in `catalogs/data`."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Lines, bands, instruments, windows, ratios, demarcation lines and label rules.

    Attributes
    ----------
    lines : tuple of Line
        In order of wavelength.
    bands : tuple of Band
        In order of wavelength.
    instruments : mapping
        By the name in the cubes ("MIRI/MRS", "MUSE", ...).
    windows, slopes : mapping
        Named rest-frame windows, and continuum windows of named slopes, in micron.
    ratio_sets : mapping
        Named sets of ratios, each in its order.
    predictor_sets : mapping
        Named sets of predictors of classes, each in its order.
    demarcations : tuple of DemarcationRow
        In the order in which they are applied.
    place_classes : tuple of PlaceClass
        The classes of nucleus and disc by the nuclear activity of the galaxy.
    digest : str
        Hash of all of it but the predictors; keys of measurements depend on it.
    """

    lines: tuple[Line, ...]
    bands: tuple[Band, ...]
    instruments: Mapping[str, Instrument]
    windows: Mapping[str, Range]
    slopes: Mapping[str, tuple[Range, ...]]
    ratio_sets: Mapping[str, tuple[RatioRow, ...]]
    predictor_sets: Mapping[str, tuple[PredictorRow, ...]]
    demarcations: tuple[DemarcationRow, ...]
    place_classes: tuple[PlaceClass, ...]
    digest: str = ""

    def lines_of(self, line_set: str | None) -> tuple[Line, ...]:
        """The lines of one set, or all of them (None)."""
        return tuple(line for line in self.lines if line_set in (None, line.set))

    def window(self, name: str) -> Range:
        """Limits in micron (rest frame) of a named wavelength window, for example "ch3-short".

        Raises
        ------
        CatalogError
            If no window has this name.
        """
        return _named(self.windows, name)

    def slope(self, name: str = "mir") -> tuple[Range, ...]:
        """Continuum windows in micron (rest frame) over which a slope is defined.

        Raises
        ------
        CatalogError
            If no slope has this name.
        """
        return _named(self.slopes, name)

    def ratios(self, name: str) -> tuple[RatioRow, ...]:
        """One named set of ratios.

        Raises
        ------
        CatalogError
            If no set has this name.
        """
        if name not in self.ratio_sets:
            raise CatalogError(
                f"no set of ratios is called {name!r}", expected=" or ".join(self.ratio_sets)
            )
        return self.ratio_sets[name]

    @property
    def ratio_names(self) -> tuple[str, ...]:
        """Names of the ratios of all sets, each once."""
        return tuple(
            dict.fromkeys(ratio.name for ratios in self.ratio_sets.values() for ratio in ratios)
        )

    def resolving_power(
        self, instrument: str, wavelength_um: ArrayLike
    ) -> NDArray[np.float64] | None:
        """R = wavelength / FWHM at observed wavelengths; None for an instrument not listed."""
        entry = self.instruments.get(instrument)
        if entry is None:
            return None
        return entry.resolving_power(np.asarray(wavelength_um, dtype=np.float64))

    def psf_fwhm_arcsec(
        self, instrument: str, wavelength_um: ArrayLike
    ) -> NDArray[np.float64] | None:
        """FWHM of the PSF at observed wavelengths; None where no law is known."""
        entry = self.instruments.get(instrument)
        if entry is None or entry.psf_fwhm_arcsec is None:
            return None
        return polynomial(entry.psf_fwhm_arcsec, np.asarray(wavelength_um, dtype=np.float64))


def read_reference(
    own: Mapping[str, Sequence[Path]] | None = None, replaced: Collection[str] = ()
) -> Reference:
    """The packaged tables with a user's own.

    Parameters
    ----------
    own : mapping
        Files by the name of the table (see `PACKAGED`).
    replaced : collection of str
        Tables whose packaged rows are not used.

    Raises
    ------
    CatalogError
        If a file cannot be read or an entry makes no sense; the message names its line.
    """
    own = own or {}

    def sources(table: str) -> list[Path]:
        packaged = [] if table in replaced else [packaged_file(PACKAGED[table])]
        return [*packaged, *own.get(table, ())]

    lines = _merged(sources("lines"), parse_line, lambda line: line.name)
    _check_lines(lines)
    bands = _merged(sources("bands"), parse_band, lambda band: band.name)
    bands = [_with_known_lines(entry, lines) for entry in bands]
    line_names = {entry.value.name for entry in lines}
    _check_bands(bands, line_names)
    features = line_names | {entry.value.name for entry in bands}
    windows = [read_windows(path) for path in sources("windows")]
    reference = Reference(
        lines=tuple(sorted(_values(lines), key=lambda line: line.wavelength_um)),
        bands=tuple(sorted(_values(bands), key=lambda band: band.integration_um)),
        instruments=_joined(map(read_instruments, sources("instruments"))),
        windows=_joined(named for named, _ in windows),
        slopes=_joined(slopes for _, slopes in windows),
        ratio_sets=_joined(read_ratio_sets(path, features) for path in sources("ratios")),
        predictor_sets=_joined(
            read_predictor_sets(path, features) for path in sources("predictors")
        ),
        demarcations=tuple(_values(_planes(sources("demarcations")))),
        place_classes=tuple(
            _values(_merged(sources("place_classes"), parse_place_class, lambda rule: rule[:2]))
        ),
    )
    return replace(reference, digest=_digest(reference))


@cache
def packaged_reference() -> Reference:
    """The packaged tables alone."""
    return read_reference()


@cache
def load_gatos_sample() -> tuple[SampleGalaxy, ...]:
    """The fifteen galaxies of the GATOS clustering paper."""
    return tuple(_values(read_rows(packaged_file("gatos_sample.ecsv"), parse_sample_galaxy)))


@cache
def load_pah_profiles() -> tuple[PahProfile, ...]:
    """All PAH features of the mid-infrared, in order of wavelength."""
    return tuple(_values(read_rows(packaged_file("pah_profiles.ecsv"), parse_pah_profile)))


def packaged_file(name: str) -> Path:
    """A file of `catalogs/data`, wherever the package is installed."""
    with as_file(files("catalogs") / "data" / name) as path:
        return path


def read_instruments(path: Path) -> dict[str, Instrument]:
    """Instruments of a file with the entries of `data/instruments.toml`."""
    found = {}
    for name, entry in read_toml(path).items():
        try:
            found[name] = parse_instrument(name, entry)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CatalogError(
                f"instrument {name!r} cannot be read ({type(error).__name__}: {error})",
                file=toml_place(path, name),
                expected="segments with range_um and resolving_power or fwhm_um, and a source",
            ) from None
    return found


def read_windows(path: Path) -> tuple[dict[str, Range], dict[str, tuple[Range, ...]]]:
    """Windows and slopes of a file with the sections of `data/windows.toml`."""
    content = read_toml(path)
    if unknown := set(content) - {"windows", "slopes"}:
        raise CatalogError(
            f"unknown section {min(unknown)!r}",
            file=toml_place(path, min(unknown)),
            expected="[windows] or [slopes]",
        )
    windows = {
        name: _range(value, path, name) for name, value in content.get("windows", {}).items()
    }
    slopes = {
        name: tuple(_range(value, path, name) for value in values)
        for name, values in content.get("slopes", {}).items()
    }
    return windows, slopes


def read_ratio_sets(path: Path, features: set[str]) -> dict[str, tuple[RatioRow, ...]]:
    """Sets of ratios of a file with the columns of `data/ratios.ecsv`."""
    sets: dict[str, tuple[RatioRow, ...]] = {}
    for entry in read_rows(path, parse_ratios):
        name, ratios = entry.value
        if _is_packaged(entry):
            ratios = tuple(ratio for ratio in ratios if features.issuperset(ratio.features))
        for ratio in ratios:
            _known(entry, f"ratio {ratio.name}", ratio.features, features)
        sets[name] = sets.get(name, ()) + ratios
    return sets


def read_predictor_sets(path: Path, features: set[str]) -> dict[str, tuple[PredictorRow, ...]]:
    """Sets of predictors of a file with the columns of `data/predictors.ecsv`."""
    sets: dict[str, tuple[PredictorRow, ...]] = {}
    for entry in read_rows(path, parse_predictor):
        name, row = entry.value
        if not row.denominator and row.numerator != SLOPE:
            raise entry.refuse(f"{row.numerator} has no denominator", expected=f"one, or {SLOPE}")
        if row[:2] in {other[:2] for other in sets.get(name, ())}:
            raise entry.refuse(f"{row.numerator} occurs more than once in set {name}")
        if _is_packaged(entry) and not features.issuperset(row.features):
            continue
        _known(entry, f"predictor {row.numerator}", row.features, features)
        sets[name] = (*sets.get(name, ()), row)
    return sets


def _merged(
    paths: Sequence[Path], parse: Callable[[Cells], T], key: Callable[[T], Any]
) -> list[Entry[T]]:
    """Rows of all files; a row of a later file replaces a row with the same key."""
    merged: dict[Any, Entry[T]] = {}
    for path in paths:
        own: set[Any] = set()
        for entry in read_rows(path, parse):
            name = key(entry.value)
            if name in own:
                raise entry.refuse(f"{name} occurs more than once")
            own.add(name)
            merged[name] = entry
    return list(merged.values())


def _planes(paths: Sequence[Path]) -> list[Entry[DemarcationRow]]:
    """Demarcation lines; those of a later file replace all others of their plane."""
    planes: dict[tuple[str, str], list[Entry[DemarcationRow]]] = {}
    for path in paths:
        own: dict[tuple[str, str], list[Entry[DemarcationRow]]] = {}
        for entry in read_rows(path, parse_demarcation):
            own.setdefault((entry.value.x, entry.value.y), []).append(entry)
        planes |= own
    return [entry for entries in planes.values() for entry in entries]


def _values(entries: Iterable[Entry[T]]) -> list[T]:
    return [entry.value for entry in entries]


def _joined(parts: Iterable[Mapping[str, T]]) -> dict[str, T]:
    return {name: value for part in parts for name, value in part.items()}


def _check_lines(lines: Sequence[Entry[Line]]) -> None:
    names = {entry.value.name for entry in lines}
    for entry in lines:
        line = entry.value
        _check_name(entry, line.name)
        if not line.wavelength_um > 0:
            raise entry.refuse(f"{line.name} has no positive wavelength")
        _known(entry, line.name, line.blend, names)


def _check_bands(bands: Sequence[Entry[Band]], lines: set[str]) -> None:
    for entry in bands:
        band = entry.value
        _check_name(entry, band.name)
        limits = (*band.continuum_blue_um, *band.integration_um, *band.continuum_red_um)
        within = all(low < high for low, high in zip(limits[::2], limits[1::2], strict=True))
        apart = limits[1] <= limits[2] and limits[3] <= limits[4]
        if not (within and apart):
            raise entry.refuse(
                f"windows of {band.name} are out of order",
                expected="blue continuum below integration below red continuum",
                found=" ".join(f"{limit:g}" for limit in limits),
            )
        _known(entry, band.name, band.subtract + band.mask, lines)


def _with_known_lines(entry: Entry[Band], lines: Sequence[Entry[Line]]) -> Entry[Band]:
    """A packaged band without lines that are missing in a user's list of lines."""
    if not _is_packaged(entry):
        return entry
    names, band = {line.value.name for line in lines}, entry.value
    subtract, mask = (
        tuple(name for name in of if name in names) for of in (band.subtract, band.mask)
    )
    return replace(entry, value=replace(band, subtract=subtract, mask=mask))


def _is_packaged(entry: Entry[Any]) -> bool:
    return entry.place.startswith(str(packaged_file("")))


def _check_name(entry: Entry[Any], name: str) -> None:
    if not NAME.fullmatch(name):
        raise entry.refuse(
            "a name has characters that names of columns cannot have",
            expected="letters, digits and _ . + -",
            found=repr(name),
        )


def _known(entry: Entry[Any], owner: str, names: Iterable[str], known: set[str]) -> None:
    if missing := sorted(set(names) - known):
        raise entry.refuse(f"{owner} refers to unknown names", found=", ".join(missing))


def _named(named: Mapping[str, T], name: str) -> T:
    if name not in named:
        raise CatalogError(
            f"no wavelength window is called {name!r}",
            expected=f"one of {', '.join(named)}",
            advice="Or give two wavelengths in micron.",
        )
    return named[name]


def _digest(reference: Reference) -> str:
    content = asdict(reference)
    del content["predictor_sets"]  # They change classes, which have a key of their own.
    return hash_bytes(json.dumps(content, sort_keys=True).encode())


def _range(value: Any, path: Path, name: str) -> Range:
    try:
        low, high = map(float, value)
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if not 0 < low < high:
        raise CatalogError(
            f"window {name!r} is not a range",
            file=toml_place(path, name),
            expected="two wavelengths in micron, the lower first",
            found=repr(value),
        )
    return low, high
