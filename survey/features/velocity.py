"""Radial velocities: of a whole spectrum, and of single lines at other velocities.

If the redshift or the wavelength solution is wrong by more than the width of a line, the line is
outside its window, in the continuum beside it, and its flux becomes negative. Two searches prevent
that. `find_velocity` searches for the velocity at which most bright lines are detected.
`place_lines` then searches for every bright line alone, at other velocities. Both require more than
the usual significance, because they choose the best of many trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from astropy.stats import mad_std
from numpy.typing import NDArray

from catalogs.reference import Line, blend_groups
from survey.features.matched_filter import Peak, Scan, scan_lines
from survey.features.spectrum import Spectrum
from survey.spectra.constants import LIGHT_KM_S

VELOCITY_LIMIT_KM_S = 700.0
"""How far lines are searched.

A redshift rounded to two digits, or that of stars where the gas has one of its own, is off by
some 500 km/s, to which come the motions inside the galaxy: the nebula of A478 is at -540 to
-690 km/s against z = 0.088. Much farther out a line meets the next one of the list.
"""

SEARCH_SIGMA = 6.0
"""Least significance of a detection by a search.

Of 1,317 spectra of a star without lines, 14 reach 4, 8 reach 5 and one reaches 6.
"""

MEMBER_SIGMA = 3.0
"""A line seen this well near the best velocity counts towards it."""

PRIOR_KM_S = 300.0
"""Usual precision of redshifts. It decides between lines that do not agree."""

REDSHIFT_SUSPECT_KM_S = 400.0
"""Rotation moves the two sides of a galaxy apart, and neither of them so far."""

DISPLACED_FWHM = 0.25
"""Displacements below this leave the line in its window."""


def is_redshift_suspect(velocities: NDArray[np.float64]) -> bool:
    """Whether the velocities (k,) of all clusters, NaN where none was found, are off alike."""
    found = velocities[np.isfinite(velocities)]
    return found.size > 0 and bool(
        found.min() > REDSHIFT_SUSPECT_KM_S or found.max() < -REDSHIFT_SUSPECT_KM_S
    )


@dataclass(frozen=True)
class Velocity:
    """Velocity of a spectrum against the redshift it was brought to rest with.

    Attributes
    ----------
    velocity_km_s : float
        Positive for lines redward of their place; 0 if none was found.
    error_km_s : float
        One sigma, the scatter among the lines included; NaN if none was found.
    significance : float
        Quadratic sum of the S/N of the lines that agree.
    n_lines : int
        How many these are.
    found : bool
        Whether the velocity is significant.
    """

    velocity_km_s: float
    error_km_s: float
    significance: float
    n_lines: int
    found: bool


@dataclass(frozen=True)
class PlacedLine:
    """A line with the wavelength at which it is to be measured.

    Attributes
    ----------
    line : Line
        `wavelength_um` is where it was found, if displaced.
    velocity_km_s : float
        Its own velocity; NaN if not significantly seen by itself.
    snr : float
        How well it is seen; 0 if not.
    displaced : bool
        Whether it is too far from the velocity of the spectrum.
    """

    line: Line
    velocity_km_s: float = np.nan
    snr: float = 0.0
    displaced: bool = False


def find_velocity(
    spectrum: Spectrum, lines: Sequence[Line], limit_km_s: float = VELOCITY_LIMIT_KM_S
) -> Velocity:
    """Find the velocity at which the bright lines of a spectrum agree.

    Every line counts by the logarithm of its S/N: two that agree outweigh a brighter one that
    does not.

    Parameters
    ----------
    spectrum : Spectrum
    lines : sequence of Line
        Those marked as bright are used.
    limit_km_s : float
        Largest velocity, either way.
    """
    members = _members(scan_lines(spectrum, lines, limit_km_s))
    significance = float(np.sqrt(sum(peak.snr**2 for peak in members)))
    if significance >= SEARCH_SIGMA:
        velocity, velocity_error = _mean_velocity(members)
        if abs(velocity) <= limit_km_s:
            return Velocity(velocity, velocity_error, significance, len(members), found=True)
    return Velocity(0.0, np.nan, significance, len(members), found=False)


def place_lines(
    spectrum: Spectrum, lines: Sequence[Line], limit_km_s: float
) -> tuple[PlacedLine, ...]:
    """Look for each bright line where it should be and around; the others stay in place.

    A line is looked for up to the limit or half-way to its nearest common neighbour. Lines
    that blend keep their distances: the best seen of them leads the others.
    """
    scan = scan_lines(spectrum, lines, limit_km_s)
    peaks: dict[str, Peak] = {}
    shifts: dict[str, float] = {}
    for row, line in enumerate(scan.lines):
        seen = _within(scan.peaks(row, SEARCH_SIGMA), *_range(line, lines, limit_km_s))
        if seen:
            peaks[line.name] = peak = max(seen, key=lambda peak: peak.snr)
            shifts[line.name] = peak.velocity_km_s if _apart(peak, scan.fwhm_km_s[row]) else 0.0
    for group in blend_groups(lines):
        names = [lines[member].name for member in group]
        leader = max(names, key=lambda name: peaks[name].snr if name in peaks else 0.0)
        shifts.update(dict.fromkeys(names, shifts.get(leader, 0.0)))
    return tuple(_placed(line, peaks.get(line.name), shifts.get(line.name, 0.0)) for line in lines)


def _apart(peak: Peak, fwhm_km_s: float) -> bool:
    """Whether a line is out of place by more than its error and a part of its width."""
    tolerance = max(DISPLACED_FWHM * fwhm_km_s, MEMBER_SIGMA * peak.error_km_s)
    return abs(peak.velocity_km_s) > tolerance


def _placed(line: Line, peak: Peak | None, shift_km_s: float) -> PlacedLine:
    if shift_km_s:
        line = replace(line, wavelength_um=line.wavelength_um * (1 + shift_km_s / LIGHT_KM_S))
    return PlacedLine(
        line=line,
        velocity_km_s=np.nan if peak is None else peak.velocity_km_s,
        snr=0.0 if peak is None else peak.snr,
        displaced=shift_km_s != 0,
    )


def _range(line: Line, lines: Sequence[Line], limit_km_s: float) -> tuple[float, float]:
    apart = [
        (other.wavelength_um / line.wavelength_um - 1) * LIGHT_KM_S / 2
        for other in lines
        if other.common and other is not line
    ]
    blue = max((half for half in apart if half < 0), default=-np.inf)
    red = min((half for half in apart if half > 0), default=np.inf)
    return max(-limit_km_s, blue), min(limit_km_s, red)


def _members(scan: Scan) -> list[Peak]:
    """The lines that agree, at the velocity where the evidence is strongest.

    That may lie beyond the limit, which is better known than not: within it there may be
    lines taken for others.
    """
    peaks = [scan.peaks(row, MEMBER_SIGMA) for row in range(len(scan.lines))]
    best: list[Peak] = []
    most = 0.0
    for candidate in (peak.velocity_km_s for row in peaks for peak in row):
        near = [
            _within(row, candidate - width / 2, candidate + width / 2)
            for row, width in zip(peaks, scan.fwhm_km_s.tolist(), strict=True)
        ]
        members = [max(row, key=lambda peak: peak.snr) for row in near if row]
        evidence = sum(np.log(peak.snr**2) for peak in members)
        evidence -= (candidate / PRIOR_KM_S) ** 2 / 2
        if evidence > most:
            best, most = members, evidence
    return best


def _within(peaks: Sequence[Peak], low_km_s: float, high_km_s: float) -> list[Peak]:
    return [peak for peak in peaks if low_km_s <= peak.velocity_km_s <= high_km_s]


def _mean_velocity(members: Sequence[Peak]) -> tuple[float, float]:
    """Weighted mean and its error; lines scatter by more than their noise."""
    velocity = np.array([peak.velocity_km_s for peak in members])
    variance = np.array([peak.error_km_s**2 for peak in members])
    variance += mad_std(velocity) ** 2
    weight = 1 / variance
    mean = np.sum(weight * velocity) / weight.sum()
    return float(mean), float(1 / np.sqrt(weight.sum()))
