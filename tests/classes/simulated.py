"""A sample of clusters whose classes are known, with the ratios of three kinds of region.

Mean log fluxes relative to [Ne II] are rounded from the component spectra of the simulated
galaxies; galaxies differ from one another, and clusters within them.
"""

from dataclasses import fields
from itertools import combinations
from typing import Any

import numpy as np

from catalogs.reference import packaged_reference
from survey.classes.predictors import Measurements, Predictor
from survey.classes.ratios import FeatureFluxes, Ratio, parse_ratios
from survey.classes.sample import LabelledSample, PredictorSample, Sample
from survey.classes.types import UNLABELLED
from survey.features.limits import upper_limit

CLASSES = ("AGN", "SF", "other")
FEATURES = (
    "NeV_14.32",
    "ArV_13.10",
    "MgV_13.52",
    "NeIII_15.56",
    "NeII_12.81",
    "ClII_14.37",
    "HI_7-6_12.37",
    "H2_S1_17.03",
    "H2_S2_12.28",
    "PAH_12.0",
    "PAH_12.7",
    "PAH_16.4",
)
MEANS = np.array(
    [
        # NeV   ArV   MgV  NeIII NeII ClII   Hu a   S1    S2   12.0  12.7  16.4
        [-0.1, -1.3, -1.2, 0.15, 0.0, -1.9, -2.0, -0.9, -1.2, 0.0, 0.4, -0.4],
        [-3.0, -3.2, -3.2, -0.9, 0.0, -1.8, -1.95, -0.9, -1.3, 0.7, 1.1, 0.3],
        [-1.5, -2.4, -2.6, -0.3, 0.0, -1.6, -2.2, -0.35, -0.7, 0.2, 0.5, 0.0],
    ]
)
SLOPES = np.array([1.2, 2.0, 1.4])
NE_II_FLUX = 1e-18
ALL_RATIOS = parse_ratios(combinations(FEATURES, 2))


def packaged_set(name: str) -> tuple[Ratio, ...]:
    """A named set of the packaged table of ratios."""
    return parse_ratios(packaged_reference().ratios(name))


def simulated_sample(
    seed: int = 0,
    *,
    galaxies: int = 15,
    clusters: int = 67,
    labelled_fraction: float = 0.5,
    galaxy_scatter: float = 0.15,
    cluster_scatter: float = 0.12,
    noise: float = 0.02,
    ratios: tuple[Ratio, ...] = ALL_RATIOS,
    means: np.ndarray = MEANS,
) -> tuple[LabelledSample, np.ndarray]:
    """Clusters of which some are labelled, and the true classes of all.

    Scatters are in dex; `noise` is the error of a line in units of [Ne II].
    """
    rng = np.random.default_rng(seed)
    galaxy = np.arange(clusters) % galaxies
    truth = rng.choice(3, size=clusters, p=(0.4, 0.4, 0.2)).astype(np.int32)
    log_flux = means[truth] + galaxy_scatter * rng.normal(size=(galaxies, 12))[galaxy]
    log_flux += cluster_scatter * rng.normal(size=log_flux.shape)
    log_flux += 0.5 * rng.normal(size=(clusters, 1))
    error = NE_II_FLUX * noise * 10 ** rng.normal(0.0, 0.2, size=log_flux.shape)
    slope = SLOPES[truth] + 0.4 * rng.normal(size=clusters)
    labels = np.where(rng.random(clusters) < labelled_fraction, truth, UNLABELLED)
    sample = Sample(
        galaxy=galaxy,
        fluxes=observed(NE_II_FLUX * 10**log_flux, error, rng),
        ratios=ratios,
        slope=slope,
        slope_error=np.full(clusters, 0.1),
    )
    return LabelledSample(sample, labels.astype(np.int32), CLASSES), truth


CONTINUUM = 30 * NE_II_FLUX
"""Per micron, beside all features of the first class."""

MEASURED = (
    Predictor(("NeIII_15.56",), ("NeII_12.81",), 0.03),
    Predictor(("NeV_14.32",), ("NeII_12.81",), 0.03),
    Predictor(("H2_S1_17.03",), ("NeII_12.81",), 0.02),
    Predictor(("PAH_12.7",), ("continuum",), 0.003),
    Predictor(("NeII_12.81",), ("continuum",), 0.003),
    Predictor(("slope_alpha",), ()),
)


def measured_sample(seed: int = 0, **options: Any) -> tuple[LabelledSample, np.ndarray]:
    """The same clusters with a set of predictors, equivalent widths among them."""
    labelled, truth = simulated_sample(seed, **{"ratios": ALL_RATIOS[:11]} | options)
    fluxes = labelled.sample.fluxes
    level = CONTINUUM * np.array([1.0, 0.2, 0.4])[truth][:, np.newaxis]
    # Brighter clusters have a brighter continuum.
    level = level * fluxes.flux[:, [FEATURES.index("NeII_12.81")]].clip(NE_II_FLUX) / NE_II_FLUX
    sample = PredictorSample(
        **{f.name: getattr(labelled.sample, f.name) for f in fields(labelled.sample)},
        set=MEASURED,
        measurements=Measurements(
            features=FEATURES,
            flux=fluxes.flux,
            error=fluxes.error,
            detected=fluxes.detected,
            width=fluxes.flux / level,
            width_error=fluxes.error / level,
        ),
    )
    return LabelledSample(sample, labelled.labels, labelled.classes), truth


def observed(
    flux: np.ndarray, error: np.ndarray, rng: np.random.Generator, features: tuple = FEATURES
) -> FeatureFluxes:
    """Fluxes with noise, detected above 3 sigma, with their upper limits."""
    measured = flux + error * rng.normal(size=flux.shape)
    return FeatureFluxes(
        features=features,
        flux=measured,
        error=error,
        detected=measured >= 3 * error,
        limit=upper_limit(measured, error, 3.0),
    )
