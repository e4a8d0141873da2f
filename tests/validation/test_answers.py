"""Answers about galaxies whose clusters are known to be real, or known not to be."""

from dataclasses import replace

import numpy as np
import pytest

from survey.config import CutSettings
from survey.validation.answers import Answer, measure_answers
from survey.validation.galaxy import representative_rows
from survey.validation.variants import QUICK, cut_at_one_height, halves_of_planes
from tests.validation.galaxies import galaxy_of


@pytest.fixture(scope="module")
def of_two() -> dict[tuple[str, str, int], Answer]:
    """Answers about a galaxy of two very different halves, with a known PSF."""
    return by_key(measure_answers(galaxy_of(2, fwhm_arcsec=0.6)))


def by_key(answers: list[Answer]) -> dict[tuple[str, str, int], Answer]:
    return {(one.question, one.variant, one.cluster): one for one in answers}


@pytest.mark.parametrize(
    ("question", "variant"),
    [
        ("linkage", "ward"),
        ("linkage", "complete"),
        ("cut", "stricter"),
        ("cut", "laxer"),
        ("noise", "noise added once more"),
        ("spaxels", "one half"),
        ("spaxels", "other half"),
        ("lines", "lines masked"),
        ("shift", "no shift"),
    ],
)
def test_real_clusters_are_found_again_in_other_ways(of_two, question, variant):
    answer = of_two[question, variant, 0]
    assert answer.value > 0.95
    assert not answer.null or min(answer.null) > 0.95


def test_two_clusters_are_not_compared_with_one(of_two):
    assert ("cut", "k-1", 0) not in of_two
    assert of_two["cut", "k+1", 0].value > 0.6


def test_every_real_cluster_is_found_again(of_two):
    assert of_two["clusters", "found again", 1].value > 0.95
    assert of_two["clusters", "found again", 2].value > 0.95


def test_noise_and_a_point_source_make_one_cluster(of_two):
    assert of_two["noise alone", "mean spectrum", 0].value == 1
    assert of_two["point source", "alone", 0].value == 1


def test_halves_side_by_side_are_no_rings(of_two):
    assert abs(of_two["rings", "concentric", 0].value) < 0.2
    assert of_two["rings", "same clusters", 0].value < 0.5


def test_answers_repeat():
    first, second = (measure_answers(galaxy_of(2), QUICK) for _ in range(2))
    assert repr(first) == repr(second)


def test_without_a_point_spread_function_its_questions_are_left_open():
    answers = by_key(measure_answers(galaxy_of(2), QUICK))
    assert np.isnan(answers["point source", "alone", 0].value)
    assert not any(question == "rings" for question, _, _ in answers)


def test_one_cluster_that_is_one_stays_together():
    answers = by_key(measure_answers(galaxy_of(1), QUICK))
    for key in (("linkage", "ward", 0), ("noise", "noise added once more", 0)):
        assert answers[key].measure == "share in one cluster"
        assert answers[key].value > 0.95


def test_clusters_drawn_at_random_are_not_found_again():
    galaxy = galaxy_of(1)
    labels = np.random.default_rng(0).integers(1, 3, len(galaxy.labels)).astype(np.int32)
    wrong = replace(galaxy, labels=labels, medians=np.repeat(galaxy.medians, 2, axis=0))
    answers = by_key(measure_answers(wrong, QUICK))
    assert answers["linkage", "ward", 0].value < 0.1
    assert answers["noise", "noise added once more", 0].value < 0.1


def test_a_fixed_number_of_clusters_has_its_own_other_cuts():
    galaxy = galaxy_of(2)
    recipe = replace(galaxy.recipe, cut=CutSettings(criterion="fixed", k=2))
    answers = by_key(measure_answers(replace(galaxy, recipe=recipe), QUICK))
    assert {variant for question, variant, _ in answers if question == "cut"} == {
        "k+1",
        "one height",
    }


def test_half_of_the_planes_is_half_of_those_that_are_compared():
    data = galaxy_of(1).data
    compared = data.compared.copy()
    compared[:100] = False
    short, long = halves_of_planes(replace(data, compared=compared))
    assert short.sum() == long.sum() == compared.sum() // 2
    assert not (short & long).any()
    assert not short[:100].any()
    assert np.flatnonzero(short)[-1] < np.flatnonzero(long)[0]


def test_a_cut_at_one_height_leaves_out_what_is_too_small():
    # Leaves 0-3 and 4-7 are two groups; leaf 8 joins last and is too small.
    tree = np.array(
        [
            [0, 1, 1, 2], [2, 3, 1, 2], [9, 10, 1, 4],
            [4, 5, 1, 2], [6, 7, 1, 2], [12, 13, 1, 4],
            [11, 14, 2, 8], [15, 8, 3, 9],
        ],
        float,
    )  # fmt: skip
    labels = cut_at_one_height(tree, 2, 3, np.ones(9, dtype=bool))
    assert labels[8] == 0
    assert len(np.unique(labels[:4])) == len(np.unique(labels[4:8])) == 1
    assert labels[0] != labels[4]


def test_a_sample_of_a_large_galaxy_has_all_its_clusters():
    labels = np.repeat([1, 2, 3], [9000, 900, 12])
    rows = representative_rows(labels, 1000, 10, np.random.default_rng(0))
    counts = np.bincount(labels[rows])[1:]
    np.testing.assert_allclose(counts, [908, 91, 10], atol=1)
    assert len(np.unique(rows)) == len(rows)
    np.testing.assert_array_equal(
        representative_rows(labels[:50], 1000, 10, np.random.default_rng(0)), np.arange(50)
    )
