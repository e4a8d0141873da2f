"""Shares of the classes in the light."""

import numpy as np
import pytest

from survey.classes.shares import class_shares, end_member_light
from survey.classes.types import UNLABELLED

CLUSTER = np.array([1, 1, 2])
LIGHT = np.array([1.0, 3.0, 2.0])
FRACTIONS = np.array([[1.0, 0.0, 0.0], [0.5, 0.25, 0.25], [0.0, 0.5, 0.5]])


def test_light_of_every_cluster_is_divided_among_the_end_members():
    # The first has 1 + 3/2 of its own light, and 3/4 of each of the others; the third no spaxel.
    expected = [[2.5, 0.75, 0.75], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(end_member_light(CLUSTER, LIGHT, FRACTIONS), expected)


def test_bright_spaxels_count_more_and_end_members_of_one_class_together():
    light = end_member_light(CLUSTER, LIGHT, FRACTIONS)[:2]
    shares = class_shares(light, np.array([0, 1, 0], np.int32), 2)
    np.testing.assert_allclose(shares, [[3.25 / 4, 0.75 / 4], [0.5, 0.5]])


def test_light_of_end_members_without_a_class_is_of_none():
    light = end_member_light(CLUSTER, LIGHT, FRACTIONS)[:2]
    shares = class_shares(light, np.array([0, UNLABELLED, 1], np.int32), 2)
    np.testing.assert_allclose(shares, [[2.5 / 4, 0.75 / 4], [0.0, 0.5]])


@pytest.mark.parametrize("k", [1, 4])
def test_shares_add_up_to_one_if_all_have_a_class(k):
    rng = np.random.default_rng(k)
    fractions = rng.dirichlet(np.ones(k), 50)
    light = end_member_light(rng.integers(1, k + 1, 50), rng.uniform(1, 9, 50), fractions)
    shares = class_shares(light, rng.integers(0, 3, k).astype(np.int32), 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
