"""The point source at the centre of a galaxy: how bright it is in every plane.

A nucleus that is not resolved has the profile of the point-spread function, which changes with
wavelength, so its light is in spaxels where nothing of it is. Two answers to how bright it is:

- over the level of its surroundings (`point_source_over_level`): what is peaked like the PSF. It is
  what can be subtracted;
- all the light of the core (`largest_point_source`): more it cannot be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CORE_FWHM = 0.75
"""Radius of the core, in widths of the point-spread function; at least one spaxel."""

_BINS = 16


@dataclass(frozen=True)
class PointSource:
    """A point source in n spaxels and L planes.

    Attributes
    ----------
    share : (n, L) array
        Of its light in every spaxel.
    spectrum : (L,) array
        Its flux, in the unit of the spaxels times their number.
    """

    share: Floats
    spectrum: Floats

    @property
    def flux(self) -> Floats:
        """(n, L) its flux in every spaxel."""
        return self.share * self.spectrum

    def share_of_light(self, total: NDArray[np.floating]) -> Floats:
        """(n,) what it explains of the summed flux (n,) of every spaxel, from 0 to 1."""
        explained = self.share @ self.spectrum
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(total > 0, explained / total, explained > 0)
        return np.asarray(np.clip(share, 0.0, 1.0))


def in_core(radius: Floats, fwhm: Floats) -> NDArray[np.bool_]:
    """(n,) spaxels of the core, by their distance from the centre and the widths, in spaxels."""
    return radius <= max(1.0, CORE_FWHM * float(np.median(fwhm)))


def largest_point_source(
    flux: NDArray[np.floating], share: Floats, core: NDArray[np.bool_]
) -> PointSource:
    """The point source with all the light of the core.

    In some bins of wavelength its flux is the median, over the spaxels of the core, of flux over
    share; the shape within a bin is that of the summed spectrum of the core.

    Parameters
    ----------
    flux, share : (n, L) arrays
    core : (n,) array of bool
        At least one spaxel.
    """
    shape = flux[core].sum(axis=0, dtype=np.float64)
    spectrum = np.empty(len(shape))
    for piece in np.array_split(np.arange(len(shape)), min(_BINS, len(shape))):
        light = flux[np.ix_(core, piece)].sum(axis=1, dtype=np.float64)
        amplitude = float(np.median(light / share[np.ix_(core, piece)].sum(axis=1)))
        level = shape[piece].sum()
        spectrum[piece] = shape[piece] * (amplitude * len(piece) / level if level > 0 else 0.0)
    return PointSource(share, np.maximum(spectrum, 0.0))


def point_source_over_level(flux: NDArray[np.floating], share: Floats) -> PointSource:
    """The point source over a level that is the same in all spaxels given, by least squares.

    In every plane flux = amplitude x share + level; the amplitude is not negative. The spaxels
    should reach to where the source is faint, and not further than the level is one.

    Parameters
    ----------
    flux, share : (n, L) arrays
        Of the spaxels around the source.
    """
    profile = share - share.mean(axis=0)
    power = np.einsum("ij,ij->j", profile, profile)
    amplitude = np.einsum("ij,ij->j", profile, np.asarray(flux, np.float64))
    return PointSource(share, np.maximum(amplitude / np.maximum(power, 1e-300), 0.0))
