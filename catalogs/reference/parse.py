"""Makes entries of the reference tables from the cells of a row."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any, Literal

import numpy as np

from catalogs.reference.entries import (
    Band,
    DemarcationRow,
    Instrument,
    Line,
    PahProfile,
    PlaceClass,
    PredictorRow,
    RatioRow,
    SampleGalaxy,
    Segment,
)
from catalogs.reference.files import Cells

UM_PER_ANGSTROM = 1e-4


def parse_line(cells: Cells) -> Line:
    """A `Line` from its row."""
    name = cells.text("name")
    return Line(
        name=name,
        label=cells.text("label", name),
        wavelength_um=cells.number("wavelength", "um"),
        set=cells.text("set", "own"),
        ip_lower_ev=cells.number("ip_lower", "eV", np.nan),
        ip_upper_ev=cells.number("ip_upper", "eV", np.nan),
        mrs_band=cells.text("mrs_band", ""),
        spread_km_s=cells.number("spread", "km/s", np.nan),
        common=cells.flag("common", default=True),
        bright=cells.flag("bright", default=False),
        blend=cells.words("blend"),
        doublet="doublet" in cells.text("transition", ""),
        absorption_um=cells.number("absorption", "Angstrom", 0.0) * UM_PER_ANGSTROM,
        absorption_err_um=cells.number("absorption_err", "Angstrom", 0.0) * UM_PER_ANGSTROM,
        source=cells.text("source"),
    )


def parse_band(cells: Cells) -> Band:
    """A `Band` from its row."""
    name = cells.text("name")
    centres, widths = (
        [float(value) for value in cells.words(column)] for column in ("drude_center", "drude_fwhm")
    )
    return Band(
        name=name,
        label=cells.text("label", name),
        integration_um=(cells.number("low", "um"), cells.number("high", "um")),
        continuum_blue_um=(cells.number("blue_low", "um"), cells.number("blue_high", "um")),
        continuum_red_um=(cells.number("red_low", "um"), cells.number("red_high", "um")),
        subtract=cells.words("subtract"),
        mask=cells.words("mask"),
        drudes=tuple(zip(centres, widths, strict=True)),
        source=cells.text("source"),
    )


def parse_ratios(cells: Cells) -> tuple[str, tuple[RatioRow, ...]]:
    """The ratio of a row; a row without a denominator gives all pairs of its features."""
    if denominator := cells.text("denominator", ""):
        return cells.text("set"), (RatioRow(cells.text("numerator"), denominator),)
    pairs = combinations(cells.words("numerator"), 2)
    return cells.text("set"), tuple(RatioRow(*pair) for pair in pairs)


def parse_predictor(cells: Cells) -> tuple[str, PredictorRow]:
    """A predictor, with the name of its set."""
    row = PredictorRow(
        cells.text("numerator"), cells.text("denominator", ""), cells.number("offset", default=0.0)
    )
    if row.offset < 0 or not np.isfinite(row.offset):
        raise ValueError("the offset is negative or not a number")
    return cells.text("set"), row


def parse_demarcation(cells: Cells) -> DemarcationRow:
    """A demarcation line."""
    a, b, c = (cells.number(name, default=np.nan) for name in "abc")
    name, x, y, form, source = (cells.text(n) for n in ("name", "x", "y", "form", "source"))
    return DemarcationRow(
        name, x, y, form, a, b, c, cells.text("below", ""), cells.text("above", ""), source
    )


def parse_place_class(cells: Cells) -> PlaceClass:
    """A rule for the labels of places."""
    return PlaceClass(cells.text("type"), cells.text("place"), cells.text("class"))


def parse_pah_profile(cells: Cells) -> PahProfile:
    """A PAH feature."""
    centre_um = cells.number("wavelength", "um")
    return PahProfile(centre_um, centre_um * cells.number("relative_fwhm"))


def parse_sample_galaxy(cells: Cells) -> SampleGalaxy:
    """A galaxy of the paper."""
    return SampleGalaxy(
        galaxy=cells.text("galaxy"),
        gatos=cells.flag("gatos", default=False),
        type=cells.text("type"),
        distance_mpc=cells.number("distance"),
        program=int(cells.number("program")),
        held_out=cells.flag("held_out", default=False),
        redshift=cells.number("redshift"),
        ra_deg=cells.number("ra"),
        dec_deg=cells.number("dec"),
    )


def parse_instrument(name: str, entry: Mapping[str, Any]) -> Instrument:
    """An instrument; KeyError, TypeError or ValueError if an entry makes no sense."""
    psf = entry.get("psf_fwhm_arcsec")
    medium = entry.get("wavelength_medium", "vacuum")
    if medium not in ("vacuum", "air"):
        raise ValueError(f"wavelength_medium is {medium!r}, not vacuum or air")
    return Instrument(
        name=name,
        segments=tuple(map(_segment, entry["segments"])),
        psf_fwhm_arcsec=None if psf is None else tuple(map(float, psf)),
        source=str(entry["source"]),
        arms=bool(entry.get("arms", False)),
        wavelength_medium=medium,
    )


def _segment(entry: Mapping[str, Any]) -> Segment:
    low, high = entry["range_um"]
    quantity: Literal["resolving_power", "fwhm_um"] = (
        "resolving_power" if "resolving_power" in entry else "fwhm_um"
    )
    return Segment((float(low), float(high)), tuple(map(float, entry[quantity])), quantity)
