"""Point-spread function: the share of the light of a point source in every spaxel.

A Moffat profile (Moffat 1969) or a Gaussian whose full width is a law of the instrument, or the
profile of an observed star (`survey.spectra.psf.star`). All are round. The power of the Moffat
profile is that of the star 16 Cyg B in MIRI/MRS channel 4 (fits give 3.3 to 4.2 from 17.9 to 23.3
micron, with widths of 1.08 times the law at the short end, where the spaxel counts, and 0.99 at
the long end).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from survey.spectra.constants import FWHM_PER_SIGMA

MOFFAT_POWER = 4.0

_SUBPIXELS = 3
_FINE_WITHIN = 8.0
"""Spaxels within which a profile is integrated; further out it is taken at the middle of one."""

Floats = NDArray[np.float64]
Offsets = NDArray[np.floating]


class PointSpread(Protocol):
    """The point-spread function of L planes."""

    @property
    def fwhm(self) -> Floats:
        """(L,) full width at half maximum in spaxels."""

    def share(self, dy: Offsets, dx: Offsets) -> Floats:
        """(n, L) share of the light of a point source in spaxels at offsets (n,) from it."""

    def of_planes(self, chosen: NDArray[np.integer] | slice) -> PointSpread:
        """That of some planes."""


@dataclass(frozen=True)
class RoundProfile:
    """A Moffat or a Gaussian profile.

    Attributes
    ----------
    fwhm : (L,) array
        Full width at half maximum by plane, in spaxels.
    shape : str
    """

    fwhm: Floats
    shape: Literal["moffat", "gaussian"] = "moffat"

    def share(self, dy: Offsets, dx: Offsets) -> Floats:
        """See `PointSpread`."""
        if self.shape == "gaussian":
            return gaussian_share(dy, dx, self.fwhm)
        return moffat_share(dy, dx, self.fwhm)

    def of_planes(self, chosen: NDArray[np.integer] | slice) -> RoundProfile:
        """See `PointSpread`."""
        return replace(self, fwhm=self.fwhm[chosen])


def moffat_share(dy: Offsets, dx: Offsets, fwhm: Offsets, power: float = MOFFAT_POWER) -> Floats:
    """Share of the light of a point source in spaxels, integrated over their area.

    Parameters
    ----------
    dy, dx : (n,) arrays
        Spaxels against the source, in spaxels.
    fwhm : (L,) array
        Full width at half maximum by plane, in spaxels.
    power : float
        Of the profile, above 1.

    Returns
    -------
    (n, L) array
    """
    scale = np.asarray(fwhm, np.float64) / (2 * np.sqrt(2 ** (1 / power) - 1))
    share = np.empty((len(dy), len(scale)))
    near = np.hypot(dy, dx) <= _FINE_WITHIN
    for rows, count in ((near, _SUBPIXELS), (~near, 1)):
        if rows.any():
            share[rows] = _moffat(dy[rows], dx[rows], np.square(scale), power, count)
    share *= (power - 1) / (np.pi * np.square(scale))
    return share


def _moffat(dy: Offsets, dx: Offsets, squared_scale: Floats, power: float, count: int) -> Floats:
    """Mean of an unnormalised profile over `count` times as many points along each axis."""
    total = np.zeros((len(dy), len(squared_scale)))
    steps = (np.arange(count) + 0.5) / count - 0.5
    for down in steps:
        for right in steps:
            squared = np.square(dy + down) + np.square(dx + right)
            base = 1 + squared[:, None] / squared_scale
            # A general power is ten times slower than two squares.
            total += 1 / np.square(np.square(base)) if power == MOFFAT_POWER else base**-power
    return total / count**2


def gaussian_share(dy: Offsets, dx: Offsets, fwhm: Offsets) -> Floats:
    """The same of a Gaussian profile; see `moffat_share`."""
    scale = np.sqrt(2.0) * np.asarray(fwhm, np.float64) / FWHM_PER_SIGMA

    def along(offset: Offsets) -> Floats:
        upper, lower = ((offset[:, None] + side) / scale for side in (0.5, -0.5))
        return np.asarray(0.5 * (erf(upper) - erf(lower)))

    return along(dy) * along(dx)
