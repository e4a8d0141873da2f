"""What is unlike all others is found, in either way."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest

from survey.errors import ConfigError
from survey.latents.anomaly import deviance_moments, find_anomalies, misfit, nearest
from survey.latents.models.likelihood import poisson_deviance
from survey.latents.models.nmf import SpectralNMF
from survey.latents.models.pca import SpectralPCA
from survey.latents.spectra import concatenate
from tests.latents.toys import counted, measured


@pytest.mark.parametrize("mean", [1e-8, 1e-3, 0.2, 1.0, 7.0, 300.0, 1e5])
def test_moments_of_the_deviance_are_those_of_draws(mean):
    counts = np.random.default_rng(0).poisson(mean, (400_000, 1))
    every = np.ones(counts.shape, bool)
    draws = poisson_deviance(counts, np.full(counts.shape, mean), every)
    expectation, variance = (float(m[0]) for m in deviance_moments(np.array([mean])))
    assert draws.mean() == pytest.approx(expectation, rel=0.02, abs=5e-5)
    assert draws.var() == pytest.approx(variance, rel=0.05, abs=2e-3)


def test_spectra_of_the_truth_do_not_misfit():
    toy = counted(400, counts=(40, 400))
    assert kstest(misfit(toy.spectra, toy.expected), "norm").statistic < 0.1
    flux = measured(400)
    assert kstest(misfit(flux.spectra, flux.expected), "norm").statistic < 0.1


def test_a_line_that_no_other_spectrum_has_is_an_anomaly():
    toy = counted(300, counts=(500, 1000))
    values = toy.spectra.values.copy()
    values[17, 50:52] += 60
    odd = replace(toy.spectra, values=values)
    found = find_anomalies(SpectralNMF(4).fit(toy.spectra), odd)
    assert found.misfit.argmax() == 17
    assert found.score[17] == 1


def test_a_spectrum_far_from_all_others_is_an_anomaly():
    toy = measured(200, snr=100)
    strong = measured(1, seed=5, snr=100)
    values = strong.expected * (1 + (np.arange(120) - 60) / 20)
    odd = replace(strong.spectra, values=values, ids=np.array(["odd"]), sources=np.array(["odd"]))
    model = SpectralPCA(3).fit(toy.spectra)
    found = find_anomalies(model, concatenate([toy.spectra, odd]))
    assert found.isolation.argmax() == 200
    assert np.median(found.isolation) == pytest.approx(1)


def test_neighbours_are_the_nearest_and_never_oneself():
    latents = np.random.default_rng(1).normal(size=(50, 4))
    latents[7] = latents[3]
    rows, distance = nearest(latents, 3, 5)
    assert rows[0] == 7
    assert distance[0] == pytest.approx(0)
    assert 3 not in rows
    assert (np.diff(distance) >= 0).all()
    assert len(nearest(latents, 3, 500)[0]) == 49
    with pytest.raises(ConfigError, match="only one spectrum"):
        nearest(latents[:1], 0, 3)
