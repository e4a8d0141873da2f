"""The spectrum as measurements need it: per micron, in one set of units, with its resolution.

It is built once for a cluster; velocity, width, lines, bands and slope are all measured in it. In
any unit of the cube, a line flux is power per area (and solid angle) received by the observer.
Input spectra have rest-frame wavelengths and observed flux densities, so the factor (1 + z) between
the two frames is applied here, once:

    F = integral of f_lambda d lambda_obs = (1 + z) * integral of f_lambda d lambda_rest
    F = integral of f_nu d nu_obs = integral of f_nu c / lambda_rest^2 d lambda_rest / (1 + z)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import astropy.units as u
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import percentile_filter

from catalogs.reference import Line
from survey.errors import DataError
from survey.spectra.constants import LIGHT_KM_S, LIGHT_UM_S

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]


INTRINSIC_FWHM_KM_S = 250.0
"""Width allowed for motion inside a galaxy, added in quadrature to that of the instrument.

Rotation and dispersion within one cluster, and errors of the redshift. If bright lines are broader,
their measured width is used (see `survey.features.width`).
"""

STEPS_COMPARED = 9
GAP_STEPS = 1.5
"""Among so many steps between samples, one so many times as wide as most of them is a gap."""

SAMPLES_PER_ELEMENT = 2.0
"""Nyquist sampling, used as the resolution if that is not known."""


@dataclass(frozen=True)
class GivenSpectrum:
    """A spectrum as it was given, on wavelengths without gaps; arrays of shape (L,).

    `flux` and `error` are in `flux_unit`, NaN where there is none.
    """

    wavelength_um: Floats
    flux: Floats
    error: Floats
    flux_unit: str
    redshift: float
    resolving_power: Floats | None


@dataclass(frozen=True)
class Spectrum:
    """One rest-frame spectrum, ready to be integrated over wavelength.

    All arrays have shape (L,). `flux` and `error` are per micron of rest-frame wavelength,
    so that their integral is the observed flux in `line_flux_unit`; both are interpolated
    where the input has no number, and `good` is true where the flux had one. `per_micron` is
    the factor that made them from the input. `line_fwhm_um` is the width expected of a line
    at each wavelength, `intrinsic_km_s` the part of it that is motion. `velocity_km_s` is that
    of its lines, taken out of the wavelengths as if the redshift had included it.
    """

    given: GivenSpectrum
    velocity_km_s: float
    wavelength_um: Floats
    flux: Floats
    error: Floats
    good: Bools
    per_micron: Floats
    line_fwhm_um: Floats
    intrinsic_km_s: float

    def displaced(
        self, velocity_km_s: float, intrinsic_km_s: float = INTRINSIC_FWHM_KM_S
    ) -> Spectrum:
        """The same spectrum with lines of another velocity, and of another width by motion."""
        return _at_velocity(self.given, velocity_km_s, intrinsic_km_s)

    @cached_property
    def edges_um(self) -> Floats:
        """Borders of the samples, shape (L + 1,)."""
        middle = (self.wavelength_um[1:] + self.wavelength_um[:-1]) / 2
        first = 2 * self.wavelength_um[0] - middle[0]
        last = 2 * self.wavelength_um[-1] - middle[-1]
        return np.concatenate([[first], middle, [last]])

    def line_fwhm_at(self, wavelength_um: Floats, intrinsic_km_s: float | None = None) -> Floats:
        """Width in micron of lines at these wavelengths, expected or for another motion."""
        expected = np.interp(wavelength_um, self.wavelength_um, self.line_fwhm_um)
        if intrinsic_km_s is None:
            return expected
        motion = (intrinsic_km_s**2 - self.intrinsic_km_s**2) / LIGHT_KM_S**2
        return np.sqrt(np.maximum(expected**2 + wavelength_um**2 * motion, 0.0))

    def covers(self, wavelength_um: Floats) -> Bools:
        """Whether wavelengths lie between the ends of the spectrum."""
        inside: Bools = (wavelength_um >= self.edges_um[0]) & (wavelength_um <= self.edges_um[-1])
        return inside

    def spaced(self, step_fwhm: float) -> Floats:
        """Wavelengths in steps of a number of line widths, the first and last left out."""
        steps = np.cumsum(np.diff(self.edges_um) / (step_fwhm * self.line_fwhm_um))
        return np.interp(np.arange(1.0, steps[-1]), steps, self.wavelength_um)

    def length_um(self, where: Bools, low_um: Floats, high_um: Floats) -> Floats:
        """How much of the ranges low..high is covered by the samples `where`."""
        edges = self.edges_um
        covered = np.concatenate([[0.0], np.cumsum(where * np.diff(edges))])
        return np.interp(high_um, edges, covered) - np.interp(low_um, edges, covered)


def observed_spectrum(
    wavelength_um: ArrayLike,
    spectrum: ArrayLike,
    error: ArrayLike,
    *,
    flux_unit: str,
    redshift: float,
    resolving_power: ArrayLike | None = None,
) -> Spectrum:
    """Bring a spectrum into the form in which it is measured.

    Parameters
    ----------
    wavelength_um : array (L,)
        Rest-frame vacuum wavelengths, increasing.
    spectrum, error : array (L,)
        Observed flux density or surface brightness and its 1-sigma error, in `flux_unit`;
        NaN where there is none.
    flux_unit : str
        As astropy writes it.
    redshift : float
        That by which the wavelengths were brought to rest; fluxes are those received.
    resolving_power : float or array (L,), optional
        Wavelength over FWHM of the instrument; two samples per FWHM if not given.

    Raises
    ------
    DataError
        If shapes differ, there are fewer than three samples, the wavelengths do not
        increase, or the unit is not a flux density.
    """
    wavelength = np.asarray(wavelength_um, dtype=np.float64)
    flux, sigma = np.asarray(spectrum, dtype=np.float64), np.asarray(error, dtype=np.float64)
    _check(wavelength, flux, sigma)
    power = None if resolving_power is None else np.broadcast_to(resolving_power, flux.shape)
    complete = _with_missing_planes(wavelength)
    if complete.size > wavelength.size:
        places = np.searchsorted(complete, wavelength)
        flux, sigma = (_spread(values, places, complete.size) for values in (flux, sigma))
        power = None if power is None else np.interp(complete, wavelength, power)
        wavelength = complete
    given = GivenSpectrum(wavelength, flux, sigma, flux_unit, redshift, power)
    return _at_velocity(given, 0.0, INTRINSIC_FWHM_KM_S)


def _at_velocity(given: GivenSpectrum, velocity_km_s: float, intrinsic_km_s: float) -> Spectrum:
    stretch = 1 + velocity_km_s / LIGHT_KM_S
    wavelength = given.wavelength_um / stretch
    per_micron = _per_micron(wavelength, given.flux_unit, (1 + given.redshift) * stretch)
    return Spectrum(
        given=given,
        velocity_km_s=velocity_km_s,
        wavelength_um=wavelength,
        flux=_without_gaps(wavelength, given.flux) * per_micron,
        error=_without_gaps(wavelength, given.error) * per_micron,
        good=np.isfinite(given.flux),
        per_micron=per_micron,
        line_fwhm_um=_line_fwhm_um(wavelength, given.resolving_power, intrinsic_km_s),
        intrinsic_km_s=intrinsic_km_s,
    )


def line_flux_unit(flux_unit: str) -> str:
    """Unit of integrated fluxes for spectra in `flux_unit`, as an astropy unit string.

    Watt per square metre; per steradian, square arcsecond or pixel where the input was.

    Raises
    ------
    DataError
        If `flux_unit` is neither a flux density nor a surface brightness.
    """
    _, per_area = _density_and_area(flux_unit)
    return str((u.W / u.m**2 / per_area).to_string())


def wavelengths_of(lines: Sequence[Line]) -> Floats:
    """Wavelengths of lines in micron, shape (M,)."""
    return np.array([line.wavelength_um for line in lines], dtype=np.float64)


def _with_missing_planes(wavelength_um: Floats) -> Floats:
    """The wavelengths, with one or two more wherever planes are missing between them.

    The samples beside a gap would else be as wide as half of it.
    """
    step = np.diff(wavelength_um)
    usual = percentile_filter(step, 75, STEPS_COMPARED, mode="nearest")
    gap = np.flatnonzero(step > GAP_STEPS * usual)
    left, right, width = wavelength_um[gap], wavelength_um[gap + 1], usual[gap]
    one = right - left < (1 + GAP_STEPS) * width
    middle = (left + right) / 2
    first, last = np.where(one, middle, left + width), np.where(one, middle, right - width)
    return np.unique(np.concatenate([wavelength_um, first, last]))


def _spread(values: Floats, places: Ints, size: int) -> Floats:
    """The values at some places of a longer array, NaN at the others."""
    spread = np.full(size, np.nan)
    spread[places] = values
    return spread


def _without_gaps(wavelength_um: Floats, values: Floats) -> Floats:
    known = np.isfinite(values)
    if known.all() or not known.any():
        return values
    return np.interp(wavelength_um, wavelength_um[known], values[known])


def _per_micron(wavelength_um: Floats, flux_unit: str, stretch: float) -> Floats:
    factor, per_frequency = _si_factor(flux_unit)
    if per_frequency:
        return factor * LIGHT_UM_S / wavelength_um**2 / stretch
    return np.full(wavelength_um.shape, factor * stretch)


@cache
def _si_factor(flux_unit: str) -> tuple[float, bool]:
    """From a flux density to W m-2 um-1, or to W m-2 Hz-1 if it is per frequency; and which."""
    density, _ = _density_and_area(flux_unit)
    per_wavelength = u.W / u.m**2 / u.um
    if density.is_equivalent(per_wavelength):
        return float(density.to(per_wavelength)), False
    return float(density.to(u.W / u.m**2 / u.Hz)), True


@cache
def _density_and_area(flux_unit: str) -> tuple[u.UnitBase, u.UnitBase]:
    """Split a unit into a flux density and the solid angle it is per (or 1)."""
    try:
        unit = u.Unit(flux_unit)
    except (ValueError, TypeError):
        unit = u.dimensionless_unscaled
    # Steradian comes after arcsec2, which would be taken for it.
    for area in (u.dimensionless_unscaled, u.arcsec**2, u.sr, u.pix):
        density = unit * area
        known = density.is_equivalent(u.W / u.m**2 / u.um) or density.is_equivalent(u.Jy)
        if known and (area != u.arcsec**2 or u.arcsec in unit.bases):
            return density, area
    raise DataError(
        "spectra cannot be integrated in this unit",
        expected="a flux density or a surface brightness, as MJy/sr or erg/s/cm2/Angstrom",
        found=repr(flux_unit),
    )


def _line_fwhm_um(
    wavelength_um: Floats, resolving_power: ArrayLike | None, intrinsic_km_s: float
) -> Floats:
    if resolving_power is None:
        instrument_um = SAMPLES_PER_ELEMENT * np.gradient(wavelength_um)
    else:
        instrument_um = wavelength_um / np.asarray(resolving_power, dtype=np.float64)
    return np.hypot(instrument_um, wavelength_um * intrinsic_km_s / LIGHT_KM_S)


def _check(wavelength: Floats, flux: Floats, sigma: Floats) -> None:
    if not (wavelength.ndim == 1 and wavelength.shape == flux.shape == sigma.shape):
        raise DataError(
            "wavelengths, spectrum and error do not match",
            expected="three one-dimensional arrays of one length",
            found=f"shapes {wavelength.shape}, {flux.shape}, {sigma.shape}",
        )
    if wavelength.size < 3 or not np.all(np.diff(wavelength) > 0):
        raise DataError(
            "wavelengths do not increase",
            expected="at least three strictly increasing values",
            found=f"{wavelength.size} values",
        )
