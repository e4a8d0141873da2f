"""Noise like that of a cube: its level in every spaxel and plane, and what neighbours share.

Drizzled cubes have noise that neighbouring spaxels and planes share. White noise is smoothed along
each axis with (b, 1, b), which has the measured correlation between neighbours and almost none
beyond. Spaxels with one and the same spectrum, as in binned cubes, get the same noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from survey.spectra.noise import CLIP_SIGMA, high_pass, local_noise

MOST_CORRELATION = 0.65
"""Two neighbours; (b, 1, b) reaches 0.707."""

_JUDGES = 400


@dataclass(frozen=True)
class NoiseModel:
    """Noise of n spectra of L samples.

    Attributes
    ----------
    sigma : (n,) array
        Standard deviation of one sample.
    by_plane : (L,) array
        Its dependence on the plane, about 1.
    along_planes, along_y, along_x : float
        Correlation of neighbours.
    y, x : (n,) arrays of int
        Places of the spaxels on the image.
    same : (n,) array of int
        The first spaxel with the same spectrum.
    """

    sigma: NDArray[np.float64]
    by_plane: NDArray[np.float64]
    along_planes: float
    along_y: float
    along_x: float
    y: NDArray[np.integer]
    x: NDArray[np.integer]
    same: NDArray[np.intp]

    @classmethod
    def measured(
        cls,
        flux: NDArray[np.floating],
        sigma: NDArray[np.float64],
        y: NDArray[np.integer],
        x: NDArray[np.integer],
    ) -> NoiseModel:
        """Measure it on the spectra (n, L) themselves, whose noise is `sigma` (n,)."""
        judges = np.arange(0, len(flux), max(1, len(flux) // _JUDGES))
        by_plane = np.median(local_noise(flux[judges]) / sigma[judges, None], axis=0)
        rest = _residuals(flux, sigma)
        return cls(
            sigma,
            by_plane / max(np.sqrt(np.mean(np.square(by_plane))), 1e-12),
            _along_planes(flux[judges], sigma[judges]),
            _of_neighbours(rest, y, x, (1, 0)),
            _of_neighbours(rest, y, x, (0, 1)),
            y,
            x,
            _first_copies(flux, rest),
        )

    def of_spaxels(
        self,
        flux: NDArray[np.floating],
        sigma: NDArray[np.float64],
        y: NDArray[np.integer],
        x: NDArray[np.integer],
    ) -> NoiseModel:
        """That of other spaxels of the same cube."""
        same = _first_copies(flux, _residuals(flux, sigma))
        return replace(self, sigma=sigma, y=y, x=x, same=same)

    @cached_property
    def _taps(self) -> tuple[NDArray[np.float32], ...]:
        return tuple(_taps(r) for r in (self.along_y, self.along_x, self.along_planes))

    def draw(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """(n, L) noise."""
        y, x = self.y - self.y.min(), self.x - self.x.min()
        shape = (int(y.max()) + 3, int(x.max()) + 3, len(self.by_plane) + 2)
        noise = rng.standard_normal(shape, dtype=np.float32)
        for axis, taps in enumerate(self._taps):
            if taps[0]:
                correlate1d(noise, taps, axis=axis, output=noise)
        # The outermost layer has been smoothed with an invented outside.
        drawn = noise[y + 1, x + 1, 1:-1][self.same]
        drawn *= (self.by_plane * self.sigma[:, None]).astype(np.float32)
        return drawn


def _residuals(flux: NDArray[np.floating], sigma: NDArray[np.float64]) -> NDArray[np.float32]:
    """Second differences without structure, in sigma; those of lines are set to zero."""
    rest = high_pass(flux) / np.maximum(sigma, 1e-30)[:, None]
    rest[np.abs(rest) > CLIP_SIGMA] = 0.0
    return np.asarray(rest, np.float32)


def _first_copies(flux: NDArray[np.floating], rest: NDArray[np.float32]) -> NDArray[np.intp]:
    """(n,) the first spaxel with the same spectrum as each."""
    # Equal spectra have residuals of equal sums; to sort whole spectra is slow.
    if len(np.unique(rest.sum(axis=1))) == len(flux):
        return np.arange(len(flux))
    _, first, copy = np.unique(flux, axis=0, return_index=True, return_inverse=True)
    return np.asarray(first[copy.reshape(-1)], np.intp)


def _of_neighbours(
    rest: NDArray[np.float32],
    y: NDArray[np.integer],
    x: NDArray[np.integer],
    step: tuple[int, int],
) -> float:
    """Correlation of the residuals of spaxels one step apart."""
    place = {(int(a), int(b)): row for row, (a, b) in enumerate(zip(y, x, strict=True))}
    pairs = np.array(
        [
            (row, other)
            for (a, b), row in place.items()
            if (other := place.get((a + step[0], b + step[1]))) is not None
        ],
        dtype=np.intp,
    ).reshape(-1, 2)
    if not len(pairs):
        return 0.0
    power = np.einsum("ij,ij->i", rest, rest)
    shared = np.einsum("ij,ij->i", rest[pairs[:, 0]], rest[pairs[:, 1]])
    both = np.sqrt(power[pairs[:, 0]] * power[pairs[:, 1]])
    apart = both > 0
    return _in_reach(float(np.median(shared[apart] / both[apart]))) if apart.any() else 0.0


def _along_planes(flux: NDArray[np.floating], sigma: NDArray[np.float64]) -> float:
    """Correlation of neighbouring planes, from differences of planes one and `LAG` apart.

    With correlation r of neighbours and little beyond, the variance of second differences is
    sigma^2 (3 - 4 r) / 2 at a distance of one plane and 1.5 sigma^2 at `LAG`.
    """
    near = flux[:, 1:-1] - 0.5 * (flux[:, :-2] + flux[:, 2:])
    deviation = np.median(np.abs(near), axis=1) / 0.6745
    far = np.sqrt(1.5) * np.maximum(sigma, 1e-30)
    ratio = float(np.median(np.square(deviation / far)))
    return _in_reach(0.75 * (1.0 - ratio))


def _in_reach(correlation: float) -> float:
    return float(np.clip(correlation, 0.0, MOST_CORRELATION))


def _taps(correlation: float) -> NDArray[np.float32]:
    """Weights (b, 1, b) of unit power with this correlation between neighbours."""
    if correlation <= 0:
        return np.array([0, 1, 0], np.float32)
    b = (1 - np.sqrt(1 - 2 * correlation**2)) / (2 * correlation)
    return np.asarray(np.array([b, 1, b]) / np.sqrt(1 + 2 * b**2), np.float32)
