"""All lags at the cost of two or three: products of short block Fourier transforms.

A spectrum is cut into blocks of n = F - 2 S samples. A block of u_i, padded with zeros to F
samples, and the F samples of u_j around the same place correlate at the lags -S ... S without
wrapping around; so the correlation is the inverse transform of conj(U_i) U_j, and because it is
linear the sum over blocks can be taken first. Per frequency that sum is a matrix product

    (tile x blocks) @ (blocks x tile),

and the inverse transform is needed once per pair, at 2 S + 1 lags.

Everything is real arithmetic. The product of two complex numbers takes three real ones,

    (a + i b)(c + i d) = (k1 - k3) + i (k1 + k2),
    k1 = c (a + b),   k2 = a (d - c),   k3 = b (c + d),

so a frequency is three *channels*, except the first and the last, whose values are real. The
sums a + b, d - c, c + d are folded into the forward transforms and those of k1, k2, k3 into
the inverse one: three small matrices, `BlockTransform`, are the whole algorithm. For blocks this
short, multiplying by a dense matrix beats calling an FFT.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from survey.distances.engines.products import ProductEngine
from survey.distances.lags import Array, lag_range

# Width of a panel: what a product streams from memory are rows of this length.
PANEL_BYTES = 256

# Pairs whose lags are recovered in one product: long enough to amortise the call, short enough
# for BLAS not to copy its operands first.
CHUNK = 512

# A channel is written and read back once per pair; that costs as much as these multiplications.
CHANNEL_OVERHEAD = 10


class FFTEngine(ProductEngine):
    """Inner products at all lags by block Fourier transforms.

    Besides one tile per thread, memory holds the transforms: about twice the spectra of each
    side, in the precision of the result, so four times those of one set.
    """

    name = "fft"
    tile_size = 64

    def __init__(
        self,
        left: Array,
        right: Array | None,
        max_shift: int,
        dtype: str,
        mean: npt.NDArray[np.float64],
    ) -> None:
        super().__init__(left, right, max_shift, dtype, mean)
        size = best_transform_size(self.n_samples, max_shift)
        self._transform = BlockTransform(size, max_shift)
        self._forward_block = self._transform.forward_block.astype(dtype)
        self._forward_segment = self._transform.forward_segment.astype(dtype)
        weights = -2.0 * self._common.scale[:, None]
        self._inverse = (weights * self._transform.inverse).astype(dtype)

        self._n_blocks = -(-self.n_samples // self._transform.block)
        n_channels = self._transform.n_channels
        n_tiles, n_panels = len(self.tiles()), -(-len(self.right) // self.panel_size)
        self._blocks = np.empty((n_tiles, n_channels, self.tile_size, self._n_blocks), dtype)
        self._segments = np.empty((n_panels, n_channels, self._n_blocks, self.panel_size), dtype)

    @property
    def panel_size(self) -> int:
        """See `Engine.panel_size`."""
        return PANEL_BYTES // np.dtype(self.dtype).itemsize

    def workspace(self) -> tuple[Array, ...]:
        """See `Engine.workspace`: the channels of all pairs, then their lags."""
        n_pairs = self.tile_size * self.panel_size
        # Rows a power of two apart would compete for the same lines of the cache.
        channels = np.zeros((self._transform.n_channels, n_pairs + 16), self.dtype)[:, :n_pairs]
        lags = np.empty((self.n_lags, n_pairs), self.dtype)
        return channels, lags

    def _store_left(self, tile: slice, residuals: Array) -> None:
        transform = self._transform
        # The last tile is filled up with zero spectra.
        blocks = np.zeros((self.tile_size, self._n_blocks * transform.block), self.dtype)
        blocks[: len(residuals), : self.n_samples] = residuals
        np.matmul(
            self._forward_block,
            blocks.reshape(-1, transform.block).T,
            out=self._blocks[tile.start // self.tile_size].reshape(transform.n_channels, -1),
        )

    def _store_right(self, tile: slice, residuals: Array) -> None:
        transform, margin = self._transform, self.max_shift
        n_filled = self._n_blocks * transform.block
        padded = np.zeros((n_filled + 2 * margin, self.tile_size), self.dtype)
        padded[margin : margin + self.n_samples, : len(residuals)] = residuals.T
        # All segments of F samples, which overlap, without a copy: (blocks, F, tile).
        segments = sliding_window_view(padded, transform.size, axis=0)[:: transform.block]
        segments = segments.transpose(0, 2, 1)
        for start in range(0, len(residuals), self.panel_size):
            columns = slice(start, start + self.panel_size)
            out = self._segments[(tile.start + start) // self.panel_size].transpose(1, 0, 2)
            np.matmul(self._forward_segment, segments[..., columns], out=out)

    def _products(self, tile: slice, panel: slice, workspace: tuple[Array, ...]) -> Array:
        channels, lags = workspace
        shape = tile.stop - tile.start, panel.stop - panel.start
        n_pairs = shape[0] * shape[1]
        blocks = self._blocks[tile.start // self.tile_size, :, : shape[0]]
        segments = self._segments[panel.start // self.panel_size, ..., : shape[1]]
        np.matmul(blocks, segments, out=channels[:, :n_pairs].reshape(-1, *shape))
        # Whole chunks: beyond the last pair they hold numbers of no meaning.
        chunks = slice(0, -(-n_pairs // CHUNK) * CHUNK)
        np.matmul(
            self._inverse,
            channels[:, chunks].reshape(len(channels), -1, CHUNK).transpose(1, 0, 2),
            out=lags[:, chunks].reshape(len(lags), -1, CHUNK).transpose(1, 0, 2),
        )
        return lags[:, :n_pairs].reshape(-1, *shape)


@dataclass(frozen=True)
class BlockTransform:
    """Correlation of a block with the segment around it, as three matrices.

    For a block x of n = size - 2 max_shift samples and a segment y of `size` samples that begins
    max_shift before it,

        sum over k of x[k] y[k + max_shift + s]  =  inverse[s] @ ((forward_block @ x) *
                                                                  (forward_segment @ y)).
    """

    size: int
    max_shift: int

    @property
    def block(self) -> int:
        """Samples by which consecutive blocks advance, n."""
        return self.size - 2 * self.max_shift

    @property
    def n_channels(self) -> int:
        """Real products per block."""
        return n_channels(self.size)

    @cached_property
    def forward_block(self) -> Array:
        """Transform of a block to channels (channels, n)."""
        cosine, sine = self._waves(np.arange(self.block))
        real, paired = self._kinds
        return np.concatenate([cosine[real], (cosine + sine)[paired], cosine[paired], sine[paired]])

    @cached_property
    def forward_segment(self) -> Array:
        """Transform of a segment to channels (channels, size)."""
        cosine, sine = self._waves(np.arange(self.size) - self.max_shift)
        real, paired = self._kinds
        return np.concatenate(
            [cosine[real], cosine[paired], -(sine + cosine)[paired], (cosine - sine)[paired]]
        )

    @cached_property
    def inverse(self) -> Array:
        """From summed channels to correlations at the lags (2 max_shift + 1, channels)."""
        cosine, sine = self._waves(lag_range(self.max_shift))
        real, paired = self._kinds
        weighted = np.concatenate(
            [cosine[real], 2 * (cosine - sine)[paired], -2 * sine[paired], -2 * cosine[paired]]
        )
        return np.ascontiguousarray(weighted.T) / self.size

    @property
    def _kinds(self) -> tuple[list[int], slice]:
        """Frequencies whose transform is real, and the others."""
        return [0, self.size // 2], slice(1, self.size // 2)

    def _waves(self, samples: npt.NDArray[np.int_]) -> tuple[Array, Array]:
        frequencies = np.arange(self.size // 2 + 1)
        phase = 2 * np.pi / self.size * (np.outer(frequencies, samples) % self.size)
        return np.cos(phase), np.sin(phase)


def n_channels(size: int) -> int:
    """Real products per block: 3 for a complex frequency, 1 for the first and the last."""
    return 3 * (size // 2 - 1) + 2


def multiplications_per_pair(n_samples: int, max_shift: int, size: int | None = None) -> int:
    """Multiplications, or work as dear, that this engine spends on one pair of spectra."""
    size = size or best_transform_size(n_samples, max_shift)
    n_blocks = -(-n_samples // (size - 2 * max_shift))
    return n_channels(size) * (n_blocks + 2 * max_shift + 1 + CHANNEL_OVERHEAD)


def stored_values(n_samples: int, max_shift: int) -> int:
    """Numbers that this engine stores of every spectrum of a side."""
    size = best_transform_size(n_samples, max_shift)
    return n_channels(size) * -(-n_samples // (size - 2 * max_shift))


def best_transform_size(n_samples: int, max_shift: int) -> int:
    """The length F (a multiple of 8) with the least work per pair."""
    smallest = 8 * (max_shift // 4 + 1)
    sizes = range(smallest, smallest + 256, 8)
    return min(sizes, key=lambda size: multiplications_per_pair(n_samples, max_shift, size))
