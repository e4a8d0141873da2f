"""Ways to cluster the same cube, and the labels that each gives.

The factors are those that a referee asks about. A way is the default with some of them changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from itertools import combinations, product
from pathlib import Path
from typing import Any, get_args

import numpy as np

from survey.config import CutSettings, LinkageSettings, build_settings
from survey.config.galaxy import PrepareSettings
from survey.distances.distances import shifted_distances
from survey.distances.noise import noise_energy, without_noise
from survey.linkage.dendrogram import sorted_tree
from survey.linkage.lance_williams import Linkage
from survey.linkage.nn_chain import chain_merges
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.galaxy.target import Target
from survey.pipeline.validation.partitioned import near_edge, recipe_of
from survey.spectra.noise import local_noise
from survey.validation.recluster import Data, Linked, Recipe, link

MAX_SNR = 100.0
"""Above this S/N a spaxel weighs no more, as in the walk."""

KEPT_DISTANCES = 12
_JUDGES = 400


def _psf_choices() -> tuple[str, ...]:
    """What `prepare.psf` can be; the default first."""
    field = PrepareSettings.model_fields.get("psf")
    if field is None:
        return ("none",)
    others = [choice for choice in get_args(field.annotation) if choice != field.default]
    return (str(field.default), *others)


FACTORS: dict[str, tuple[str, ...]] = {
    "linkage": ("average", "ward", "complete"),
    "normalisation": ("integral", "continuum-removed", "line-masked"),
    "shift": ("6", "0", "300 km/s"),
    "PSF": _psf_choices(),
    "weights": ("equal", "spaxels by S/N", "planes by noise", "noise kept"),
    "cut": ("walk", "silhouette", "fixed, 6"),
}
"""By name their levels; the first is the default.

`weights`: of spaxels in the linkage, min(S/N, 100)^1/2; of planes in the distances, one over their
noise; and distances from which the part of the noise is not subtracted.
"""


@dataclass(frozen=True)
class Way:
    """A level of every factor."""

    linkage: str = FACTORS["linkage"][0]
    normalisation: str = FACTORS["normalisation"][0]
    shift: str = FACTORS["shift"][0]
    PSF: str = FACTORS["PSF"][0]
    weights: str = FACTORS["weights"][0]
    cut: str = FACTORS["cut"][0]

    @property
    def changes(self) -> dict[str, str]:
        """Factors that are not at their default, with their level."""
        return {name: level for name, level in vars(self).items() if level != FACTORS[name][0]}

    @property
    def name(self) -> str:
        """What is changed; "default" if nothing is."""
        return "; ".join(f"{name}: {level}" for name, level in self.changes.items()) or "default"


def ways(most_changes: int) -> Iterator[Way]:
    """All ways with at most so many factors changed, the default first."""
    for count in range(most_changes + 1):
        for names in combinations(FACTORS, count):
            for levels in product(*(FACTORS[name][1:] for name in names)):
                yield Way(**dict(zip(names, levels, strict=True)))


class Spaxels:
    """The prepared spectra of one cube, clustered in one way or another."""

    def __init__(self, target: Target, folder: Path) -> None:
        self.target, self.folder = target, folder
        self._prepared = cache(self._prepare)
        self._linked = lru_cache(KEPT_DISTANCES)(self._link)

    @cached_property
    def place(self) -> tuple[np.ndarray, np.ndarray]:
        """(y, x) of the spaxels of the default, which those of all ways are."""
        return self._prepared("6", FACTORS["PSF"][0])[2]

    def labels(self, way: Way, rows: np.ndarray | None = None) -> np.ndarray:
        """Clusters 1..k of the spaxels at `place` by a way, 0 for those in none.

        With `rows` only these of the spaxels at `place` are clustered.
        """
        _, _, place = self._prepared(way.shift, way.PSF)
        width = 1 + int(max(self.place[1].max(), place[1].max()))
        asked, own = (y * width + x for y, x in (self.place, place))
        members = None if rows is None else np.flatnonzero(np.isin(own, asked[rows]))
        linked = self._linked(way, None if members is None else members.tobytes())
        found = np.zeros(len(own), np.int32)
        if linked is not None:
            labels = linked.cut(self._tree(linked, way), _cut(way))
            found[slice(None) if members is None else members] = labels
        by_place = dict(zip(own, found, strict=True))
        return np.array([by_place.get(key, 0) for key in asked])

    def _prepare(self, shift: str, psf: str) -> tuple[Data, Recipe, Any]:
        table: dict[str, Any] = {"distance": {"shift": int(shift) if shift.isdigit() else shift}}
        if len(FACTORS["PSF"]) > 1:
            table["prepare"] = {"psf": psf}
        runner = GalaxyRunner(self.target, build_settings(table), self.folder)
        cube, prepared = runner.get("read"), runner.get("prepare")
        y, x = (cube[axis].values[prepared.spaxels] for axis in "yx")
        recipe = recipe_of(runner, prepared, str(cube.attrs["instrument"]), self.target.redshift)
        wavelength_um, compared = prepared.wavelength_um, prepared.is_compared
        data = Data(prepared.flux, prepared.noise, wavelength_um, compared, near_edge(cube, y, x))
        return data, recipe, (y, x)

    def _link(self, way: Way, rows: bytes | None) -> Linked | None:
        """Distances; those of another linkage or cut are the same object."""
        changed = replace(way, linkage=Way.linkage, cut=Way.cut)
        if changed.weights == "spaxels by S/N":
            changed = replace(changed, weights=Way.weights)
        if changed != way:
            return self._linked(changed, rows)
        data, recipe, _ = self._prepared(way.shift, way.PSF)
        if rows is not None:
            data = data.rows(np.frombuffer(rows, np.intp))
        keeps = way.weights == "noise kept"
        recipe = replace(recipe, normalise=way.normalisation, subtract_noise=not keeps)
        linked = link(data, recipe)
        if linked is None or way.weights != "planes by noise":
            return linked
        judges = linked.spectra[:: max(1, len(linked.spectra) // _JUDGES)]
        level = np.median(local_noise(judges), axis=0)
        used = level > 0  # Planes that are masked, or the same in all spectra, tell nothing.
        weight = np.divide(np.median(level[used]), level, out=np.zeros_like(level), where=used)
        weighted = (linked.spectra * weight).astype(np.float32)
        found = shifted_distances(weighted, recipe.max_shift, dtype="float32").condensed
        return replace(linked, condensed=without_noise(found, noise_energy(weighted)))

    def _tree(self, linked: Linked, way: Way) -> np.ndarray:
        if way.weights != "spaxels by S/N":
            return linked.tree(LinkageSettings(method=way.linkage))
        linkage = Linkage(way.linkage)
        size = len(linked.spectra)
        weight = np.sqrt(np.clip(linked.data.snr[linked.accepted], 0.1, MAX_SNR))
        fed = linkage.feed(linked.condensed.astype(np.float64))
        return sorted_tree(chain_merges(fed, np.arange(size), weight / weight.mean(), linkage))


def _cut(way: Way) -> CutSettings:
    criterion, _, k = way.cut.partition(", ")
    return CutSettings(criterion=criterion, k=int(k or 1))
