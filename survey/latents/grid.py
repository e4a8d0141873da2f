"""The axis of a set of spectra: bins of energy or wavelength, and how bins overlap."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from survey.errors import DataError

Floats = npt.NDArray[np.float64]

Unit = Literal["keV", "um"]


@dataclass(frozen=True, eq=False)
class Grid:
    """Contiguous bins of energy (keV) or wavelength (micron).

    Attributes
    ----------
    edges : array (p + 1,)
        Increasing and positive, in `unit`; read-only.
    unit : {"keV", "um"}

    Raises
    ------
    DataError
        If the edges do not make bins.
    """

    edges: Floats
    unit: Unit

    def __post_init__(self) -> None:
        edges = np.array(self.edges, dtype=np.float64)
        edges.setflags(write=False)
        object.__setattr__(self, "edges", edges)
        if edges.ndim != 1 or len(edges) < 2:
            raise DataError(
                "a grid needs at least one bin",
                expected="two edges or more in one dimension",
                found=f"an array of shape {edges.shape}",
            )
        if not (np.isfinite(edges).all() and edges[0] >= 0 and (np.diff(edges) > 0).all()):
            raise DataError("the edges of a grid must be finite, not negative, and increase")
        if self.unit not in ("keV", "um"):
            raise DataError("unknown unit of a grid", expected="keV or um", found=repr(self.unit))

    @classmethod
    def from_centres(cls, centres: npt.ArrayLike, unit: Unit) -> Grid:
        """The grid whose bins meet halfway between `centres` (p,), at least two."""
        middle = np.asarray(centres, dtype=np.float64)
        if middle.ndim != 1 or len(middle) < 2:
            raise DataError("a grid needs at least two centres", found=f"shape {middle.shape}")
        inner = (middle[1:] + middle[:-1]) / 2
        edges = np.concatenate([[2 * middle[0] - inner[0]], inner, [2 * middle[-1] - inner[-1]]])
        return cls(edges, unit)

    def __len__(self) -> int:
        return len(self.edges) - 1

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        return self.unit == other.unit and np.array_equal(self.edges, other.edges)

    def describe(self) -> str:
        """Number and range of the bins, for messages."""
        return f"{len(self)} bins, {self.edges[0]:.5g} to {self.edges[-1]:.5g} {self.unit}"

    def __hash__(self) -> int:
        return hash((self.unit, self.edges.tobytes()))

    @cached_property
    def centres(self) -> Floats:
        """Middles of the bins (p,), in `unit`."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    @cached_property
    def widths(self) -> Floats:
        """Widths of the bins (p,), in `unit`."""
        return np.diff(self.edges)

    def within(self, low: float, high: float) -> slice:
        """The bins whose centres lie in [low, high)."""
        start, stop = np.searchsorted(self.centres, [low, high], side="left")
        return slice(int(start), int(stop))

    def part(self, bins: slice) -> Grid:
        """The grid of a contiguous run of bins."""
        start, stop, _ = bins.indices(len(self))
        return Grid(self.edges[start : stop + 1], self.unit)


def overlap(source: Grid, target: Grid) -> sparse.csr_array:
    """Lengths (m, p) that the m bins of `target` and the p bins of `source` have in common.

    Raises
    ------
    DataError
        If one is in energy and the other in wavelength.
    """
    if source.unit != target.unit:
        raise DataError(
            "grids of different units do not overlap", expected=source.unit, found=target.unit
        )
    cuts = np.union1d(source.edges, target.edges)
    middle = (cuts[1:] + cuts[:-1]) / 2
    here = np.searchsorted(source.edges, middle) - 1
    there = np.searchsorted(target.edges, middle) - 1
    both = (here >= 0) & (here < len(source)) & (there >= 0) & (there < len(target))
    shape = (len(target), len(source))
    return sparse.csr_array((np.diff(cuts)[both], (there[both], here[both])), shape=shape)


def homes(source: Grid, target: Grid) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The bin of `target` in which the centre of each bin of `source` lies.

    Returns
    -------
    home : array (p,) of int
        Meaningful only where `inside`.
    inside : array (p,) of bool

    Raises
    ------
    DataError
        If the units differ, or a bin of the target is narrower than one it would take in.
    """
    if source.unit != target.unit:
        raise DataError("grids of different units", expected=source.unit, found=target.unit)
    home = np.searchsorted(target.edges, source.centres, side="right") - 1
    inside = (home >= 0) & (home < len(target))
    narrow = target.widths[home[inside]] < source.widths[inside] * (1 - 1e-3)
    if narrow.any():
        raise DataError(
            "counts cannot be divided among narrower bins",
            expected=f"bins of at least {source.widths[inside].max():.4g} {source.unit}",
            found=f"{target.widths.min():.4g} {target.unit}",
        )
    return home, inside
