"""A galaxy clustered again: other data, other planes, another recipe, the same steps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from survey.clustering.criteria import Labels
from survey.clustering.cut import CutInput, choose_cut
from survey.clustering.pair_sums import CondensedPairs
from survey.clustering.profiles import stacked_snr
from survey.clustering.walk.aligned import AlignedSpectra, align_to_components
from survey.clustering.walk.split_tests import Rules
from survey.clustering.walk.walk import WalkResult, walk
from survey.config import CutSettings, LinkageSettings
from survey.distances.distances import shifted_distances
from survey.distances.noise import noise_energy, without_noise
from survey.linkage.fastcluster import linkage_tree
from survey.spectra.noise import MIN_SAMPLES
from survey.spectra.normalise import Ranges, SpectralFrame, normalise

SEED = 20_261_201
FEWEST_SPAXELS = 10

Lines = Literal["all", "only"]


@dataclass(frozen=True)
class Recipe:
    """How spectra become clusters.

    Attributes
    ----------
    normalise : str
        A key of `survey.spectra.normalise.NORMALISATIONS`.
    normalise_window_um : (low, high), optional
    line_mask_um : pairs of (low, high)
        Ranges of known lines.
    max_shift : int
        In samples.
    subtract_noise : bool
        Whether distances are without noise.
    linkage : LinkageSettings
    cut : CutSettings
    rules : Rules
        Of the walk.
    """

    normalise: str = "integral"
    normalise_window_um: tuple[float, float] | None = None
    line_mask_um: Ranges = ()
    max_shift: int = 6
    subtract_noise: bool = True
    linkage: LinkageSettings = field(default_factory=LinkageSettings)
    cut: CutSettings = field(default_factory=CutSettings)
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True)
class Data:
    """Spectra to be clustered.

    Attributes
    ----------
    flux : (n, L) array
        Before normalisation, without gaps.
    noise : (n,) array
        Standard deviation of one sample.
    wavelength_um : (L,) array
        Rest frame.
    compared : (L,) array of bool
        Samples that are compared.
    at_edge : (n,) array of bool
        Spaxels near the edge of the field.
    """

    flux: NDArray[np.floating]
    noise: NDArray[np.float64]
    wavelength_um: NDArray[np.float64]
    compared: NDArray[np.bool_]
    at_edge: NDArray[np.bool_]

    def rows(self, chosen: NDArray[np.integer] | NDArray[np.bool_]) -> Data:
        """Some spaxels."""
        return replace(
            self, flux=self.flux[chosen], noise=self.noise[chosen], at_edge=self.at_edge[chosen]
        )

    @property
    def snr(self) -> NDArray[np.float64]:
        """(n,) continuum S/N of one sample."""
        return np.asarray(np.median(self.flux, axis=1) / np.maximum(self.noise, 1e-30))


@dataclass(frozen=True)
class Linked:
    """Normalised spectra of the accepted spaxels, with their distances.

    Attributes
    ----------
    data : Data
    recipe : Recipe
    accepted : (n,) array of bool
        Spaxels with a positive integral.
    spectra : (m, M) array
        Of those.
    energy : (m,) array
    condensed : (m (m-1) / 2,) array
        Distances that are clustered.
    """

    data: Data
    recipe: Recipe
    accepted: NDArray[np.bool_]
    spectra: NDArray[np.floating]
    energy: NDArray[np.float64]
    condensed: NDArray[np.floating]

    @cached_property
    def _part(self) -> Data:
        return self.data.rows(self.accepted)

    @cached_property
    def aligned(self) -> AlignedSpectra:
        """The spectra shifted onto each other."""
        return align_to_components(
            self.spectra, self.recipe.max_shift, snr=self._part.snr, energy=self.energy, seed=SEED
        )

    def tree(self, linkage: LinkageSettings | None = None) -> NDArray[np.float64]:
        """The tree by the linkage of the recipe, or another."""
        chosen = linkage or self.recipe.linkage
        return linkage_tree(self.condensed, chosen.method, ward_input=chosen.ward_input)

    def cut(
        self,
        tree: NDArray[np.float64],
        settings: CutSettings | None = None,
        rules: Rules | None = None,
    ) -> Labels:
        """(n,) clusters 1..k of all spaxels, 0 for one that was not accepted."""
        settings = settings or self.recipe.cut
        part = self._part

        def walk_down() -> WalkResult:
            limits = settings.k_min, settings.k_max
            used = rules or self.recipe.rules
            return walk(tree, self.aligned, part.at_edge, used, limits=limits)

        given = CutInput(
            tree,
            walk=walk_down,
            distances=lambda: CondensedPairs(self.condensed),
            snr_of_labels=lambda labels: stacked_snr(part.flux, labels),
        )
        found = choose_cut(given, settings, brightness=part.flux.mean(axis=1))
        labels = np.zeros(len(self.accepted), np.int32)
        labels[self.accepted] = found.labels
        return labels


def link(data: Data, recipe: Recipe, *, lines: Lines = "all") -> Linked | None:
    """Normalise the spectra and measure their distances; None if too little is left to cluster.

    With `lines` "only", samples inside known lines are compared.
    """
    frame = SpectralFrame(
        data.wavelength_um, recipe.normalise_window_um, recipe.line_mask_um, used=data.compared
    )
    compared = data.compared & frame.in_lines if lines == "only" else data.compared
    least = max(MIN_SAMPLES, 2 * recipe.max_shift + 1)
    if np.count_nonzero(compared) < least:
        return None
    if recipe.normalise == "window" and not (frame.in_window & data.compared).any():
        return None
    spectra, _, accepted = normalise(data.flux, data.noise, frame, recipe.normalise)
    if np.count_nonzero(accepted) < FEWEST_SPAXELS:
        return None
    spectra = np.ascontiguousarray(spectra[accepted][:, compared], np.float32)
    energy = noise_energy(spectra)
    found = shifted_distances(spectra, recipe.max_shift, dtype="float32").condensed
    if recipe.subtract_noise:
        found = without_noise(found, energy, out=found)
    return Linked(data, recipe, accepted, spectra, energy, found)


def recluster(data: Data, recipe: Recipe, *, lines: Lines = "all") -> Labels | None:
    """(n,) clusters 1..k, 0 for a spaxel in none; None if too little is left to cluster."""
    linked = link(data, recipe, lines=lines)
    return None if linked is None else linked.cut(linked.tree())
