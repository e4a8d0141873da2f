import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from sklearn.metrics import adjusted_rand_score

from survey.clustering.criteria import partition
from survey.distances.distances import shifted_distances
from survey.distances.noise import FLOOR, noise_energy, without_noise
from survey.linkage.fastcluster import linkage_tree

SAMPLES = 600


def noisy(shapes: np.ndarray, sigma: np.ndarray, seed: int = 0) -> np.ndarray:
    return shapes + sigma[:, None] * np.random.default_rng(seed).normal(size=shapes.shape)


def test_the_energy_of_white_noise_is_known_to_some_per_cent():
    sigma = np.repeat([0.1, 1.0, 5.0], 40)
    energy = noise_energy(noisy(np.zeros((120, SAMPLES)), sigma))
    assert np.median(energy / (SAMPLES * sigma**2)) == pytest.approx(1.0, abs=0.05)
    assert np.abs(energy / (SAMPLES * sigma**2) - 1.0).max() < 0.5


def test_noise_that_grows_along_the_spectrum_is_summed_where_it_is():
    level = np.linspace(0.1, 3.0, SAMPLES)
    spectra = level * np.random.default_rng(1).normal(size=(200, SAMPLES))
    assert np.median(noise_energy(spectra)) == pytest.approx((level**2).sum(), rel=0.05)


def test_lines_are_not_taken_for_noise():
    wavelength = np.arange(SAMPLES)
    line = 50 * np.exp(-0.5 * ((wavelength - 300) / 3.0) ** 2)
    sigma = np.ones(100)
    with_line = noise_energy(noisy(np.tile(line, (100, 1)), sigma))
    without = noise_energy(noisy(np.zeros((100, SAMPLES)), sigma))
    assert np.median(with_line) == pytest.approx(np.median(without), rel=0.1)


def test_what_is_left_of_equal_shapes_is_about_zero():
    sigma = np.repeat([0.2, 2.0], 50)
    spectra = noisy(np.ones((100, SAMPLES)), sigma)
    condensed = pdist(spectra, "sqeuclidean")
    left = without_noise(condensed, noise_energy(spectra))
    assert left.mean() < (FLOOR + 0.1) * condensed.mean()


@given(
    st.integers(2, 12).flatmap(
        lambda n: st.tuples(
            st.lists(st.floats(0, 1e3), min_size=n * (n - 1) // 2, max_size=n * (n - 1) // 2),
            st.lists(st.floats(0, 1e3), min_size=n, max_size=n),
        )
    )
)
def test_both_energies_are_taken_off_every_pair_down_to_a_part_of_it(case):
    condensed, energy = map(np.array, case)
    i, j = np.triu_indices(len(energy), k=1)
    expected = np.maximum(condensed - energy[i] - energy[j], FLOOR * condensed)
    np.testing.assert_allclose(without_noise(condensed, energy), expected, atol=1e-9)
    in_place = condensed.copy()
    without_noise(in_place, energy, out=in_place)
    np.testing.assert_allclose(in_place, expected, atol=1e-9)


def test_pairs_within_the_noise_are_not_all_alike():
    spectra = noisy(np.ones((100, SAMPLES)), np.repeat([0.2, 2.0], 50))
    condensed = pdist(spectra, "sqeuclidean")
    left = without_noise(condensed, noise_energy(spectra))
    assert len(np.unique(left)) == len(left), "a tree would break ties by chance"


@pytest.mark.parametrize("seed", range(4))
def test_a_few_noisy_spaxels_do_not_hide_the_shapes_of_the_others(seed):
    wavelength = np.arange(SAMPLES)
    bump = 1.0 + np.exp(-0.5 * ((wavelength - 200) / 40.0) ** 2)
    truth = np.tile([0, 1], 60)
    quiet = np.arange(120) < 108
    shapes = np.where(truth[:, None] == 1, bump, 1.0)
    spectra = noisy(shapes, np.where(quiet, 0.05, 2.0), seed)
    condensed = shifted_distances(spectra, 3).condensed

    plain = partition(linkage_tree(condensed, "ward"), 2)
    cleaned = without_noise(condensed, noise_energy(spectra))
    found = partition(linkage_tree(cleaned, "ward"), 2)
    assert adjusted_rand_score(truth[quiet], plain[quiet]) < 0.1, "noisy against the rest"
    assert adjusted_rand_score(truth[quiet], found[quiet]) == 1.0
