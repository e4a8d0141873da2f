"""Agreement of partitions: known values, and nothing depends on the numbers of the clusters."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from survey.validation.agreement import (
    adjusted_mutual_information,
    adjusted_rand,
    agreement,
    best_jaccard,
    concentricity,
)


@pytest.mark.parametrize("seed", range(5))
def test_the_index_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(1, 5, 200), rng.integers(1, 4, 200)
    second[:120] = first[:120]
    assert adjusted_rand(first, second) == pytest.approx(adjusted_rand_score(first, second))


def test_spaxels_that_one_partition_leaves_out_count_for_nothing():
    first = np.array([1, 1, 2, 2, 1, 2])
    second = np.array([2, 2, 1, 1, 0, 0])
    assert adjusted_rand(first, second) == 1.0
    assert np.isnan(adjusted_rand(first, np.zeros(6, int)))


def test_two_partitions_of_one_cluster_agree_and_one_of_two_does_not():
    one, two = np.ones(10, int), np.repeat([1, 2], 5)
    assert adjusted_rand(one, one) == 1.0
    assert adjusted_rand(one, two) == 0.0


def test_of_one_cluster_the_share_that_stays_together_is_taken():
    assert agreement(np.ones(10, int), np.repeat([1, 2], [8, 2])) == pytest.approx(0.8)


def test_a_cluster_that_is_found_again_has_a_jaccard_index_of_one_whatever_its_number():
    adopted = np.repeat([1, 2, 3], [10, 20, 5])
    other = np.repeat([3, 1, 1], [10, 20, 5])
    np.testing.assert_allclose(best_jaccard(adopted, other), [1.0, 20 / 25, 5 / 25])


def test_a_cluster_without_a_common_spaxel_has_no_index():
    found = best_jaccard(np.repeat([1, 2], 4), np.repeat([1, 0], 4))
    assert found[0] == 1.0
    assert np.isnan(found[1])


def test_rings_are_concentric_in_any_numbering_and_halves_are_not():
    y, x = (axis.ravel() for axis in np.indices((21, 21)))
    radius = np.hypot(y - 10, x - 10)
    rings = np.digitize(radius, [4, 8])
    for renumbered in ([1, 2, 3], [3, 1, 2]):
        assert concentricity(np.array(renumbered)[rings], radius) == pytest.approx(1.0)
    halves = np.where(x > 10, 2, 1)
    assert abs(concentricity(halves, radius)) < 0.1


def test_adjusted_mutual_information_is_that_of_the_literature():
    rng = np.random.default_rng(3)
    for k, m in ((2, 2), (3, 7), (1, 4), (1, 1)):
        first, second = rng.integers(1, k + 1, 200), rng.integers(1, m + 1, 200)
        second = np.where(rng.random(200) < 0.4, np.minimum(first, m), second)
        expected = adjusted_mutual_info_score(first, second)
        assert adjusted_mutual_information(first, second) == pytest.approx(expected, abs=1e-9)
        assert adjusted_mutual_information(first, first) == pytest.approx(1.0)
