"""Responses of many spectra on one grid of photon energies: sparse matrices, each kept once.

A spectrum of photons s(E), in photons per cm2 and second in each bin of energy, becomes expected
counts by the response of the detection that it is seen in,

    counts(bin) = exposure x sum over energies of s(E) M(E, bin),

where M is effective area times redistribution, in cm2. Spectra that share a response share its
matrix.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from survey.errors import DataError
from survey.latents.grid import Floats, Grid, homes, overlap

Integers = npt.NDArray[np.int64]

UNKNOWN_RESPONSE = -1
"""Number of the response of a spectrum that has none: the mean of all stands for it."""


@dataclass(frozen=True, eq=False)
class Folding:
    """Responses of r detections from e photon energies to p bins.

    Attributes
    ----------
    energies : Grid
        Bins of photon energy, e of them, in keV.
    matrices : sparse array (r e, p)
        The matrices one below the other, in cm2.
    names : tuple of r str
        Where each is from, for tables.
    """

    energies: Grid
    matrices: sparse.csr_array
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        rows = len(self.names) * len(self.energies)
        if self.matrices.shape[0] != rows:
            raise DataError(
                "responses of another shape than their energies",
                expected=f"{rows} rows",
                found=str(self.matrices.shape[0]),
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def n_bins(self) -> int:
        """Number of bins of the spectra."""
        return int(self.matrices.shape[1])

    def matrix(self, number: int) -> sparse.csr_array:
        """The matrix (e, p) of one response; the mean of all for `UNKNOWN_RESPONSE`."""
        if number == UNKNOWN_RESPONSE:
            return self.mean
        e = len(self.energies)
        return self.matrices[number * e : (number + 1) * e]

    @cached_property
    def mean(self) -> sparse.csr_array:
        """The mean matrix (e, p) of all responses."""
        e, r = len(self.energies), len(self)
        into = sparse.csr_array(
            (np.full(r * e, 1 / r), (np.tile(np.arange(e), r), np.arange(r * e))), shape=(e, r * e)
        )
        return sparse.csr_array(into @ self.matrices)

    def fold(self, photons: Floats, which: Integers) -> Floats:
        """Expected counts (n, p) per second of photons.

        Parameters
        ----------
        photons : array (n, e) or (e,)
            Photons per cm2 and second in each bin of energy.
        which : array (n,) of int
            Numbers of the responses. Spectra of one response are folded together.
        """
        photons = np.asarray(photons, dtype=np.float64)
        out = np.empty((len(which), self.n_bins))
        for number in np.unique(which).tolist():
            rows = which == number
            some = photons if photons.ndim == 1 else photons[rows]
            out[rows] = some @ self.matrix(number)
        return out

    def onto(self, source: Grid, target: Grid) -> Folding:
        """The same with the bins of one grid summed into those of another, as counts are."""
        home, inside = homes(source, target)
        columns = np.flatnonzero(inside)
        into = sparse.csr_array(
            (np.ones(len(columns)), (columns, home[columns])), shape=(len(source), len(target))
        )
        return Folding(self.energies, sparse.csr_array(self.matrices @ into), self.names)

    def part(self, bins: slice) -> Folding:
        """The same for a contiguous run of bins."""
        return Folding(self.energies, sparse.csr_array(self.matrices[:, bins]), self.names)

    def with_one_more(self, matrix: sparse.csr_array, name: str) -> Folding:
        """The same responses, and after them another one (e, p)."""
        return Folding(self.energies, _stacked([self.matrices, matrix]), (*self.names, name))

    def averaged(self, groups: Sequence[Integers], weights: Sequence[Floats]) -> Folding:
        """Responses of sums of spectra: a weighted mean of each group; a group of one is itself.

        Parameters
        ----------
        groups : sequence of arrays of int
            Numbers of responses.
        weights : sequence of arrays
            Exposures, of the same lengths.
        """
        matrices, names = [], []
        for numbers, weight in zip(groups, weights, strict=True):
            share = weight / weight.sum()
            mixed = sum(
                (self.matrix(n) * w for n, w in zip(numbers.tolist(), share, strict=True)),
                sparse.csr_array((len(self.energies), self.n_bins)),
            )
            matrices.append(sparse.csr_array(mixed))
            known = [self.names[n] if n >= 0 else "mean" for n in numbers.tolist()]
            names.append("+".join(dict.fromkeys(known)))
        return Folding(self.energies, _stacked(matrices), tuple(names))


def single(matrix: sparse.csr_array, energies: Grid, onto: Grid, name: str) -> Folding:
    """One response (e, p) on another grid of energies, over which photons are spread evenly.

    Energies of the new grid that the response does not cover are not detected.
    """
    lengths = overlap(energies, onto)
    share = sparse.csr_array(sparse.diags_array(1 / onto.widths) @ lengths)
    return Folding(onto, sparse.csr_array(share @ matrix), (name,))


def joined(foldings: Sequence[Folding]) -> tuple[Folding, list[Integers]]:
    """Responses of several sets as one, each matrix once, and the new numbers of the old ones.

    Raises
    ------
    DataError
        If they are for different energies.
    """
    first = foldings[0]
    known: dict[bytes, int] = {}
    matrices: list[sparse.csr_array] = []
    names: list[str] = []
    numbers = []
    for one in foldings:
        if one.energies != first.energies:
            raise DataError("responses on different grids of photon energy cannot be joined")
        new = np.empty(len(one), np.int64)
        for number in range(len(one)):
            matrix = one.matrix(number)
            parts = (matrix.data, matrix.indices, matrix.indptr)
            key = hashlib.blake2b(b"".join(part.tobytes() for part in parts)).digest()
            if key not in known:
                known[key] = len(matrices)
                matrices.append(matrix)
                names.append(one.names[number])
            new[number] = known[key]
        numbers.append(new)
    return Folding(first.energies, _stacked(matrices), tuple(names)), numbers


def _stacked(matrices: Sequence[sparse.csr_array]) -> sparse.csr_array:
    return sparse.csr_array(sparse.vstack(list(matrices), format="csr"))
