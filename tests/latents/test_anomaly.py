"""What is unlike all others is found, in either way."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest, spearmanr

from survey.errors import ConfigError
from survey.latents.anomaly import (
    deviance_moments,
    find_anomalies,
    misfit,
    model_error,
    nearest,
)
from survey.latents.grid import Grid
from survey.latents.models.likelihood import poisson_deviance
from survey.latents.models.nmf import SpectralNMF
from survey.latents.models.pca import SpectralPCA
from survey.latents.spectra import SpectrumSet, concatenate
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


def of_many_brightnesses(n: int, seed: int) -> tuple[SpectrumSet, np.ndarray, np.ndarray]:
    """Fluxes that a linear model does not quite describe, their S/N, and which have a line more."""
    rng, x = np.random.default_rng(seed), np.linspace(0, 1, 200)
    parts = [1 + 0 * x, x, np.exp(-((x - 0.3) ** 2) / 0.002), np.exp(-((x - 0.7) ** 2) / 0.0008)]
    shape = rng.dirichlet(np.ones(4), n) @ np.stack(parts)
    moving = 0.6 + 0.08 * rng.normal(size=(n, 1))
    shape += 0.05 * np.exp(-((x - moving) ** 2) / 0.0005)
    odd = np.zeros(n, bool)
    odd[rng.permutation(n)[: n // 25]] = True
    place = rng.uniform(0.05, 0.95, (n, 1))
    shape += odd[:, None] * 0.3 * np.exp(-((x - place) ** 2) / 0.0005)
    snr, brightness = 10 ** rng.uniform(1.0, 3.2, n), 10 ** rng.uniform(-1, 2, (n, 1))
    sigma = brightness * (shape.mean(axis=1) / snr)[:, None] * np.ones(200)
    values = brightness * shape + sigma * rng.normal(size=(n, 200))
    grid = Grid(np.linspace(5, 10, 201), "um")
    return SpectrumSet(values, grid, "flux", ivar=1 / sigma**2), snr, odd


def test_misfits_of_fluxes_rank_shapes_and_not_brightness():
    spectra, snr, odd = of_many_brightnesses(400, 1)
    model = SpectralPCA(5).fit(spectra)
    mean = model.expected(spectra)
    plain, beyond = misfit(spectra, mean), misfit(spectra, mean, model_error(spectra, mean))
    assert spearmanr(plain, snr).statistic > 0.8
    assert abs(spearmanr(beyond, snr).statistic) < 0.4
    assert beyond.max() < 0.05 * plain.max()
    bright = snr > 30
    rank = beyond.argsort().argsort()
    assert rank[odd & bright].mean() > 1.5 * rank[~odd & bright].mean()


def test_a_model_that_is_right_has_no_error_of_its_own():
    flux = measured(400)
    error = model_error(flux.spectra, flux.expected)
    noise = 1 / np.sqrt(np.median(flux.spectra.ivar)) / np.abs(flux.expected).mean()
    assert np.median(error) < 0.3 * noise
    few = flux.spectra.rows(np.arange(8))
    assert not model_error(few, flux.expected[:8]).any()
