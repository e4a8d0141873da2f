"""Ratios of simulated galaxies without noise, and the best that can be made of them.

Fluxes add up: those of a spaxel are the fluxes of the components, by their light there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from catalogs.reference import packaged_reference
from survey.classes.ratios import FeatureFluxes, Ratio, features_of
from survey.classes.sample import Sample
from survey.config import FeatureSettings
from survey.features.measurements import measure_features
from survey.features.spectrum import observed_spectrum
from survey.simulate.archive import PlannedGalaxy, plan_archive
from survey.simulate.instruments import MRS
from survey.simulate.observation import Observation
from survey.simulate.scene import Layer, Scene
from survey.simulate.spectra import MJY_IN_W_M2_HZ
from survey.simulate.truth import find_truth

NEGLIGIBLE = 1e-6
"""Relative error of what has none, where one is asked for."""

FIRST_REFERENCE_SEED = 1000
REFERENCE_ARCHIVES = 10
SPAXELS_PER_GALAXY = 60


@dataclass(frozen=True)
class TrueMaps:
    """Noiseless maps of one galaxy, per unit of continuum.

    `fluxes` (M, y, x) are those of the features, `levels` (W, y, x) those of the continuum in
    the windows of the slope; `shares` (C, y, x) are those of the classes in all light.
    """

    fluxes: np.ndarray
    levels: np.ndarray
    shares: np.ndarray

    def predictors(self, groups: Sequence[Any], ratios: Sequence[Ratio]) -> np.ndarray:
        """Log ratios and slope (N, P) of N groups of spaxels, each an index of the maps."""
        fluxes, levels = (
            np.array([image[:, *group].reshape(len(image), -1).mean(axis=1) for group in groups])
            for image in (self.fluxes, self.levels)
        )
        log_um = np.log(np.mean(packaged_reference().slope(), axis=1))
        exact = FeatureFluxes(
            features=features_of(ratios),
            flux=fluxes,
            error=NEGLIGIBLE * fluxes,
            detected=np.ones(fluxes.shape, dtype=bool),
            limit=fluxes,
        )
        slope = np.polyfit(log_um, np.log(levels).T, 1)[0]
        return Sample(np.arange(len(fluxes)), exact, tuple(ratios), slope).measured()


def true_maps(plan: PlannedGalaxy, ratios: Sequence[Ratio], classes: Sequence[str]) -> TrueMaps:
    """The maps of a planned galaxy."""
    features = features_of(ratios)
    scene = Scene(plan.model, plan.observation)
    rest_um = {line.name: line.wavelength_um for line in packaged_reference().lines_of("mir")}
    rest_um |= {
        band.name: float(np.mean(band.integration_um)) for band in packaged_reference().bands
    }
    stretch = 1 + plan.model.redshift
    feature_um = np.array([rest_um[name] for name in features]) * stretch
    window_um = np.mean(packaged_reference().slope(), axis=1) * stretch

    fluxes, levels = (
        np.zeros((len(um), *plan.observation.shape)) for um in (feature_um, window_um)
    )
    for layer in scene.layers:
        unit = _unit_fluxes(scene, layer)
        of_features = np.array([unit.get(name, 0.0) for name in features])
        fluxes += of_features[:, None, None] * scene.image(layer, layer.light, feature_um)
        smooth = scene.smooth(layer, window_um)
        levels += smooth[:, None, None] * scene.image(layer, layer.light, window_um)

    fraction = find_truth(scene, np.ones(plan.observation.shape)).fraction
    of_layer = np.array([layer.spectrum.class_name for layer in scene.layers])
    shares = np.array([fraction[of_layer == name].sum(axis=0) for name in classes])
    continuum = levels.mean(axis=0)
    return TrueMaps(fluxes / continuum, levels / continuum, shares)


def _unit_fluxes(scene: Scene, layer: Layer) -> dict[str, float]:
    """Fluxes (W/m2/sr) of the lines and bands of a layer per unit of its light.

    Bands are measured as in the catalog, for they are what is between windows.
    """
    lines = {name: flux * MJY_IN_W_M2_HZ for name, _, flux in scene.lines(layer)}
    observed_um = scene.observation.wavelength_um
    smooth = scene.smooth(layer, observed_um)
    spectrum = observed_spectrum(
        observed_um / (1 + scene.model.redshift),
        smooth,
        NEGLIGIBLE * smooth,
        flux_unit="MJy/sr",
        redshift=scene.model.redshift,
        resolving_power=packaged_reference().resolving_power(MRS, observed_um),
    )
    bands = measure_features(spectrum, (), packaged_reference().bands, FeatureSettings())
    return lines | {band.name: band.flux for band in bands}


def bayes_rule(
    archive: str,
    size: tuple[int, int],
    ratios: Sequence[Ratio],
    classes: Sequence[str],
    run_all: Callable[..., Any],
) -> HistGradientBoostingClassifier:
    """Probabilities of the classes for who knows how the galaxies are made.

    Estimated from spaxels of other galaxies of the same kinds, ten times as many as there
    are to be classified; all classes count alike. `run_all` is `map`, or that of a pool.
    """
    draw = partial(_reference_spaxels, archive, size, ratios, classes)
    seeds = range(FIRST_REFERENCE_SEED, FIRST_REFERENCE_SEED + REFERENCE_ARCHIVES)
    predictors, labels = (
        np.concatenate(parts) for parts in zip(*run_all(draw, seeds), strict=True)
    )
    rule = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=200, max_leaf_nodes=15, class_weight="balanced", random_state=0
    )
    return rule.fit(predictors, labels)


def _reference_spaxels(
    archive: str,
    size: tuple[int, int],
    ratios: Sequence[Ratio],
    classes: Sequence[str],
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Predictors (N, P) and classes (N,) of some spaxels of an archive."""
    rng = np.random.default_rng(seed)
    plans = plan_archive(Path(), archive=archive, seed=seed, observation=Observation(shape=size))
    predictors, labels = [], []
    for plan in plans:
        maps = true_maps(plan, ratios, classes)
        spaxels = rng.choice(size[0] * size[1], SPAXELS_PER_GALAXY, replace=False)
        places = list(zip(*np.unravel_index(spaxels, size), strict=True))
        predictors.append(maps.predictors(places, ratios))
        labels.append([maps.shares[:, y, x].argmax() for y, x in places])
    return np.concatenate(predictors), np.concatenate(labels)
