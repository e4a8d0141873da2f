"""Emission lines by direct integration above a local continuum.

Their error has two parts: the noise, measured by the same integration where there are no lines, and
the fringes, which scale bright lines. In bright lines both are smaller than what the choice of the
window and of the continuum does: by how much other choices change the flux is a third part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from catalogs.reference import Line
from survey.features.background import Background
from survey.features.blends import Deblended, deblend
from survey.features.continuum import RawFlux
from survey.features.spectrum import (
    INTRINSIC_FWHM_KM_S,
    Bools,
    Floats,
    Spectrum,
    wavelengths_of,
)
from survey.features.windows import (
    BRIGHT,
    BRIGHT_SNR,
    REACH_FWHM,
    USUAL,
    Extent,
    LineWindows,
    free_samples,
    full_windows,
    integrate_windows,
    line_windows,
    measurable,
)
from survey.spectra.constants import LIGHT_KM_S

WIDER_FWHM = 0.5
"""A window that is so much wider shows what a bright line has beyond its own."""


CHANGE_SIGMA = 2.0
"""Changes of the flux up to so many times their noise are not taken for systematic."""


@dataclass(frozen=True)
class MeasuredLine:
    """A line as integrated or fitted.

    Attributes
    ----------
    raw : RawFlux
    window_um : (low, high)
        What counts as the line, for those who must look past it.
    narrowed : bool
        Whether a neighbour takes part of its window.
    fitted : bool
        Whether a joint fit with its neighbours divided the flux, or gave the limit.
    """

    raw: RawFlux
    window_um: tuple[float, float]
    narrowed: bool = False
    fitted: bool = False


def measure_lines(
    background: Background, lines: Sequence[Line], detection_sigma: float
) -> list[MeasuredLine]:
    """Measure every line; where it is not covered, the flux is NaN.

    `detection_sigma` is the S/N above which the neighbour of a line counts as detected.
    """
    spectrum = background.spectrum
    deblended = deblend(background, lines, detection_sigma)
    half_fwhm = np.full(len(lines), USUAL.window_fwhm)
    windows = _windows(spectrum, lines, half_fwhm, deblended)
    shares = np.ones((len(lines), spectrum.wavelength_um.size))
    for place, share in deblended.shares.items():
        shares[place] = share
    raw = _integrate(background, windows, shares, USUAL)
    bright = np.array([flux.flux >= BRIGHT_SNR * flux.error for flux in raw], dtype=bool)
    bright[list(deblended.absent)] = False
    if bright.any():
        half_fwhm[bright] = BRIGHT.window_fwhm
        wide = _windows(spectrum, lines, half_fwhm, deblended)
        for place, flux in _bright_lines(background, lines, wide, shares, bright).items():
            raw[place] = flux
            windows = windows.replaced(place, wide)
    for place, fit in deblended.fluxes.items():
        # What is ambiguous in the division, the fit knows and the integral does not.
        error = max(raw[place].error_empirical, fit.error_empirical)
        shared = place in deblended.shares
        raw[place] = replace(raw[place], error_empirical=error) if shared else fit
    return [
        MeasuredLine(
            raw=flux,
            window_um=(float(windows.low_um[place]), float(windows.high_um[place])),
            narrowed=bool(windows.narrowed[place]),
            fitted=place in deblended.fluxes,
        )
        for place, flux in enumerate(raw)
    ]


def _bright_lines(
    background: Background,
    lines: Sequence[Line],
    windows: LineWindows,
    shares: Floats,
    bright: Bools,
) -> dict[int, RawFlux]:
    """Bright lines in their wide windows, by place; those that can be measured so.

    Half of what a continuum through more samples changes, and all that a still wider window
    changes, are added to the error as far as they are more than noise.
    """
    reach = np.where(bright, BRIGHT.reach_fwhm, USUAL.reach_fwhm)
    beside = replace(
        background, free=background.free & free_samples(background.spectrum, lines, reach)
    )
    places = np.flatnonzero(bright)
    windows, shares = windows[places], shares[places]
    found = _integrate(beside, windows, shares, BRIGHT)
    smoother = replace(BRIGHT, side_fwhm=USUAL.side_fwhm)
    wider = replace(BRIGHT, window_fwhm=BRIGHT.window_fwhm + WIDER_FWHM)
    wider_windows = windows.scaled(wider.window_fwhm / BRIGHT.window_fwhm)
    choice = np.hypot(
        _change(beside, (windows, BRIGHT), (windows, smoother), shares) / 2,
        _change(beside, (windows, BRIGHT), (wider_windows, wider), shares),
    )
    return {
        place: replace(flux, error_empirical=float(np.hypot(flux.error_empirical, unsure)))
        for place, flux, unsure in zip(places.tolist(), found, choice.tolist(), strict=True)
        if np.isfinite(flux.flux)
    }


def _change(
    background: Background,
    one: tuple[LineWindows, Extent],
    other: tuple[LineWindows, Extent],
    shares: Floats,
) -> Floats:
    """By how much fluxes differ between two ways to measure them, beyond noise; 0 if unknown."""
    spectrum = background.spectrum
    first, second = (
        integrate_windows(spectrum, windows, background.free, shares, extent)
        for windows, extent in (one, other)
    )
    kernel = second.integrals.kernel - first.integrals.kernel
    change = replace(
        second.integrals,
        kernel=kernel,
        error_propagated=np.sqrt(np.sum((kernel * spectrum.error[second.index]) ** 2, axis=1)),
    )
    noise = background.error_of(one[0].centre_um, change, second.index)
    square = (second.integrals.flux - first.integrals.flux) ** 2 - (CHANGE_SIGMA * noise) ** 2
    return np.sqrt(np.fmax(square, 0.0))


def _windows(
    spectrum: Spectrum, lines: Sequence[Line], half_fwhm: Floats, deblended: Deblended
) -> LineWindows:
    """Whole windows for lines that a fit dealt with; the others share with those present."""
    whole = full_windows(spectrum, lines, half_fwhm)
    present = [place for place in range(len(lines)) if place not in deblended.absent]
    divided = line_windows(spectrum, [lines[place] for place in present], half_fwhm[present])
    rows = [row for row, place in enumerate(present) if place not in deblended.shares]
    places = [present[row] for row in rows]
    for ours, theirs in (
        (whole.low_um, divided.low_um),
        (whole.high_um, divided.high_um),
        (whole.narrowed, divided.narrowed),
    ):
        ours[places] = theirs[rows]
    return whole


def _integrate(
    background: Background, windows: LineWindows, shares: Floats, extent: Extent
) -> list[RawFlux]:
    """Integrate over every window what belongs to its line, above the local continuum."""
    spectrum = background.spectrum
    found = integrate_windows(spectrum, windows, background.free, shares, extent)
    integrals = found.integrals
    error = background.error_of(windows.centre_um, integrals, found.index)
    # What a straight line takes for flux of the smooth continuum, where it may be curved.
    smooth = np.sum(integrals.kernel * background.fringes.continuum[found.index], axis=1)
    error = np.where(found.straight, np.hypot(error, smooth), error)
    touched = spectrum.length_um(spectrum.good, windows.low_um, windows.high_um) > 0
    columns = np.array(
        [
            integrals.flux,
            integrals.error_propagated,
            error,
            integrals.continuum,
            integrals.continuum_error,
            integrals.width,
        ]
    )
    columns[:, ~measurable(spectrum, windows)] = np.nan
    return [
        RawFlux(flux, propagated, empirical, continuum, edge, continuum_error, width)
        for flux, propagated, empirical, continuum, continuum_error, width, edge in zip(
            *columns.tolist(), (found.short & touched).tolist(), strict=True
        )
    ]


def line_ranges(
    lines: Sequence[Line], resolving_power: ArrayLike | None
) -> tuple[tuple[float, float], ...]:
    """Rest-frame ranges in micron that the lines reach, for those who must look past them.

    `resolving_power` is that at each line, as far as the instrument is known.
    """
    centre = wavelengths_of(lines)
    instrument_um = 0.0 if resolving_power is None else centre / np.asarray(resolving_power)
    reach = REACH_FWHM * np.hypot(instrument_um, centre * INTRINSIC_FWHM_KM_S / LIGHT_KM_S)
    return tuple(zip((centre - reach).tolist(), (centre + reach).tolist(), strict=True))
