"""Normalisation: removes the brightness of spaxels, so that their shapes can be compared.

Every method is a pair: the signal that is kept of a spectrum, and the reference whose integral
becomes one. The paper divides each spectrum by its integrated flux.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.spectra.continuum import running_continuum
from survey.spectra.grid import cell_widths
from survey.spectra.mask import fill_gaps

Floats = NDArray[np.floating]
Ranges = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class SpectralFrame:
    """What a normalisation may need to know besides the flux.

    Parameters
    ----------
    wavelength_um : (L,) array
        Rest frame.
    window_um : (low, high), optional
        Range of the integral for ``"window"``; it must hold at least one sample.
    line_mask_um : pairs of (low, high)
        Ranges occupied by known lines.
    used : (L,) array of bool, optional
        Samples that count in an integral; all when None.
    """

    wavelength_um: NDArray[np.float64]
    window_um: tuple[float, float] | None = None
    line_mask_um: Ranges = ()
    used: NDArray[np.bool_] | None = None

    @property
    def in_lines(self) -> NDArray[np.bool_]:
        """(L,) True inside a known line."""
        return _inside(self.wavelength_um, self.line_mask_um)

    @property
    def in_window(self) -> NDArray[np.bool_]:
        """(L,) True inside the normalisation window."""
        return _inside(self.wavelength_um, () if self.window_um is None else (self.window_um,))

    @property
    def widths_um(self) -> NDArray[np.float64]:
        """(L,) width of every sample, zero for those that do not count."""
        widths = cell_widths(self.wavelength_um)
        return widths if self.used is None else widths * self.used


def normalise(
    flux: Floats, noise: NDArray[np.float64], frame: SpectralFrame, method: str
) -> tuple[Floats, NDArray[np.float64], NDArray[np.bool_]]:
    """Normalise every spectrum by one of `NORMALISATIONS`.

    Parameters
    ----------
    flux : (n, L) array of float, finite
    noise : (n,) array
        Standard deviation of one sample.
    frame : SpectralFrame
    method : str
        A key of `NORMALISATIONS`.

    Returns
    -------
    spectra : (n, L) array
        Signal over the integral of its reference, in 1/micron.
    scale : (n,) array
        That integral, in the unit of `flux` times micron.
    accepted : (n,) array of bool
        False where the integral does not exceed its own 1-sigma error: dividing by it would
        blow up noise, or turn the spectrum upside down. Such rows of `spectra` are zero.
    """
    signal, reference, weight = NORMALISATIONS[method](flux, frame)
    # Not a matrix product: its rounding would depend on how the spaxels are divided in blocks.
    scale = np.einsum("ij,j->i", reference, weight)
    accepted = scale > noise * np.linalg.norm(weight)
    spectra = signal * np.where(accepted, 1.0 / np.where(accepted, scale, 1.0), 0.0)[:, None]
    return spectra.astype(flux.dtype, copy=False), scale, accepted


Terms = tuple[Floats, Floats, NDArray[np.float64]]


def _whole(flux: Floats, frame: SpectralFrame) -> Terms:
    return flux, flux, frame.widths_um


def _window(flux: Floats, frame: SpectralFrame) -> Terms:
    return flux, flux, frame.widths_um * frame.in_window


def _continuum_removed(flux: Floats, frame: SpectralFrame) -> Terms:
    # Subtracted, not divided out: a quotient would raise the noise where the continuum is faint.
    continuum = running_continuum(flux, frame.wavelength_um, frame.in_lines)
    return flux - continuum, continuum, frame.widths_um


def _line_masked(flux: Floats, frame: SpectralFrame) -> Terms:
    bridged = flux.copy()
    fill_gaps(bridged, np.broadcast_to(frame.in_lines, flux.shape), frame.wavelength_um)
    return bridged, bridged, frame.widths_um


NORMALISATIONS: dict[str, Callable[[Floats, SpectralFrame], Terms]] = {
    "integral": _whole,
    "window": _window,
    "continuum-removed": _continuum_removed,
    "line-masked": _line_masked,
}
"""How spectra may be normalised: signal, reference, and weights of its integral, by name."""


def _inside(wavelength_um: NDArray[np.float64], ranges: Ranges) -> NDArray[np.bool_]:
    inside = np.zeros(len(wavelength_um), dtype=bool)
    for low, high in ranges:
        inside |= (wavelength_um >= low) & (wavelength_um <= high)
    return inside
