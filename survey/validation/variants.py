"""Other ways to cluster the same galaxy, each of which a real partition should survive.

A variant takes data to labels. The same variants are applied to the galaxy and to simulated
galaxies that have its clusters and its noise, so that each has its own standard.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from survey.clustering.criteria import Labels, partition
from survey.clustering.walk.split_tests import Rules
from survey.config import CutSettings, LinkageSettings
from survey.linkage.lance_williams import Method
from survey.validation.galaxy import PartitionedGalaxy
from survey.validation.recluster import Data, Linked, Recipe, recluster

METHODS: tuple[Method, ...] = ("average", "ward", "complete")
"""Linkages that are compared. Single linkage chains through noise at any S/N and says nothing."""

QUESTIONS = (
    "linkage", "cut", "noise", "continuum", "spaxels", "planes", "lines", "shift", "window",
)  # fmt: skip
"""What variants are for."""

QUICK = ("linkage", "cut", "noise", "continuum")
"""Those of a quick validation: the first two need no new distances."""

HALVES = ("short half", "long half")
"""Of the spectrum."""

STRICTER, LAXER = 1.5, 1 / 1.5
"""Factors of the thresholds of the walk."""

MOST_GROUPS = 200
"""Groups at most, small ones included, of a tree that is cut at one height."""


@dataclass(frozen=True)
class Variant:
    """One way to cluster again.

    Attributes
    ----------
    question : str
        What it is for, see `catalogs/data/validation.toml`.
    name : str
    labels : (n,) array of int, or None
        Clusters 1..k, 0 for spaxels left out; None if it cannot be done.
    """

    question: str
    name: str
    labels: Labels | None


def variants(
    galaxy: PartitionedGalaxy,
    data: Data,
    rng: np.random.Generator,
    questions: Collection[str] = QUESTIONS,
    *,
    base: Linked | None,
    simulated: bool = False,
) -> Iterator[Variant]:
    """Cluster data again in all ways.

    Parameters
    ----------
    galaxy : PartitionedGalaxy
        For its recipe, noise and places.
    data : Data
        Its own, or those of a simulated galaxy like it.
    rng : Generator
        For halves of the spaxels and draws of the noise.
    questions : collection of str
        Those that are asked, of `QUESTIONS`.
    base : Linked, optional
        The data linked by the recipe of the galaxy; None if too little is left to cluster.
    simulated : bool
        Whether the data are simulated. Then other cuts are left out, whose standard is not a
        simulation, and the second half of the spaxels, which says the same as the first.
    """
    recipe = galaxy.recipe
    if base is not None and "linkage" in questions:
        yield from _other_linkages(base)
    if base is not None and "cut" in questions and not simulated:
        yield from _other_cuts(base, base.tree(), galaxy.k)
    if "noise" in questions:
        noisy = _plus(data, galaxy.noise.draw(rng))
        yield Variant("noise", "noise added once more", recluster(noisy, recipe))
    if "continuum" in questions:
        yield Variant("continuum", "continuum removed", _with(data, recipe, "continuum-removed"))
    if "spaxels" in questions:
        half = rng.permutation(len(galaxy.labels)) < len(galaxy.labels) // 2
        yield Variant("spaxels", "one half", _of_rows(data, recipe, half))
        if not simulated:
            yield Variant("spaxels", "other half", _of_rows(data, recipe, ~half))
    if "planes" in questions:
        for name, half in zip(HALVES, halves_of_planes(data), strict=True):
            yield Variant("planes", name, recluster(replace(data, compared=half), recipe))
    if "lines" in questions:
        yield Variant("lines", "lines masked", _with(data, recipe, "line-masked"))
        only = replace(recipe, normalise="continuum-removed")
        yield Variant("lines", "lines only", recluster(data, only, lines="only"))
    if "shift" in questions and recipe.max_shift:
        yield Variant("shift", "no shift", recluster(data, replace(recipe, max_shift=0)))
    if "window" in questions:
        for name, window in galaxy.windows_um:
            inside = (data.wavelength_um >= window[0]) & (data.wavelength_um <= window[1])
            narrower = replace(data, compared=data.compared & inside)
            yield Variant("window", name, recluster(narrower, recipe))


def halves_of_planes(data: Data) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The compared samples of the short and of the long half of the spectrum."""
    rank = np.cumsum(data.compared)
    short = data.compared & (rank <= rank[-1] // 2)
    return short, data.compared & ~short


def _other_linkages(base: Linked) -> Iterator[Variant]:
    own = base.recipe.linkage
    for method in METHODS:
        if method != own.method:
            other = LinkageSettings(method=method, ward_input=own.ward_input)
            yield Variant("linkage", method, base.cut(base.tree(other)))


def _other_cuts(base: Linked, tree: NDArray[np.float64], k: int) -> Iterator[Variant]:
    settings, rules = base.recipe.cut, base.recipe.rules
    if settings.criterion in ("walk", "auto"):
        for name, factor in (("stricter", STRICTER), ("laxer", LAXER)):
            yield Variant("cut", name, base.cut(tree, rules=scaled(rules, factor)))
    if k > 2:  # One cluster has nothing in common with two.
        yield Variant("cut", "k-1", _with_most(base, tree, rules, k - 1))
    yield Variant("cut", "k+1", _with_most(base, tree, scaled(rules, LAXER), k + 1))
    yield Variant("cut", "one height", cut_at_one_height(tree, k, rules.min_spaxels, base.accepted))


def _with_most(base: Linked, tree: NDArray[np.float64], rules: Rules, k: int) -> Labels:
    """The walk with at most k clusters; of another criterion, the cut of the tree into k."""
    settings = base.recipe.cut
    if settings.criterion in ("walk", "auto"):
        return base.cut(tree, settings.model_copy(update={"k_min": None, "k_max": k}), rules)
    return base.cut(tree, CutSettings(criterion="fixed", k=k))


def scaled(rules: Rules, factor: float) -> Rules:
    """Rules of the walk whose least differences are so many times as large."""
    names = (
        "min_shape",
        "min_structure",
        "min_lines",
        "min_of_dispersion",
        "min_blend_shape",
        "min_blend_of_dispersion",
    )
    return replace(rules, **{name: factor * getattr(rules, name) for name in names})


def cut_at_one_height(
    tree: NDArray[np.float64], k: int, least: int, accepted: NDArray[np.bool_]
) -> Labels:
    """The highest cut of a tree with `k` groups of at least so many spaxels; others are left out.

    If no cut has so many, that with the most, the highest of them.
    """
    best: tuple[int, NDArray[np.int32]] | None = None
    for number in range(1, min(MOST_GROUPS, len(tree) + 1) + 1):
        found = partition(tree, number)
        large = np.flatnonzero(np.bincount(found) >= least)
        if best is None or min(len(large), k) > best[0]:
            renumbered = np.zeros(found.max() + 1, np.int32)
            renumbered[large] = np.arange(1, len(large) + 1)
            best = min(len(large), k), renumbered[found]
        if len(large) >= k:
            break
    labels = np.zeros(len(accepted), np.int32)
    if best is not None:
        labels[accepted] = best[1]
    return labels


def _plus(data: Data, noise: NDArray[np.floating]) -> Data:
    return replace(data, flux=data.flux + noise, noise=np.sqrt(2.0) * data.noise)


def _with(data: Data, recipe: Recipe, normalise: str) -> Labels | None:
    if recipe.normalise == normalise:
        return None
    return recluster(data, replace(recipe, normalise=normalise))


def _of_rows(data: Data, recipe: Recipe, chosen: NDArray[np.bool_]) -> Labels | None:
    found = recluster(data.rows(chosen), recipe)
    if found is None:
        return None
    labels = np.zeros(len(chosen), np.int32)
    labels[chosen] = found
    return labels
