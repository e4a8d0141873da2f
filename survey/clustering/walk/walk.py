"""The clusters of a galaxy by a walk down its tree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.clustering.criteria import Labels, Tree, partition
from survey.clustering.walk.aligned import AlignedSpectra, MeanSpectrum
from survey.clustering.walk.decisions import Decision
from survey.clustering.walk.descent import Descent
from survey.clustering.walk.fractions import cluster_fractions
from survey.clustering.walk.settle import dissolve_blends, join_alike
from survey.clustering.walk.split_tests import Rules, displacements

EDGE_SPAXELS = 3.0
"""Spaxels at most so far from the edge of the field are at it: about the width of a PSF."""


@dataclass(frozen=True)
class WalkResult:
    """The partition that the walk finds.

    Parameters
    ----------
    labels : (n,) array of int32
        Clusters 0..k-1.
    decisions : list of Decision
        In the order in which they were made.
    dispersion : float
        Of all spaxels beyond noise, shift and width, relative to their mean spectrum.
    fractions : (n, k) array of float32
        See `cluster_fractions`.
    """

    labels: Labels
    decisions: list[Decision]
    dispersion: float
    fractions: NDArray[np.float32]


def walk(
    tree: Tree,
    spectra: AlignedSpectra,
    at_edge: NDArray[np.bool_],
    rules: Rules | None = None,
    *,
    limits: tuple[int | None, int | None] = (None, None),
) -> WalkResult:
    """Walk down the tree, join clusters alike, dissolve blends.

    Parameters
    ----------
    tree : (n-1, 4) array
        In the format of SciPy.
    spectra : AlignedSpectra
    at_edge : (n,) array of bool
        Spaxels within `EDGE_SPAXELS` of the edge of the field, see `edge_of_field`.
    rules : Rules, optional
        Thresholds.
    limits : (int or None, int or None)
        Least and largest number of clusters. Beyond the largest, the clusters most alike are
        joined; below the least, the tree is cut at that number instead.
    """
    rules = rules or Rules()
    mean = spectra.mean(np.arange(len(spectra.starts)))
    variety = dispersion(spectra, mean)
    least = rules.min_of_dispersion * variety
    descent = Descent(tree, spectra, at_edge, rules, least)
    groups, joins = join_alike(descent.groups(mean), spectra, rules, least)
    groups, blends = dissolve_blends(
        groups, spectra, rules.for_blends, rules.min_blend_of_dispersion * variety
    )
    fewest, most = limits
    forced: list[Decision] = []
    if most is not None:
        groups, forced = join_alike(groups, spectra, rules, least, at_most=most)
    labels = np.empty(len(tree) + 1, np.int32)
    for number, group in enumerate(groups):
        labels[group] = number
    if fewest is not None and len(groups) < fewest:
        labels = partition(tree, min(fewest, len(labels)))
    decisions = [*descent.decisions, *joins, *blends, *forced]
    return WalkResult(labels, decisions, variety, cluster_fractions(spectra, labels))


def dispersion(spectra: AlignedSpectra, mean: MeanSpectrum) -> float:
    """Dispersion of all spaxels beyond noise, shift and width, relative to their mean."""
    values = mean.values
    basis = np.linalg.qr(displacements(values))[0]
    scatter = 0.0
    for chosen, aligned in spectra.blocks():
        rest = aligned - values.astype(aligned.dtype)
        squared = np.einsum("ij,ij->i", rest, rest).astype(np.float64)
        squared -= np.square(rest @ basis.astype(rest.dtype)).sum(axis=1)
        scatter += float(spectra.weight[chosen] @ (squared - spectra.noise_energy[chosen]))
    scatter = max(scatter / float(spectra.weight.sum()), 0.0)
    return float(np.sqrt(scatter / np.square(values).sum()))
