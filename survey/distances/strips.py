"""Distances of a galaxy whose spectra do not fit into memory: strip against strip.

The spectra are divided into strips of consecutive rows. A pair of strips needs only its own spectra
and the mean spectrum of all. Its distances are a rectangle of the matrix, the same to rounding as
those of `shifted_distances`. Pairs are independent and may be computed anywhere, in any order.
Every pair transforms its spectra again; the longer the strips, the smaller is this part of the
work.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Literal

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from survey.distances.devices import Device, try_devices
from survey.distances.distances import (
    EngineName,
    Precision,
    least_work,
    make_engine,
    nearest_distances,
    on_any_device,
    over_tiles,
)
from survey.distances.engines import fft, gemm
from survey.distances.engines.base import cut
from survey.distances.engines.device import Arrays
from survey.distances.lags import Array, require_comparable
from survey.distances.noise import subtract_energy

MIN_STRIP = 2048
"""Shorter strips would spend more than a tenth of the time on repeated transforms."""

MAX_STRIP = 8192
"""Longer strips would save less than a hundredth of the time."""


@dataclass(frozen=True)
class StripPair:
    """Two strips, the first not behind the second, whose pairs of spectra are one piece of work."""

    first: slice
    second: slice

    @property
    def is_diagonal(self) -> bool:
        """Whether it is a strip with itself."""
        return self.first == self.second

    @property
    def n_pairs(self) -> int:
        """Pairs of different spectra, each counted once: what the work is proportional to."""
        rows = self.first.stop - self.first.start
        if self.is_diagonal:
            return rows * (rows - 1) // 2
        return rows * (self.second.stop - self.second.start)


@dataclass(frozen=True)
class Rectangle:
    """Distances between the spectra of two strips.

    Parameters
    ----------
    values : (a, b) array
        Squared minimised distances, never negative. Of a strip with itself it is symmetric,
        with zeros on the diagonal.
    n_at_limit : int
        Pairs whose best lag is the largest allowed, each counted once.
    n_pairs : int
    """

    values: Array
    n_at_limit: int
    n_pairs: int


def mean_spectrum(blocks: Iterable[Array]) -> npt.NDArray[np.float64]:
    """Mean (L,) of all spectra, from blocks (m, L) of them.

    Of parts of a galaxy the means combine with the numbers of spectra as weights.
    """
    total, count = np.float64(0.0), 0
    for block in blocks:
        total = total + block.sum(axis=0, dtype=np.float64)
        count += len(block)
    return np.asarray(total / count)


def strip_pairs(n_spectra: int, rows: int) -> list[StripPair]:
    """All pairs of strips of `rows` spectra, the most expensive first, for a queue of workers."""
    strips = cut(0, n_spectra, rows)
    pairs = [StripPair(*pair) for pair in combinations_with_replacement(strips, 2)]
    return sorted(pairs, key=lambda pair: -pair.n_pairs)


def strip_length(n_spectra: int, n_samples: int, max_shift: int, memory_bytes: float) -> int:
    """Spectra in a strip, so that `StripDistances.rectangle` stays within `memory_bytes`.

    Not above `MAX_STRIP`, and rounded so that the strips are of nearly equal length. Below
    `MIN_STRIP` it works all the same, with more time lost to repeated transforms.
    """
    low, high = 1, min(MAX_STRIP, n_spectra)
    while low < high:
        middle = (low + high + 1) // 2
        fits = rectangle_bytes(middle, n_samples, max_shift) <= memory_bytes
        low, high = (middle, high) if fits else (low, middle - 1)
    return -(-n_spectra // -(-n_spectra // low))


def rectangle_bytes(
    rows: int, n_samples: int, max_shift: int, *, spectrum_itemsize: int = 4
) -> int:
    """Memory of one call of `StripDistances.rectangle` with two strips, result included."""
    stored = n_samples
    if least_work(n_samples, max_shift) == "fft":
        stored = fft.stored_values(n_samples, max_shift)
    return 2 * rows * (4 * stored + spectrum_itemsize * n_samples) + 4 * rows**2


class StripDistances:
    """Computes rectangles of the distance matrix.

    Parameters
    ----------
    mean : (L,) array
        Mean spectrum of the galaxy, see `mean_spectrum`. It has to be the same for all pairs only
        so that their rounding is.
    max_shift : int
        The largest shift S in samples.
    engine, dtype, threads, device
        See `shifted_distances`.
    """

    def __init__(
        self,
        mean: npt.NDArray[np.float64],
        max_shift: int,
        *,
        engine: EngineName | Literal["auto"] = "auto",
        dtype: Precision = "float32",
        threads: int = 1,
        device: Device = "cpu",
    ) -> None:
        self.mean = mean
        self.max_shift = max_shift
        self.engine = engine
        self.dtype = dtype
        self.threads = threads
        self.device: Device = device if on_any_device(engine) else "cpu"

    def rectangle(self, left: Array, right: Array | None = None) -> Rectangle:
        """Distances of every spectrum of one strip to every one of the other.

        Parameters
        ----------
        left : (a, L) array
        right : (b, L) array, optional
            Left out for the strip with itself.

        Raises
        ------
        DataError
            If the spectra are not finite, or too short for the shift.
        """
        left = _floating(left)
        right = None if right is None else _floating(right)
        for side in (left,) if right is None else (left, right):
            require_comparable(side, self.max_shift)
        columns = len(left) if right is None else len(right)
        values = np.empty((len(left), columns), self.dtype)

        def compute(arrays: Arrays | None) -> int:
            engine = make_engine(
                self.engine, left, right, self.max_shift, self.dtype, self.mean, arrays
            )

            def run(tile: slice, workspace: tuple[Array, ...], _: Array) -> int:
                n_at_limit = nearest_distances(engine, tile, workspace, out=values[tile])
                computed = values[tile, engine.panels(tile)[0].start :]
                # Identical spectra may have come out a rounding error below zero.
                computed.clip(0, out=computed)
                return n_at_limit

            return over_tiles(engine, run, lambda: values, self.threads)

        work = values.size * gemm.multiplications_per_pair(left.shape[1], self.max_shift)
        with threadpool_limits(1, user_api="blas"):
            n_at_limit = try_devices(self.device, work, compute)
        if right is None:
            _mirror(values)
            return Rectangle(values, n_at_limit, columns * (columns - 1) // 2)
        return Rectangle(values, n_at_limit, values.size)


def subtract_noise(
    values: Array,
    left_energy: npt.NDArray[np.float64],
    right_energy: npt.NDArray[np.float64] | None = None,
) -> None:
    """Subtract the noise from a rectangle, in place: see `survey.distances.noise`.

    Parameters
    ----------
    values : (a, b) array
    left_energy, right_energy : (a,) and (b,) arrays
        `noise_energy` of the spectra; the second is left out for a strip with itself.
    """
    columns = left_energy if right_energy is None else right_energy
    for row, energy in zip(values, left_energy, strict=True):
        subtract_energy(row, energy + columns, out=row)


def write_rectangle(condensed: Array, n_spectra: int, pair: StripPair, values: Array) -> None:
    """Put a rectangle into its place in a condensed matrix of all spectra (SciPy's order)."""
    for row, distances in zip(range(pair.first.start, pair.first.stop), values, strict=True):
        begin = max(pair.second.start, row + 1)
        at = row * (2 * n_spectra - row - 1) // 2 - row - 1
        condensed[at + begin : at + pair.second.stop] = distances[begin - pair.second.start :]


def _floating(spectra: Array) -> Array:
    spectra = np.asarray(spectra)
    return spectra if spectra.dtype in (np.float32, np.float64) else spectra.astype(np.float64)


def _mirror(square: Array) -> None:
    """Make what is below the diagonal equal to what is above, tile by tile for the cache."""
    for rows in cut(0, len(square), 256):
        square[rows.stop :, rows] = square[rows, rows.stop :].T
        corner = square[rows, rows]
        upper = np.triu(corner, 1)
        corner[...] = upper + upper.T
