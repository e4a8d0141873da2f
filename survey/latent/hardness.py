"""Hardness ratios: what three broad bands tell, against which every latent space is measured.

The bands are those of the Chandra Source Catalog (Evans et al. 2010, ApJS 189, 37), and so are
the ratios, of fluxes or of counts: (H - M) / (H + M), (H - S) / (H + S), (M - S) / (M + S).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from survey.errors import ConfigError, DataError
from survey.latent.spectra import SpectrumSet

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]

BANDS_KEV = {"soft": (0.5, 1.2), "medium": (1.2, 2.0), "hard": (2.0, 7.0)}
RATIOS = ("hard_hm", "hard_hs", "hard_ms")


@dataclass(frozen=True)
class Score:
    """Balanced accuracy, mean and standard deviation over repetitions of a cross-validation."""

    mean: float
    std: float


def hardness_ratios(soft: Floats, medium: Floats, hard: Floats) -> Floats:
    """The three ratios (n, 3) of `RATIOS`, from -1 to 1.

    Fluxes below zero, as are left of faint sources when the background is taken off, count as
    zero. A ratio of nothing to nothing is zero, and NaN where a flux is.
    """
    s, m, h = (np.maximum(np.asarray(band, dtype=np.float64), 0.0) for band in (soft, medium, hard))
    return np.stack([_ratio(h, m), _ratio(h, s), _ratio(m, s)], axis=1)


def band_hardness(spectra: SpectrumSet) -> Floats:
    """The three ratios (n, 3) of net counts, the expected background taken off.

    Raises
    ------
    DataError
        If the spectra are not of counts in keV that cover the bands.
    """
    grid = spectra.grid
    low, high = BANDS_KEV["soft"][0], BANDS_KEV["hard"][1]
    covered = grid.unit == "keV" and grid.edges[0] < low + 0.1 and grid.edges[-1] > high - 0.1
    if spectra.kind != "counts" or not covered:
        raise DataError(
            "hardness ratios need counts in the bands of the Chandra Source Catalog",
            expected=f"counts from {low:g} to {high:g} keV",
            found=f"{spectra.kind}, {grid.edges[0]:g} to {grid.edges[-1]:g} {grid.unit}",
        )
    net = spectra.values - spectra.background
    soft, medium, hard = (net[:, grid.within(*band)].sum(axis=1) for band in BANDS_KEV.values())
    return hardness_ratios(soft, medium, hard)


def balanced_accuracy(
    features: Floats,
    classes: Names,
    groups: Names,
    *,
    classifier: Literal["logistic", "forest"] = "logistic",
    folds: int = 5,
    seeds: Sequence[int] = (0, 1, 2),
) -> Score:
    """Balanced accuracy of a classifier in cross-validation stratified by class.

    Rows of one group are never parted, so nothing is learnt from one detection of a source and
    tested on another. Classes weigh alike in training too. Missing features are replaced by
    their median.

    Parameters
    ----------
    features : array (n, k)
    classes, groups : array (n,) of str
    classifier : {"logistic", "forest"}
    folds : int
    seeds : sequence of int
        One repetition each.

    Raises
    ------
    ConfigError
        If a class has fewer groups than there are folds.
    """
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    for name in np.unique(classes):
        if (number := len(np.unique(groups[classes == name]))) < folds:
            raise ConfigError(
                f"too few sources of class {name} for a cross-validation",
                expected=f"{folds} or more",
                found=str(number),
            )
    scores = []
    for seed in seeds:
        parts = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        predicted = cross_val_predict(
            _CLASSIFIERS[classifier](seed), features, classes, groups=groups, cv=parts
        )
        scores.append(balanced_accuracy_score(classes, predicted))
    return Score(float(np.mean(scores)), float(np.std(scores)))


def _ratio(above: Floats, below: Floats) -> Floats:
    total = above + below
    return np.divide(
        above - below, total, out=np.where(np.isnan(total), np.nan, 0.0), where=total > 0
    )


def _logistic(seed: int) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        SimpleImputer(strategy="median"),
        StandardScaler(),
        LogisticRegression(class_weight="balanced", max_iter=1000, random_state=seed),
    )


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    # Leaves of single sources would learn the common classes by heart.
    forest = RandomForestClassifier(
        200, class_weight="balanced", min_samples_leaf=5, random_state=seed
    )
    return make_pipeline(SimpleImputer(strategy="median"), forest)


_CLASSIFIERS: dict[str, Callable[[int], Any]] = {"logistic": _logistic, "forest": _forest}
