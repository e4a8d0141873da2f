"""Shares of the classes in the light."""

import numpy as np
import pytest

from survey.classes.shares import class_shares, end_member_light

CLUSTER = np.array([1, 1, 2])
LIGHT = np.array([1.0, 3.0, 2.0])
FRACTIONS = np.array([[1.0, 0.0, 0.0], [0.5, 0.25, 0.25], [0.0, 0.5, 0.5]])


def test_light_of_every_cluster_is_divided_among_the_end_members():
    # The first has 1 + 3/2 of its own light, and 3/4 of each of the others; the third no spaxel.
    expected = [[2.5, 0.75, 0.75], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(end_member_light(CLUSTER, LIGHT, FRACTIONS), expected)


def test_end_members_count_by_their_light_and_their_probabilities():
    light = end_member_light(CLUSTER, LIGHT, FRACTIONS)[:2]
    p = np.array([[1.0, 0.0], [0.2, 0.8], [1.0, 0.0]])
    # (2.5 + 0.75 x 0.2 + 0.75) / 4 and 0.75 x 0.8 / 4; 0.5 x 0.2 + 0.5 and 0.5 x 0.8
    np.testing.assert_allclose(class_shares(light, p), [[3.4 / 4, 0.6 / 4], [0.6, 0.4]])


def test_light_of_end_members_without_a_class_is_of_none():
    light = end_member_light(CLUSTER, LIGHT, FRACTIONS)[:2]
    p = np.array([[1.0, 0.0], [np.nan, np.nan], [0.0, 1.0]])
    np.testing.assert_allclose(class_shares(light, p), [[2.5 / 4, 0.75 / 4], [0.0, 0.5]])


@pytest.mark.parametrize("k", [1, 4])
def test_shares_add_up_to_one_if_all_have_a_class(k):
    rng = np.random.default_rng(k)
    fractions = rng.dirichlet(np.ones(k), 50)
    light = end_member_light(rng.integers(1, k + 1, 50), rng.uniform(1, 9, 50), fractions)
    shares = class_shares(light, rng.dirichlet(np.ones(3), k))
    # A number without spaxels has no light.
    np.testing.assert_allclose(shares[light.any(axis=1)].sum(axis=1), 1.0)
