"""The width of the lines of a spectrum, which decides how far each is integrated.

A window for the usual 250 km/s cuts broader lines: of lines of 500 km/s it loses 14%. Therefore
Gaussians of one common width by motion, each with its own straight continuum, are fitted to all
bright lines without close neighbours. That width is used if it is significantly larger than the
usual one: wider windows than needed only add some noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from catalogs.reference import Line
from survey.features.spectrum import (
    INTRINSIC_FWHM_KM_S,
    Bools,
    Floats,
    Spectrum,
    wavelengths_of,
)
from survey.features.velocity import VELOCITY_LIMIT_KM_S, PlacedLine, place_lines
from survey.features.windows import REACH_FWHM
from survey.spectra.constants import FWHM_PER_SIGMA, LIGHT_KM_S

WIDTH_LIMIT_KM_S = 1000.0
"""No window is made for broader lines: those of a broad-line region need another method."""

TRIAL_KM_S = np.arange(50.0, 1501.0, 25.0)
FIT_KM_S = 2000.0
"""How far a fit reaches: far enough for the continuum beside the broadest line."""

MIN_SNR = 20.0
"""The width of a fainter line is too uncertain."""

MIN_SAMPLES = 12
MIN_SIDE = 0.3
"""Fraction of the samples that each side of a line must have."""

SIGNIFICANCE = 4.0
"""In standard deviations, of a width that is adopted, or of a line being broader than that."""

BROADER = 1.3
"""A line so many times as broad as expected has more than 5% of its flux outside its window."""


@dataclass(frozen=True)
class LineWidth:
    """Width of the lines of a spectrum.

    Attributes
    ----------
    intrinsic_km_s : float
        FWHM by motion to be allowed for; never below `INTRINSIC_FWHM_KM_S`.
    measured_km_s, error_km_s : float
        As measured, with its standard error; NaN if no line was measured.
    n_lines : int
        Number of lines that were measured.
    broad : frozenset of str
        Lines that are significantly broader than what is allowed for.
    of_line : dict of str to (float, float)
        Width of every line that was measured, with its standard error.
    """

    intrinsic_km_s: float
    measured_km_s: float
    error_km_s: float
    n_lines: int
    broad: frozenset[str]
    of_line: Mapping[str, tuple[float, float]] = field(default_factory=dict)


USUAL_WIDTH = LineWidth(INTRINSIC_FWHM_KM_S, np.nan, np.nan, 0, frozenset())
"""If the width could not be measured."""


@dataclass(frozen=True)
class _Profile:
    """How well each trial width fits one line: minus twice the logarithm of the likelihood."""

    name: str
    misfit: Floats
    instrument_km_s: float


def find_width(
    spectrum: Spectrum,
    lines: Sequence[Line],
    *,
    search_km_s: float = VELOCITY_LIMIT_KM_S,
    limit_km_s: float = WIDTH_LIMIT_KM_S,
) -> LineWidth:
    """Find the width that the bright lines of a spectrum have in common.

    Lines that blend, and those in which stars absorb, do not take part; nor do doublets.

    Parameters
    ----------
    spectrum : Spectrum
        At the velocity of its lines.
    lines, search_km_s
        As for `measure_features`.
    limit_km_s : float
        Largest width to be allowed for.
    """
    profiles = list(_profiles(spectrum, place_lines(spectrum, lines, search_km_s)))
    if not profiles:
        return USUAL_WIDTH
    width, width_error = _best(np.sum([profile.misfit for profile in profiles], axis=0))
    is_broad = width - INTRINSIC_FWHM_KM_S > SIGNIFICANCE * width_error
    wanted = min(width, limit_km_s) if is_broad else INTRINSIC_FWHM_KM_S
    adopted = max(wanted, INTRINSIC_FWHM_KM_S)
    return LineWidth(
        intrinsic_km_s=adopted,
        measured_km_s=width,
        error_km_s=width_error,
        n_lines=len(profiles),
        broad=frozenset(profile.name for profile in profiles if _is_broader(profile, adopted)),
        of_line={profile.name: _best(profile.misfit) for profile in profiles},
    )


def _profiles(spectrum: Spectrum, placed: Sequence[PlacedLine]) -> Iterator[_Profile]:
    centres = wavelengths_of([place.line for place in placed])
    reach = REACH_FWHM * spectrum.line_fwhm_at(centres)
    for row, place in enumerate(placed):
        line = place.line
        alone = not (line.blend or line.doublet or line.absorption_um)
        if alone and place.snr >= MIN_SNR:
            centre = line.wavelength_um
            if not place.displaced:
                centre *= 1 + place.velocity_km_s / LIGHT_KM_S
            others = np.delete(centres, row), np.delete(reach, row)
            profile = _profile(spectrum, line.name, centre, _apart_from(spectrum, *others))
            if profile is not None:
                yield profile


def _apart_from(spectrum: Spectrum, centres: Floats, reach: Floats) -> Bools:
    """Good samples (L,) out of reach of these lines."""
    distance = np.abs(spectrum.wavelength_um[:, np.newaxis] - centres)
    return np.asarray(spectrum.good & (distance > reach).all(axis=1))


def _profile(spectrum: Spectrum, name: str, centre_um: float, usable: Bools) -> _Profile | None:
    """Fit one line with every trial width; None if it cannot be."""
    velocity = (spectrum.wavelength_um / centre_um - 1) * LIGHT_KM_S
    near = np.abs(velocity) <= FIT_KM_S
    used = usable & near
    sides = [np.count_nonzero(used & near & side) for side in (velocity < 0, velocity > 0)]
    if min(sides) < max(MIN_SAMPLES / 2, MIN_SIDE * np.count_nonzero(near) / 2):
        return None
    centre = np.array([centre_um])
    instrument_km_s = float(spectrum.line_fwhm_at(centre, 0.0)[0] / centre_um * LIGHT_KM_S)
    sigma = np.hypot(instrument_km_s, TRIAL_KM_S) / FWHM_PER_SIGMA
    template = np.exp(-((velocity[used] / sigma[:, np.newaxis]) ** 2) / 2)
    flux, count = spectrum.flux[used], int(np.count_nonzero(used))
    continuum = np.linalg.qr(np.column_stack([np.ones(count), velocity[used] / FIT_KM_S])).Q
    rest = flux - continuum @ (continuum.T @ flux)
    template -= (template @ continuum) @ continuum.T
    norm = np.sqrt(np.sum(template**2, axis=1))
    height = np.maximum(template @ rest / norm, 0.0)
    variance = np.maximum(rest @ rest - height**2, np.finfo(float).tiny) / (count - 4)
    if np.argmin(variance) == TRIAL_KM_S.size - 1:
        return None  # a bump of the continuum
    return _Profile(
        name=name,
        misfit=count * np.log(variance),
        instrument_km_s=instrument_km_s,
    )


def _best(misfit: Floats) -> tuple[float, float]:
    """The trial width that fits best, and its standard error, from the curvature there."""
    row = int(np.clip(np.argmin(misfit), 1, TRIAL_KM_S.size - 2))
    left, lowest, right = misfit[row - 1 : row + 2].tolist()
    step = TRIAL_KM_S[1] - TRIAL_KM_S[0]
    curvature = max(left + right - 2 * lowest, 1e-3)
    offset = float(np.clip((left - right) / curvature / 2, -1, 1))
    return float(TRIAL_KM_S[row] + offset * step), float(step * np.sqrt(2 / curvature))


def _is_broader(profile: _Profile, adopted_km_s: float) -> bool:
    """Whether a line by itself is broader than all of them together."""
    width, width_error = _best(profile.misfit)
    own, expected = (np.hypot(profile.instrument_km_s, w) for w in (width, adopted_km_s))
    return bool(own > BROADER * expected and width - adopted_km_s > SIGNIFICANCE * width_error)
