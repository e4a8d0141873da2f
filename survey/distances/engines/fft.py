"""All lags at the cost of two: products of short block Fourier transforms, in one compiled loop.

A spectrum is cut into blocks of n = F - 2 S samples. A block of u_i, padded with zeros to F
samples, and the F samples of u_j around the same place correlate at the lags -S ... S without
wrapping around; so the correlation is the inverse transform of conj(U_i) U_j, and because it is
linear the sum over blocks can be taken first. The inverse transform is needed once per pair, at
2 S + 1 lags.

Everything is real arithmetic. The product of two complex numbers takes three real ones,

    (a + i b)(c + i d) = (k1 - k3) + i (k1 + k2),
    k1 = c (a + b),   k2 = a (d - c),   k3 = b (c + d).

k1 is summed over the blocks once; the sums of k3 and of k2 begin with it. That leaves the real
and the imaginary part of every frequency, of which the inverse transform makes the even and the
odd part of the correlation: one transform of half the work for both signs of a lag.

Of every block (a + b, -b, a) is kept and of every segment (c, c + d, d - c): three *channels* a
frequency.

The phases count from the middle of a block and of its segment. So cosines need the part of the
samples that is even about it, and sines the odd part: half the work again. The first frequency has
no sine and the last no cosine: they share the first place, a and c of one beside -b and d of the
other.

A processor is fast when it takes its numbers from registers. All of this is done for tiles of few
pairs, whose sums stay there: see `survey.distances.engines.fft_kernel`, which is loaded when an
engine is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import lcm, prod

import numpy as np
import numpy.typing as npt

from survey.distances.engines.products import ProductEngine
from survey.distances.lags import Array

GROUPS = (7, 4)
"""Lags, counted without their sign, that may be worked on at a time; each number is compiled."""

TILE_SPECTRA = 224
"""Left spectra in a piece of work, roughly: while they pass, the right ones stay in the cache."""

LEAST_TILES = 4
"""Tiles of the kernel in a piece of work, at least."""

PREPARED_SPECTRA = 128
"""Spectra prepared at a time, at least about so many."""

PLANE_OVERHEAD = 4
"""A sum is written and read back once per pair; that costs as much as these multiplications."""

CACHE_LINE = 64


class FFTEngine(ProductEngine):
    """Inner products at all lags by block Fourier transforms.

    Besides a workspace per thread, memory holds the transforms: about twice the spectra of each
    side, in the precision of the result, so four times those of one set.
    """

    name = "fft"

    def __init__(
        self,
        left: Array,
        right: Array | None,
        max_shift: int,
        dtype: str,
        mean: npt.NDArray[np.float64],
    ) -> None:
        from survey.distances.engines import fft_kernel  # Numba is slow to load

        super().__init__(left, right, max_shift, dtype, mean)
        self._kernel = fft_kernel
        self._rows, self._columns = fft_kernel.ROWS, fft_kernel.columns(dtype)
        size = best_transform_size(self.n_samples, max_shift)
        transform = self._transform = BlockTransform(size, max_shift)
        self._n_blocks = -(-self.n_samples // transform.block)
        self._block, self._segment = (
            _in_tiles(transform.waves(length), self._rows, dtype)
            for length in (transform.block, size)
        )
        inverse = transform.inverse(-2.0 * self._common.scale[max_shift:])
        self._even, self._odd = (part.astype(dtype).reshape(-1) for part in inverse)
        n_left, n_right = -(-len(self.left) // self._rows), -(-len(self.right) // self._columns)
        self._left = aligned((n_left, *self._stored, self._rows), dtype)
        self._right = aligned((n_right, *self._stored, self._columns), dtype)
        self._left_terms = np.empty((n_left, self._rows, transform.n_padded, 2), dtype)
        self._right_terms = aligned((n_right, transform.n_padded, 2, self._columns), dtype)

    @property
    def _stored(self) -> tuple[int, int, int]:
        """Numbers of a spectrum: frequencies, channels, blocks."""
        return self._transform.size // 2, 3, self._n_blocks

    @property
    def tile_size(self) -> int:
        """See `Engine.tile_size`; of few spectra, so few that threads share them."""
        n_tiles = -(-len(self.left) // self._rows)
        return self._rows * min(TILE_SPECTRA // self._rows, max(LEAST_TILES, n_tiles // 4))

    def panels(self, tile: slice) -> list[slice]:
        """See `Engine.panels`: one, that begins with a tile of the kernel."""
        begin = tile.start // self._columns * self._columns if self.is_square else 0
        return [slice(begin, len(self.right))]

    @property
    def preparation_size(self) -> int:
        """See `ProductEngine.preparation_size`: whole tiles of the kernel, from both sides."""
        both = lcm(self._rows, self._columns)
        return both * max(1, PREPARED_SPECTRA // both)

    def workspace(self) -> tuple[Array, ...]:
        """See `Engine.workspace`: a tile of zeros and the sums, and the results."""
        tile = self._rows * self._columns
        sums = aligned(((1 + self._transform.n_planes) * tile,), self.dtype)
        sums[:tile] = 0
        return sums, aligned((2 * tile,), self.dtype)

    def nearest(
        self, tile: slice, panel: slice, workspace: tuple[Array, ...], out: Array
    ) -> npt.NDArray[np.bool_]:
        """See `Engine.nearest`."""
        transform = self._transform
        sides = self._left, self._right, self._left_terms, self._right_terms
        outer_is_least = np.empty(out.shape, np.bool_)
        self._kernel.nearest_pairs(
            (0,) * transform.group,
            *(side.reshape(-1) for side in sides),
            self._even,
            self._odd,
            self._n_blocks,
            transform.n_paired,
            transform.n_groups,
            *workspace,
            tile.start,
            panel.start,
            self.is_square,
            out,
            outer_is_least,
        )
        if self.max_shift == 0:
            outer_is_least[...] = False
        return outer_is_least

    def _prepare(self, part: slice, *, left: bool, right: bool) -> None:
        transform, shift, size = self._transform, self.max_shift, self.preparation_size
        # Zeros beyond the ends, and spectra of zeros that fill up the last tile.
        n_padded = self._n_blocks * transform.block + 2 * shift
        samples = np.zeros((n_padded, size), self.dtype)
        # By size of the lag, the terms of its two signs. What fills up a group is never nearest.
        signs = np.zeros((size, transform.n_padded, 2), self.dtype)
        for rows, residuals, terms in self._residuals(part, left=left):
            at = rows.start - part.start
            here = slice(at, at + len(residuals))
            samples[shift : shift + self.n_samples, here] = residuals.T
            signs[here, -shift - 1 :, 0] = terms[:, shift:]
            signs[here, -shift - 1 :, 1] = terms[:, shift::-1]
        if right:
            tiles = _tiles(part, self._columns)
            stored = self._right_terms[tiles]
            swapped = signs[: len(stored) * self._columns, :, ::-1]
            swapped = swapped.reshape(len(stored), self._columns, transform.n_padded, 2)
            stored[...] = swapped.transpose(0, 2, 3, 1)
            self._forward(samples, 0, self._segment, self._right[tiles], is_left=False)
        if left:
            tiles = _tiles(part, self._rows)
            stored = self._left_terms[tiles]
            signs[:, : -shift - 1] = np.inf
            stored[...] = signs[: len(stored) * self._rows].reshape(stored.shape)
            self._forward(samples, shift, self._block, self._left[tiles], is_left=True)

    def _forward(
        self, samples: Array, start: int, waves: Array, stored: Array, *, is_left: bool
    ) -> None:
        """Transform all blocks of one side that begin at `start` and later."""
        n_work = (3 * self._rows + 2 * waves.shape[2]) * self._columns
        work = aligned((n_work,), self.dtype)
        work[...] = 0
        step = self._transform.block
        self._kernel.transform(samples, start, step, *waves, is_left, work, stored)


def aligned(shape: tuple[int, ...], dtype: str) -> Array:
    """An uninitialised array that begins with a line of the cache, as vectors want it."""
    n_bytes = prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(n_bytes + CACHE_LINE, np.uint8)
    offset = -raw.ctypes.data % CACHE_LINE
    return raw[offset : offset + n_bytes].view(dtype).reshape(shape)


def _tiles(part: slice, members: int) -> slice:
    """Tiles of the kernel that hold some spectra, the first of which begins a tile."""
    return slice(part.start // members, -(-part.stop // members))


def _in_tiles(waves: Array, rows: int, dtype: str) -> Array:
    """Waves (2, frequencies, samples) as (2, tiles, samples, rows), filled up with zeros."""
    kinds, n_frequencies, n_samples = waves.shape
    n_tiles = -(-n_frequencies // rows)
    filled = np.zeros((kinds, n_tiles * rows, n_samples), dtype)
    filled[:, :n_frequencies] = waves
    return np.ascontiguousarray(filled.reshape(kinds, n_tiles, rows, n_samples).swapaxes(2, 3))


@dataclass(frozen=True)
class BlockTransform:
    """Correlation of a block with the segment around it.

    For a block x of n = size - 2 max_shift samples and a segment y of `size` samples that begins
    max_shift before it, with U and V their transforms about the middle,

        sum over k of x[k] y[k + max_shift + s]  =  sum over f of
            even[f, |s|] Re(conj(U_f) V_f)  +-  odd[f, |s|] Im(conj(U_f) V_f),

    with the sign of s.

    Parameters
    ----------
    size : int
        F, even.
    max_shift : int
    """

    size: int
    max_shift: int

    @property
    def block(self) -> int:
        """Samples by which consecutive blocks advance, n."""
        return self.size - 2 * self.max_shift

    @property
    def n_paired(self) -> int:
        """Frequencies whose transforms are complex: all but the first and the last."""
        return self.size // 2 - 1

    @property
    def n_planes(self) -> int:
        """Sums of a pair that the inverse transform needs."""
        return 2 + 2 * self.n_paired

    @property
    def group(self) -> int:
        """Lags, counted without their sign, that are worked on at a time."""
        return min(GROUPS, key=lambda size: -(-(self.max_shift + 1) // size) * size)

    @property
    def n_groups(self) -> int:
        """Groups of lags that are worked on one after the other."""
        return -(-(self.max_shift + 1) // self.group)

    @property
    def n_padded(self) -> int:
        """Lags in all groups; the first ones only fill up a group, the last is the largest."""
        return self.n_groups * self.group

    def waves(self, length: int) -> Array:
        """Cosines, and sines with their sign changed, over the first half of `length` samples.

        Parameters
        ----------
        length : int
            Of a block or of a segment.

        Returns
        -------
        array (2, F / 2, length / 2)
            The paired frequencies come after the first, of the cosines, and the last, of the sines.
        """
        frequencies = np.arange(self.size // 2)
        twice = 2 * np.arange(length // 2) - (length - 1)
        phases = np.outer(frequencies, twice), np.outer([self.size // 2, *frequencies[1:]], twice)
        cosine, sine = (np.pi / self.size * (phase % (2 * self.size)) for phase in phases)
        return np.stack([np.cos(cosine), -np.sin(sine)])

    def inverse(self, weights: Array) -> tuple[Array, Array]:
        """From summed products to weighted correlations.

        Parameters
        ----------
        weights : array (max_shift + 1,)
            By size of the lag.

        Returns
        -------
        arrays (groups, 2 + n_paired, group) and (groups, n_paired, group)
            even and odd.
        """
        frequencies = np.array([0, self.size // 2, *range(1, self.size // 2)])
        phase = np.outer(frequencies, np.arange(self.max_shift + 1)) % self.size
        phase = 2 * np.pi / self.size * phase
        count = np.where(np.arange(len(frequencies)) < 2, 1, 2)[:, None]
        even, odd = (
            np.pad(part * count * weights / self.size, ((0, 0), (self.n_padded - len(weights), 0)))
            for part in (np.cos(phase), -np.sin(phase))
        )
        return self._in_groups(even), self._in_groups(odd[2:])

    def _in_groups(self, by_lag: Array) -> Array:
        """From (planes, lags) to (groups, planes, lags of a group)."""
        return by_lag.reshape(len(by_lag), self.n_groups, self.group).transpose(1, 0, 2)


def multiplications_per_pair(n_samples: int, max_shift: int, size: int | None = None) -> int:
    """Multiplications, or work as dear, that this engine spends on one pair of spectra."""
    transform = BlockTransform(size or best_transform_size(n_samples, max_shift), max_shift)
    n_blocks = -(-n_samples // transform.block)
    products = 2 + 3 * transform.n_paired
    lags = transform.n_padded + PLANE_OVERHEAD
    return products * n_blocks + transform.n_planes * lags


def stored_values(n_samples: int, max_shift: int) -> int:
    """Numbers that this engine stores of every spectrum of a side."""
    size = best_transform_size(n_samples, max_shift)
    return 3 * (size // 2) * -(-n_samples // (size - 2 * max_shift))


@cache
def best_transform_size(n_samples: int, max_shift: int) -> int:
    """The length F, even, with the least work per pair."""
    smallest = 2 * max_shift + 2
    sizes = range(smallest, smallest + 256, 2)
    return min(sizes, key=lambda size: multiplications_per_pair(n_samples, max_shift, size))
