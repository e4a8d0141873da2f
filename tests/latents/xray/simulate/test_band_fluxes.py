"""Simulated classes have the hardness ratios of real ones, and teach to tell real ones apart."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from survey.latents.xray.catalog_tables import CatalogSources, read_catalog_table
from survey.latents.xray.simulate.band_fluxes import BandFluxes, simulate_band_fluxes

SIGNIFICANCE = 5.0


@pytest.fixture(scope="module")
def real(shared_data: Path) -> tuple[CatalogSources, np.ndarray, np.ndarray]:
    """Published sources, their significance, and which were not looked at for the parameters."""
    file = shared_data / "csc" / "muwclass_TD.csv.gz"
    sources = read_catalog_table(file)
    significance = pd.read_csv(file)["CSCv2_S/N"].to_numpy()
    other = np.array([int.from_bytes(name[-6:].encode(), "big") % 2 == 1 for name in sources.names])
    return sources, significance, other


@pytest.fixture(scope="module")
def simulated(real) -> BandFluxes:
    _, significance, _ = real
    return simulate_band_fluxes(150, significance[significance >= SIGNIFICANCE], seed=4)


@pytest.mark.real_data
def test_medians_are_those_of_sources_that_were_not_looked_at(real, simulated) -> None:
    sources, significance, other = real
    chosen = other & (significance >= SIGNIFICANCE)
    off = {
        name: np.nanmedian(simulated.hardness[simulated.classes == name], axis=0)
        - np.nanmedian(sources.hardness[chosen & (sources.classes == name)], axis=0)
        for name in np.unique(sources.classes)
    }
    assert len(off) == 8
    # The noise of a median of 150 simulated sources is about 0.05.
    assert all((np.abs(one) < 0.15 + 0.08).all() for one in off.values()), off
    assert np.mean([np.abs(one) < 0.15 for one in off.values()]) > 0.85


@pytest.mark.real_data
def test_a_rule_that_learned_from_simulations_alone_knows_real_classes(real, simulated) -> None:
    sources, significance, _ = real
    bright = significance >= SIGNIFICANCE
    ratios, classes = np.nan_to_num(sources.hardness[bright]), sources.classes[bright]
    rule = make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced")
    )
    own = balanced_accuracy_score(classes, cross_val_predict(rule, ratios, classes, cv=5))
    rule.fit(simulated.hardness, simulated.classes)
    taught = balanced_accuracy_score(classes, rule.predict(ratios))
    assert taught > 0.8 * own > 0.8 * 0.33
