"""Responses as a network uses them: kept sparse, multiplied by groups of spectra.

Spectra of photons that share a response are folded by one product. A matrix is made dense for it,
which takes less time than a sparse product of some dozens of rows; a few are kept so.

This module needs torch, and is imported only when a network is used.
"""

from __future__ import annotations

import torch
from torch import Tensor

from survey.latents.folding import Folding

KEPT_DENSE = 64
"""Most matrices that are kept dense."""


class Responses:
    """The responses of a set of spectra, for products that have gradients.

    Parameters
    ----------
    folding : Folding
    unit_cm2 : float
        Matrices are divided by this, so that folded shapes are of the order of one.
    """

    def __init__(self, folding: Folding, unit_cm2: float) -> None:
        self.shape = (len(folding.energies), folding.n_bins)
        self.places: list[Tensor] = []
        self.values: list[Tensor] = []
        self.dense: dict[int, Tensor] = {}
        for number in range(len(folding)):
            matrix = folding.matrix(number).tocoo()
            place = matrix.coords[0].astype("int64") * self.shape[1] + matrix.coords[1]
            self.places.append(torch.from_numpy(place))
            self.values.append(torch.tensor(matrix.data / unit_cm2, dtype=torch.float32))

    def to(self, device: torch.device) -> Responses:
        """The same elsewhere."""
        self.places = [one.to(device) for one in self.places]
        self.values = [one.to(device) for one in self.values]
        self.dense.clear()
        return self

    def fold(self, photons: Tensor, which: Tensor) -> Tensor:
        """Expected counts (n, p) of photons (n, e) through the responses of these numbers (n,)."""
        order = torch.argsort(which, stable=True)
        numbers, members = torch.unique_consecutive(which[order], return_counts=True)
        parts = photons[order].split(members.tolist())
        folded = [
            part @ self._matrix(number)
            for part, number in zip(parts, numbers.tolist(), strict=True)
        ]
        return torch.cat(folded)[torch.argsort(order)]

    def _matrix(self, number: int) -> Tensor:
        if number in self.dense:
            return self.dense[number]
        places, values = self.places[number], self.values[number]
        size = self.shape[0] * self.shape[1]
        flat = torch.zeros(size, device=values.device).scatter_(0, places, values)
        matrix = flat.view(self.shape)
        if len(self.dense) < KEPT_DENSE:
            self.dense[number] = matrix
        return matrix
