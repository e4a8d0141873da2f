"""Lines that blend, measured together.

Gaussians at their known distances, with a common width and velocity, are fitted over a curved
continuum. What the flux of a line would be if it alone moved differently is part of its error, as
far as the spectrum does not exclude it: beside a bright line that is soon more than the noise. If
more than one line is detected, the fit divides the flux: each sample above the continuum is shared
between the lines in proportion to their profiles, and then integrated over their windows as for
any other line. So no flux is lost or counted twice, for any true profiles. A line that is detected
alone keeps its whole window, and its absent neighbours get the limits of the fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares

from catalogs.reference import Line, blend_groups
from survey.features.background import Background
from survey.features.continuum import RawFlux
from survey.features.spectrum import (
    Bools,
    Floats,
    Ints,
    Spectrum,
    wavelengths_of,
)
from survey.features.windows import REACH_FWHM, full_windows, measurable
from survey.spectra.constants import FWHM_PER_SIGMA, LIGHT_KM_S

FIT_FWHM = 4.0
"""How far a fit reaches from its lines."""

SPARE_SAMPLES = 4
"""Samples a fit must have beyond its parameters."""

INTRINSIC_SPREAD_KM_S = 150.0
SHIFT_SPREAD_KM_S = 50.0
"""Width and velocity of lines too faint to measure them stay this close to the expected ones."""

OTHER_MOTIONS_KM_S = ((-120.0, None), (120.0, None), (-120.0, 50.0), (0.0, 50.0), (120.0, 50.0))
"""Velocity of one line against the others, and its width, if not theirs: gas of another ionisation
moves differently. What such motions would change is part of the error."""

CHANGE_SIGMA = 2.0
"""Changes of the flux up to so many times their noise are not taken for real."""


@dataclass(frozen=True)
class Deblended:
    """What joint fits say of the lines, by their positions in the list of lines.

    Lines that are not blended, or alone among those they may blend with, are not in it.

    Attributes
    ----------
    fluxes : dict of int to RawFlux
        Fluxes of the fit; not significant for lines without a share.
    shares : dict of int to array (L,)
        Part of every sample that belongs to a line, for lines seen together.
    """

    fluxes: dict[int, RawFlux]
    shares: dict[int, Floats]

    @property
    def absent(self) -> set[int]:
        """Lines that are not seen beside their neighbours."""
        return self.fluxes.keys() - self.shares.keys()


def deblend(background: Background, lines: Sequence[Line], detection_sigma: float) -> Deblended:
    """Fit every group of blending lines of which two or more were observed."""
    result = Deblended({}, {})
    spectrum = background.spectrum
    observed = measurable(spectrum, full_windows(spectrum, lines))
    for group in blend_groups(lines):
        places = np.array([place for place in group if observed[place]], dtype=np.intp)
        fit = _Group.of(background, [lines[place] for place in places]).fit(detection_sigma)
        if fit is None:
            continue
        snr = fit.flux / fit.error
        seen = snr >= detection_sigma
        fluxes = dict(zip(places.tolist(), fit.raw(background), strict=True))
        if seen.sum() > 1:
            shares = zip(places[seen].tolist(), fit.shares(spectrum, seen), strict=True)
            result.shares.update(shares)
        else:
            # The best seen line is left to direct integration, as if it had no neighbours.
            del fluxes[int(places[np.argmax(snr)])]
        result.fluxes.update(fluxes)
    return result


@dataclass(frozen=True)
class _JointFit:
    """n Gaussians over a parabola, linear in their fluxes.

    `kernel` (n, K) are the weights of the samples `index` (K,) that give the fluxes; `noise`
    is that of single samples, `continuum` (n,) the level under each line, and
    `continuum_error` the error of that; `unsure` (n,) is what other motions change in the fluxes.
    """

    centre_um: Floats
    sigma_um: Floats
    flux: Floats
    continuum: Floats
    continuum_error: float
    kernel: Floats
    index: Ints
    noise: float
    unsure: Floats

    @property
    def error(self) -> Floats:
        return self.noise * np.sqrt(np.sum(self.kernel**2, axis=1))

    def raw(self, background: Background) -> Iterator[RawFlux]:
        """The fluxes of the fit as they are."""
        spectrum, index = background.spectrum, np.tile(self.index, (self.flux.size, 1))
        fringes = background.fringes.error(spectrum, self.kernel, index)
        error = np.sqrt(self.error**2 + fringes**2 + self.unsure**2)
        propagated = np.sqrt(self.kernel**2 @ spectrum.error[self.index] ** 2)
        level_error = np.full(self.flux.size, self.continuum_error)
        columns = np.array([self.flux, propagated, error, self.continuum, level_error])
        for flux, naive, empirical, continuum, unsure in columns.T.tolist():
            yield RawFlux(flux, naive, empirical, continuum, False, unsure)

    def shares(self, spectrum: Spectrum, seen: Bools) -> Floats:
        """Proportions of the profiles of the lines that are seen, shape (seen, L)."""
        centre, sigma = self.centre_um[seen, np.newaxis], self.sigma_um[seen, np.newaxis]
        height = np.log(self.flux[seen, np.newaxis] / sigma)
        profile = height - ((spectrum.wavelength_um - centre) / sigma) ** 2 / 2
        profile = np.exp(profile - profile.max(axis=0))
        return profile / profile.sum(axis=0)


@dataclass(frozen=True)
class _Group:
    """Lines to be fitted together, the samples to do it with, and the noise of those."""

    spectrum: Spectrum
    lines: Sequence[Line]
    index: Ints
    noise: float

    @classmethod
    def of(cls, background: Background, lines: Sequence[Line]) -> _Group:
        """Take the samples about the lines, without those in the reach of other lines."""
        spectrum, centre = background.spectrum, wavelengths_of(lines)
        distance = np.abs(spectrum.wavelength_um - centre[:, np.newaxis])
        distance /= spectrum.line_fwhm_at(centre)[:, np.newaxis]
        nearest = distance.min(axis=0, initial=np.inf)
        usable = spectrum.good & (background.free | (nearest <= REACH_FWHM))
        return cls(
            spectrum=spectrum,
            lines=lines,
            index=np.flatnonzero(usable & (nearest <= FIT_FWHM)),
            noise=float(np.fmax.reduce(background.blanks.noise_near(centre), initial=np.nan)),
        )

    def fit(self, detection_sigma: float) -> _JointFit | None:
        """Fit the width and velocity expected; if anything is seen, the best ones."""
        if len(self.lines) < 2 or self.index.size < len(self.lines) + 3 + SPARE_SAMPLES:
            return None
        motion_km_s = self.spectrum.intrinsic_km_s
        first = self._linear_fit(motion_km_s, 0.0)
        if not first.noise > 0:
            return None
        if not np.any(first.flux > detection_sigma * first.error):
            return first

        def misfit(parameters: Floats) -> Floats:
            intrinsic, shift = parameters.tolist()
            basis = np.linalg.qr(self._design(intrinsic, shift)).Q
            residual = flux - basis @ (basis.T @ flux)
            expected = (intrinsic - motion_km_s) / INTRINSIC_SPREAD_KM_S
            return np.append(residual / first.noise, [expected, shift / SHIFT_SPREAD_KM_S])

        flux = self.spectrum.flux[self.index]
        scales = [INTRINSIC_SPREAD_KM_S, SHIFT_SPREAD_KM_S]
        best = least_squares(misfit, [motion_km_s, 0.0], method="lm", x_scale=scales)
        fit = self._linear_fit(*best.x.tolist())
        return replace(fit, unsure=self._change_by_motion(fit, *best.x.tolist()))

    def _change_by_motion(self, fit: _JointFit, intrinsic_km_s: float, shift_km_s: float) -> Floats:
        """Largest change of each flux (n,), beyond noise, by a motion of its own.

        Motions that fit significantly worse do not count. The brightest line has no other motion:
        the common one is its own.
        """
        flux = self.spectrum.flux[self.index]
        design = self._design(intrinsic_km_s, shift_km_s)
        least = _misfit(design, flux)
        unsure = np.zeros(len(self.lines))
        for line in np.delete(np.arange(len(self.lines)), int(np.argmax(fit.flux))).tolist():
            for velocity, width in OTHER_MOTIONS_KM_S:
                own = intrinsic_km_s if width is None else width
                moved = design.copy()
                moved[:, line] = self._design(own, shift_km_s + velocity)[:, line]
                if _misfit(moved, flux) - least > (CHANGE_SIGMA * fit.noise) ** 2:
                    continue
                kernel = np.linalg.pinv(moved)[line] - fit.kernel[line]
                square = (kernel @ flux) ** 2
                square -= (CHANGE_SIGMA * fit.noise) ** 2 * (kernel @ kernel)
                unsure[line] = max(unsure[line], float(np.sqrt(max(square, 0.0))))
        return unsure

    def _linear_fit(self, intrinsic_km_s: float, shift_km_s: float) -> _JointFit:
        """Fluxes and continuum; the noise is not taken to be below the scatter about them."""
        centre, sigma = self._profiles(intrinsic_km_s, shift_km_s)
        design = self._design(intrinsic_km_s, shift_km_s)
        inverse = np.asarray(np.linalg.pinv(design), dtype=np.float64)
        flux = self.spectrum.flux[self.index]
        solution = inverse @ flux
        residual = flux - design @ solution
        scatter = np.sqrt(residual @ residual / (flux.size - solution.size))
        count = len(self.lines)
        return _JointFit(
            centre_um=centre,
            sigma_um=sigma,
            flux=solution[:count],
            continuum=np.vander((centre - centre[0]) / sigma[0], 3, increasing=True)
            @ solution[count:],
            continuum_error=float(
                np.fmax(self.noise, scatter) * np.sqrt(inverse[count] @ inverse[count])
            ),
            kernel=inverse[:count],
            index=self.index,
            noise=float(np.fmax(self.noise, scatter)),
            unsure=np.zeros(count),
        )

    def _design(self, intrinsic_km_s: float, shift_km_s: float) -> Floats:
        """Columns: a Gaussian of unit area for each line, and a parabola for the continuum."""
        centre, sigma = self._profiles(intrinsic_km_s, shift_km_s)
        wavelength = self.spectrum.wavelength_um[self.index]
        scaled = (wavelength[:, np.newaxis] - centre) / sigma
        gaussians = np.exp(-(scaled**2) / 2) / (np.sqrt(2 * np.pi) * sigma)
        offset = (wavelength - centre[0]) / sigma[0]
        return np.column_stack([gaussians, np.ones(wavelength.size), offset, offset**2])

    def _profiles(self, intrinsic_km_s: float, shift_km_s: float) -> tuple[Floats, Floats]:
        """Centres and standard deviations of the lines in micron."""
        rest = wavelengths_of(self.lines)
        fwhm = self.spectrum.line_fwhm_at(rest, intrinsic_km_s)
        return rest * (1 + shift_km_s / LIGHT_KM_S), fwhm / FWHM_PER_SIGMA


def _misfit(design: Floats, flux: Floats) -> float:
    """Sum of the squares of what the columns of a design leave."""
    basis = np.linalg.qr(design).Q
    rest = flux - basis @ (basis.T @ flux)
    return float(rest @ rest)
