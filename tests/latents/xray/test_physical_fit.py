"""Fits of an absorbed power law and of plasma find what spectra were made of."""

from pathlib import Path

import numpy as np
import pytest

from survey.errors import DataError
from survey.latents.folding import Folding, single
from survey.latents.models.background import BackgroundModel
from survey.latents.spectra import SpectrumSet
from survey.latents.xray.acis import acis_grid, acis_like_response, photon_energies
from survey.latents.xray.physical_fit import fit_physical
from survey.latents.xray.simulate.absorption import transmission
from survey.latents.xray.spectra import find_spectra, load_spectra


def response() -> Folding:
    fine = acis_like_response().onto(acis_grid())
    return single(fine.matrix, fine.energies, photon_energies(), fine.name)


def simulated(values: np.ndarray, counts: float, seed: int) -> tuple[SpectrumSet, np.ndarray]:
    """Absorbed power laws (index, log10 of the column in 1e22), and the background."""
    rng, folding, energies = np.random.default_rng(seed), response(), photon_energies()
    photons = np.stack(
        [
            energies.centres**-index * transmission(energies.centres, 10**log_n_h) * energies.widths
            for index, log_n_h in values
        ]
    )
    which = np.zeros(len(values), np.int64)
    source = folding.fold(photons, which)
    source *= counts / source.sum(axis=1, keepdims=True)
    background = np.full(source.shape, 0.1 * counts / source.shape[1])
    seen = rng.poisson(source + background).astype(float)
    return SpectrumSet(seen, acis_grid(), "counts", folding=folding, response=which), background


def test_parameters_are_found_within_their_errors() -> None:
    rng = np.random.default_rng(5)
    truth = np.stack([rng.uniform(1.0, 3.0, 40), rng.uniform(-1.0, 0.6, 40)], axis=1)
    spectra, background = simulated(truth, 2000.0, 6)
    fits = fit_physical(spectra, background, "power law")
    pull = (fits.values - truth) / fits.errors
    assert np.abs(pull.mean(axis=0)).max() < 0.5
    assert 0.7 < pull.std() < 1.35
    p = spectra.values.shape[1]
    assert fits.deviance.mean() == pytest.approx(p, abs=0.12 * p)
    plasma = fit_physical(spectra, background, "thermal")
    assert (fits.deviance <= plasma.deviance + 1).mean() > 0.8


def test_the_column_of_an_unabsorbed_source_is_at_the_end_of_its_range_without_an_error() -> None:
    spectra, background = simulated(np.array([[1.8, -6.0]] * 6), 300.0, 3)
    fits = fit_physical(spectra, background, "power law")
    at_end = fits.values[:, 1] < -2.4
    assert at_end.any()
    assert np.isnan(fits.errors[at_end, 1]).all()
    assert np.isfinite(fits.errors[:, 0]).all()


def test_spectra_without_responses_are_refused() -> None:
    spectra = SpectrumSet(np.ones((2, 128)), acis_grid(), "counts")
    with pytest.raises(DataError, match="need the responses"):
        fit_physical(spectra, np.zeros((2, 128)), "thermal")


@pytest.mark.real_data
def test_observed_spectra_are_fitted_as_well_as_noise_lets_them(shared_data: Path) -> None:
    spectra = load_spectra(find_spectra(shared_data / "xray"), folded=True).spectra
    background = BackgroundModel.of(spectra).expected(spectra)
    both = [fit_physical(spectra, background, name) for name in ("power law", "thermal")]
    better = np.minimum(both[0].deviance, both[1].deviance)
    assert (better < spectra.mask.sum(axis=1) * 1.25).all()
    quasar = spectra.ids.tolist().index("9774")
    assert both[0].values[quasar, 0] == pytest.approx(1.74, abs=0.08)
    assert both[0].deviance[quasar] < both[1].deviance[quasar]
