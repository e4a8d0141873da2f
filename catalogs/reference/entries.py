"""The entries of the reference tables: lines, bands, instruments, ratios, label rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Range = tuple[float, float]
Polynomial = tuple[float, ...]

SLOPE, CONTINUUM = "slope_alpha", "continuum"
"""Words of the table of predictors: the slope of the continuum, and the continuum beside a line."""


@dataclass(frozen=True)
class Line:
    """An emission line; the wavelength is in vacuum.

    `blend` names neighbours that blend with it if lines are broad. A line that is not `common` gets
    only the part of its window that common neighbours leave. `bright` lines are used to measure
    velocities. Potentials are those of the emitting ion, NaN for molecules. A `doublet` is treated
    as one line, broader than the motion of the gas. `absorption_um` is the usual equivalent width
    of the stellar absorption under it, with the uncertainty `absorption_err_um`.
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

    `subtract` names lines whose measured flux is subtracted, `mask` lines that are
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
        """R at observed wavelengths; outside the range, the value at its nearest end."""
        inside = np.clip(wavelength_um, *self.range_um)
        value = polynomial(self.coefficients, inside)
        return value if self.quantity == "resolving_power" else inside / value


@dataclass(frozen=True)
class Instrument:
    """Spectral resolution and, unless the seeing determines it, angular resolution.

    Between bands that are `arms` of one spectrograph there may be a gap. `wavelength_medium`: of
    cubes whose header does not say.
    """

    name: str
    segments: tuple[Segment, ...]
    psf_fwhm_arcsec: Polynomial | None
    source: str
    arms: bool = False
    wavelength_medium: Literal["vacuum", "air"] = "vacuum"

    def resolving_power(self, wavelength_um: NDArray[np.float64]) -> NDArray[np.float64]:
        """R at observed wavelengths, by the nearest segment."""
        middles = [
            (left.range_um[1] + right.range_um[0]) / 2
            for left, right in zip(self.segments, self.segments[1:], strict=False)
        ]
        powers = np.array([segment.resolving_power(wavelength_um) for segment in self.segments])
        nearest = np.digitize(wavelength_um, middles)[np.newaxis]
        return np.take_along_axis(powers, nearest, axis=0)[0]


class RatioRow(NamedTuple):
    """A ratio of two features, or of sums `A+B` of features."""

    numerator: str
    denominator: str

    @property
    def name(self) -> str:
        """The name in the names of columns."""
        return f"{self.numerator}/{self.denominator}"

    @property
    def features(self) -> tuple[str, ...]:
        """Names of its lines and bands."""
        return (*self.numerator.split("+"), *self.denominator.split("+"))


class PredictorRow(NamedTuple):
    """log10(numerator / denominator + offset), of features or sums `A+B` of features.

    The denominator `continuum` makes an equivalent width; the slope of the continuum has none.
    """

    numerator: str
    denominator: str
    offset: float

    @property
    def features(self) -> tuple[str, ...]:
        """Names of its lines and bands."""
        if not self.denominator:
            return ()
        below = () if self.denominator == CONTINUUM else self.denominator.split("+")
        return (*self.numerator.split("+"), *below)


@dataclass(frozen=True)
class DemarcationRow:
    """A published line in a plane of two log ratios; see `survey.classes.demarcations`."""

    name: str
    x: str
    y: str
    form: str
    a: float
    b: float
    c: float
    below: str
    above: str
    source: str


class PlaceClass(NamedTuple):
    """The class of a place in galaxies whose nuclear activity begins with `type`."""

    type: str
    place: str
    class_name: str


class PahProfile(NamedTuple):
    """Centre and full width at half maximum of a PAH feature."""

    centre_um: float
    fwhm_um: float


@dataclass(frozen=True)
class SampleGalaxy:
    """A galaxy of the GATOS clustering paper.

    Attributes
    ----------
    galaxy, type : str
        Its name, and the type of its nuclear activity.
    gatos : bool
        Whether the GATOS programmes observed it.
    distance_mpc : float
        As the paper adopts it.
    program : int
        JWST programme.
    held_out : bool
        Whether the paper applies its model to it, and does not train with it.
    redshift : float
        Heliocentric.
    ra_deg, dec_deg : float
        Of the nucleus, ICRS.
    """

    galaxy: str
    gatos: bool
    type: str
    distance_mpc: float
    program: int
    held_out: bool
    redshift: float
    ra_deg: float
    dec_deg: float


def blend_groups(lines: Sequence[Line]) -> tuple[tuple[int, ...], ...]:
    """Positions of lines that blend with one another, directly or through other lines.

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


def polynomial(coefficients: Polynomial, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """A polynomial, lowest power first."""
    return np.asarray(np.polynomial.polynomial.polyval(x, coefficients), dtype=np.float64)
