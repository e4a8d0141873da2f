"""The cells of the maps of a page: spaxels, or blocks of them where there are too many to draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MOST_CELLS = 10_000
MOST_SPECTRA_BYTES = 1_000_000
"""Of the spectra of all cells, a byte a sample: base64 adds a third."""

MOST_SAMPLES = 1200
"""More samples than a screen shows side by side."""

FEWEST_SAMPLES = 100
READ_ROWS = 2048

Rows = Callable[[slice], tuple[NDArray[np.floating], NDArray[np.bool_]]]
"""Flux and mask of some stored spaxels, each (rows, samples)."""


@dataclass(frozen=True)
class Cells:
    """Blocks of `block` by `block` spaxels that hold at least one.

    Attributes
    ----------
    block : int
    x, y : (n,) arrays
        Middles in pixels.
    of : (N,) array of int
        The cell of every spaxel.
    """

    block: int
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    of: NDArray[np.intp]

    @classmethod
    def of_spaxels(
        cls, y: NDArray[np.integer], x: NDArray[np.integer], most: int = MOST_CELLS
    ) -> Cells:
        """The smallest blocks of which there are at most `most`."""
        block = 1
        while True:
            pairs = np.stack([y // block, x // block], axis=1)
            found, of = np.unique(pairs, axis=0, return_inverse=True)
            if len(found) <= most:
                middle = (found + 0.5) * block - 0.5
                return cls(block, middle[:, 1], middle[:, 0], of.reshape(-1))
            block += 1

    def __len__(self) -> int:
        return len(self.x)

    def mean(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """The mean of the known values (N,) of every cell; NaN if it has none."""
        known = np.isfinite(values)
        count = np.bincount(self.of[known], minlength=len(self))
        total = np.bincount(self.of[known], values[known], minlength=len(self))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(total / count)

    def commonest(self, labels: NDArray[np.integer]) -> NDArray[np.intp]:
        """The commonest label (N,), from 0 up, of every cell."""
        counts = np.zeros((len(self), int(labels.max(initial=0)) + 1), dtype=np.int32)
        np.add.at(counts, (self.of, labels), 1)
        return np.asarray(counts.argmax(axis=1))


def cell_spectra(
    cells: Cells,
    spaxels: pd.DataFrame,
    stored: pd.DataFrame,
    wavelength: NDArray[np.float64],
    rows: Rows,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean spectra of the cells, in as many bins of wavelength as a page has room for.

    Parameters
    ----------
    cells : Cells
    spaxels : DataFrame
        Those of the cells: `y` and `x`.
    stored : DataFrame
        Positions `y` and `x` of the stored spectra, in their order.
    wavelength : (L,) array
        Of their samples.
    rows : callable
        Reads some of them.

    Returns
    -------
    wavelength : (S,) array
        Means over the bins.
    spectra : (n, S) array
        NaN where a cell has no good sample in a bin.
    """  # fmt: skip
    room = max(FEWEST_SAMPLES, min(MOST_SAMPLES, MOST_SPECTRA_BYTES // max(1, len(cells))))
    starts, number = bins(len(wavelength), room)
    place = spaxels[["y", "x"]].assign(cell=cells.of).set_index(["y", "x"])["cell"]
    cell = place.reindex(pd.MultiIndex.from_frame(stored[["y", "x"]])).fillna(-1).to_numpy(int)
    total = np.zeros((len(cells), len(starts)))
    count = np.zeros_like(total)
    for start in range(0, len(cell), READ_ROWS):
        part = slice(start, start + READ_ROWS)
        flux, bad = rows(part)
        own = cell[part]
        inside = own >= 0
        good = ~bad[inside] & np.isfinite(flux[inside])
        summed = np.add.reduceat(np.where(good, flux[inside], 0.0), starts, axis=1)
        np.add.at(total, own[inside], summed)
        np.add.at(count, own[inside], np.add.reduceat(good.astype(np.int64), starts, axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.add.reduceat(wavelength, starts) / number, total / count


def bins(n_samples: int, most: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Starts and lengths of at most `most` bins of nearly equal length."""
    edges = np.linspace(0, n_samples, min(n_samples, most) + 1).round().astype(np.intp)
    return edges[:-1], np.diff(edges)
