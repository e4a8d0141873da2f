"""The empirical noise: the integration of lines where there are none.

The same integration, displaced to where no line is known, should give zero. Its scatter, in units
of the scatter of single samples, shows how much correlated noise and the curvature of the continuum
add to the errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survey.features.continuum import Integrals
from survey.features.spectrum import Bools, Floats, Spectrum
from survey.features.windows import WINDOW_FWHM, LineWindows, integrate_windows

LOCAL_BLANKS = 12
"""Number of windows over which the noise is assumed constant."""

NEAREST_BLANKS = 60
"""Number of windows that give the excess over independent noise to some 15%."""

MIN_BLANKS = 12
ONE_SIGMA_PERCENT = 68.27


@dataclass(frozen=True)
class Blanks:
    """Integrations of windows without lines, in order of wavelength; arrays of shape (B,).

    `scatter` is that of single samples about the continuum, `given` their error as given;
    `pull` is the integral, which should be zero, over the error it would have if samples were
    independent.
    """

    centre_um: Floats
    scatter: Floats
    given: Floats
    pull: Floats

    def error_of(self, wavelength_um: Floats, integrals: Integrals) -> Floats:
        """Error of integrals at these wavelengths, from the noise about them.

        Where errors are given as larger than beside the line, as by its photons, the noise is
        larger in proportion.
        """
        noise = self.noise_near(wavelength_um)
        noise = np.where(np.isfinite(noise), noise, integrals.scatter)
        beside = np.median(nearest(self.centre_um, self.given, wavelength_um, LOCAL_BLANKS), axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            growth = np.fmax(integrals.error_propagated / integrals.norm / beside, 1.0)
        return noise * integrals.norm * growth

    def noise_near(self, wavelength_um: Floats) -> Floats:
        """Noise of single samples as it counts in integrals; NaN if there are too few blanks."""
        local = nearest(self.centre_um, self.scatter, wavelength_um, LOCAL_BLANKS)
        return np.median(local, axis=1) * self.inflation_near(wavelength_um)

    def inflation_near(self, wavelength_um: Floats) -> Floats:
        """By how much errors of independent samples are too small; NaN as above."""
        # About zero and not about their mean: an offset that all blanks share is an error.
        pulls = nearest(self.centre_um, np.abs(self.pull), wavelength_um, NEAREST_BLANKS)
        return np.percentile(pulls, ONE_SIGMA_PERCENT, axis=1)


def integrate_blanks(spectrum: Spectrum, free: Bools) -> Blanks:
    """Integrate windows that hold nothing but `free` samples, overlapping by half."""
    centre = spectrum.spaced(WINDOW_FWHM)
    half = WINDOW_FWHM * spectrum.line_fwhm_at(centre)
    low, high = centre - half, centre + half
    empty = spectrum.length_um(free, low, high) > 0.999 * (high - low)
    windows = LineWindows(centre, low, high, np.zeros(centre.shape, bool))[empty]
    integrals = integrate_windows(spectrum, windows, free).integrals
    valid = np.isfinite(integrals.flux) & (integrals.error_scatter > 0)
    return Blanks(
        centre_um=windows.centre_um[valid],
        scatter=integrals.scatter[valid],
        given=(integrals.error_propagated / integrals.norm)[valid],
        pull=integrals.flux[valid] / integrals.error_scatter[valid],
    )


def nearest(position: Floats, values: Floats, at: Floats, most: int) -> Floats:
    """The values at the `most` positions about each place, shape (M, up to most).

    One column of NaN if there are fewer than `MIN_BLANKS`. Positions are sorted.
    """
    count = min(most, values.size)
    if count < MIN_BLANKS:
        return np.full((at.size, 1), np.nan)
    first = np.clip(np.searchsorted(position, at) - count // 2, 0, values.size - count)
    return values[first[:, np.newaxis] + np.arange(count)]
