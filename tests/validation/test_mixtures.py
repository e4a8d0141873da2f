"""Galaxies of the fractions that were measured of their clusters."""

import numpy as np

from survey.validation.agreement import adjusted_rand
from survey.validation.mixtures import clusters_of_mixtures, mixed_flux
from survey.validation.recluster import link
from tests.validation.galaxies import galaxy_of


def test_a_mixture_is_the_galaxy_without_its_noise():
    galaxy = galaxy_of(2)
    linked = link(galaxy.data, galaxy.recipe)
    flux = mixed_flux(galaxy, linked)
    scatter = (galaxy.data.flux - flux) / galaxy.data.noise[:, None]
    assert 0.9 < scatter.std() < 1.1
    assert np.median(np.abs(flux - galaxy.noiseless)) < 0.03


def test_real_clusters_come_out_of_their_mixtures():
    galaxy = galaxy_of(2)
    linked = link(galaxy.data, galaxy.recipe)
    labels = clusters_of_mixtures(galaxy, linked, np.random.default_rng(0))
    assert adjusted_rand(galaxy.labels, labels) > 0.95
