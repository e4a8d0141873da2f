"""Spaxels of a blend go to the cluster that gives more of their light."""

import numpy as np
import pytest

from survey.clustering.walk.aligned import align_to_components
from survey.clustering.walk.blends import larger_share
from survey.distances.noise import noise_energy


@pytest.fixture
def spectra_of(make_shape):
    """Aligned spectra of mixtures with some shares of the light of the first shape."""

    def make(shares, snr=100.0):
        spectra = np.array([s * make_shape("a") + (1 - s) * make_shape("b") for s in shares])
        noise = np.random.default_rng(0).normal(size=spectra.shape)
        spectra += noise * (spectra.mean(axis=1) / snr)[:, None]
        spectra /= spectra.mean(axis=1, keepdims=True)
        return align_to_components(
            spectra, 2, snr=np.full(len(spectra), snr), energy=noise_energy(spectra)
        )

    return make


def test_a_mixed_parent_does_not_draw_spaxels_that_are_mostly_of_the_other(spectra_of):
    mixed, pure = np.linspace(0.55, 1.0, 40), np.zeros(40)
    blend = np.array([0.25, 0.30, 0.35, 0.40, 0.60, 0.65, 0.70])
    spectra = spectra_of([*mixed, *pure, *blend])
    parents = np.arange(40), np.arange(40, 80)
    members = np.arange(80, 87)
    means = tuple(spectra.mean(parent) for parent in parents)
    found = larger_share(spectra, members, parents, means)
    np.testing.assert_array_equal(found, blend > 0.5)  # the middle of the means is at 0.39

    swapped = larger_share(spectra, members, parents[::-1], means[::-1])
    np.testing.assert_array_equal(swapped, ~found)


def test_between_two_pure_parents_the_border_is_at_half_of_the_light(spectra_of):
    share = np.r_[np.ones(30), np.zeros(30), np.linspace(0.1, 0.9, 9)]
    spectra = spectra_of(share, snr=300.0)
    parents = np.arange(30), np.arange(30, 60)
    means = tuple(spectra.mean(parent) for parent in parents)
    found = larger_share(spectra, np.arange(60, 69), parents, means)
    near = np.isclose(share[60:], 0.5)
    np.testing.assert_array_equal(found[~near], share[60:][~near] > 0.5)
