"""Verdicts follow from answers and thresholds, and say their numbers."""

import re
from dataclasses import replace

import numpy as np
import pytest

from catalogs.errors import CatalogError
from catalogs.validation.columns import NOT_TESTABLE, ROBUST, SENSITIVE
from catalogs.validation.thresholds import packaged_thresholds, read_thresholds
from survey.validation.answers import Answer
from survey.validation.displacement import displacement_answers
from survey.validation.verdicts import Judged, judge

INDEX = "adjusted Rand index"


def stable(value: float, null: float = 1.0) -> list[Answer]:
    """The same answer to all questions that count."""
    questions = packaged_thresholds().questions.items()
    counted = [name for name, one in questions if one.counts]
    return [Answer(name, "a variant", INDEX, value, (null, null)) for name in counted]


def test_other_cuts_count_as_they_are_whatever_simulated_galaxies_give():
    cuts = [Answer("cut", name, INDEX, 0.4) for name in ("stricter", "laxer")]
    other = Answer("cut", "k+1", INDEX, 0.0)
    assert of_galaxy([*stable(1.0), *cuts, other]).answer.value == pytest.approx((1 + 1 + 0.4) / 3)


@pytest.mark.parametrize(
    ("left", "verdict"), [(0.05, ROBUST), (0.2, NOT_TESTABLE), (0.5, SENSITIVE)]
)
def test_stable_clusters_in_which_differences_remain_are_not_robust(left, verdict):
    answer = Answer("separation", "of the galaxy", "unexplained share", left)
    judged = of_galaxy([*stable(1.0), answer])
    assert judged.verdict == verdict
    assert verdict == ROBUST or f"unexplained share {left:.2f}" in judged.meaning


def test_clusters_without_spaxels_away_from_their_borders_are_not_robust():
    answer = Answer("separation", "of the galaxy", "unexplained share", np.nan)
    judged = of_galaxy([*stable(1.0), answer])
    assert judged.verdict == NOT_TESTABLE
    assert "away from borders" in judged.meaning


def test_clusters_that_mixtures_of_them_do_not_give_are_not_robust():
    for value, verdict in ((0.9, ROBUST), (0.1, NOT_TESTABLE)):
        mixed = Answer("mixtures", "measured fractions", INDEX, value)
        assert of_galaxy([*stable(1.0), mixed]).verdict == verdict
        assert of_galaxy([*stable(0.0), mixed]).verdict == SENSITIVE


def test_a_cluster_in_which_differences_remain_is_sensitive_alone():
    found = [
        Answer("clusters", "found again", "median Jaccard index", 1.0, (1.0,), number)
        for number in (1, 2)
    ]
    left = [
        Answer("separation", "of the cluster", "unexplained share", value, (), number)
        for number, value in ((1, 0.02), (2, 0.6))
    ]
    judged = judge([*stable(1.0), *left, *found], packaged_thresholds())
    verdicts = {
        one.answer.cluster: one.verdict for one in judged if one.answer.question == "verdict"
    }
    assert verdicts == {1: ROBUST, 2: SENSITIVE, 0: ROBUST}


def test_clusters_that_a_point_source_on_a_host_makes_are_no_finding():
    made = Answer("rings", "same clusters", INDEX, 0.9)
    assert of_galaxy([*stable(1.0), made]).verdict == SENSITIVE
    assert of_galaxy([*stable(1.0), replace(made, value=0.1)]).verdict == ROBUST


def of_galaxy(answers: list[Answer]) -> Judged:
    return judge(answers, packaged_thresholds())[-1]


@pytest.mark.parametrize(("value", "verdict"), [(0.99, ROBUST), (0.05, SENSITIVE)])
def test_a_galaxy_is_robust_if_other_ways_find_its_clusters(value, verdict):
    judged = of_galaxy(stable(value))
    assert judged.verdict == verdict
    assert judged.answer.value == pytest.approx(value)
    assert f"{value:.2f}" in judged.meaning


def test_answers_are_compared_with_those_of_simulated_galaxies():
    assert of_galaxy(stable(0.6, null=0.6)).answer.value == pytest.approx(1.0)
    assert of_galaxy(stable(0.9, null=0.6)).answer.value == pytest.approx(1.0)


def test_what_no_galaxy_would_pass_says_nothing():
    judged = judge(stable(0.0, null=0.1), packaged_thresholds())
    assert {one.verdict for one in judged} == {NOT_TESTABLE}


def test_clusters_of_noise_alone_make_a_galaxy_sensitive_however_stable():
    made = Answer("noise alone", "mean spectrum", "clusters", 3)
    judged = of_galaxy([*stable(1.0), made])
    assert judged.verdict == SENSITIVE
    assert "noise alone" in judged.meaning
    assert of_galaxy([*stable(1.0), replace(made, value=1)]).verdict == ROBUST


def test_clusters_of_a_point_source_alone_make_a_galaxy_sensitive():
    made = Answer("point source", "alone", "clusters", 2)
    assert of_galaxy([*stable(1.0), made]).verdict == SENSITIVE


def test_a_point_source_of_unknown_shape_leaves_the_verdict_to_the_rest():
    unknown = Answer("point source", "alone", "clusters", np.nan)
    judged = judge([*stable(1.0), unknown], packaged_thresholds())
    assert judged[-1].verdict == ROBUST
    assert next(one for one in judged if one.answer is unknown).verdict == NOT_TESTABLE


def test_an_answer_that_says_nothing_says_why():
    missing = {
        "one cluster": Answer("rings", "same clusters", INDEX, np.nan),
        "point-spread function": Answer("point source", "alone", "clusters", np.nan),
        f"even in simulated galaxies .* the {INDEX} is 0.20": Answer(
            "lines", "lines only", INDEX, 0.0, (0.2, 0.2)
        ),
    }
    for why, answer in missing.items():
        judged = judge([answer], packaged_thresholds())[0]
        assert judged.verdict == NOT_TESTABLE
        assert re.search(why, judged.meaning)


def test_every_cluster_has_its_own_verdict():
    answers = [
        Answer("clusters", "found again", "median Jaccard index", value, (null,), number)
        for number, (value, null) in enumerate([(0.95, 1.0), (0.1, 1.0), (0.1, 0.2)], start=1)
    ]
    judged = judge(answers, packaged_thresholds())[:-1]
    assert [one.answer.cluster for one in judged] == [1, 2, 3]
    assert [one.verdict for one in judged] == [ROBUST, SENSITIVE, NOT_TESTABLE]


def test_a_nucleus_and_its_host_are_two_clusters_and_no_rings():
    rings = Answer("rings", "same clusters", INDEX, 0.95)
    clusters = [
        Answer("clusters", "found again", "median Jaccard index", 1.0, (1.0,), number)
        for number in (1, 2, 3)
    ]
    assert of_galaxy([*stable(1.0), rings, *clusters[:2]]).verdict == ROBUST
    assert of_galaxy([*stable(1.0), rings, *clusters]).verdict == SENSITIVE


def test_one_cluster_claims_no_difference_that_could_be_tested():
    alone = Answer("clusters", "found again", "median Jaccard index", 1.0, (1.0,), 1)
    judged = of_galaxy([*stable(1.0), alone])
    assert judged.verdict == NOT_TESTABLE
    assert judged.answer.value == pytest.approx(1.0)
    made = Answer("noise alone", "mean spectrum", "clusters", 2)
    assert of_galaxy([*stable(1.0), alone, made]).verdict == SENSITIVE


def test_a_wrong_redshift_moves_all_clusters_alike():
    errors = np.full(3, 5.0)
    moved, rotating = (
        displacement_answers(np.array(velocities, float), errors, {})[0]
        for velocities in ([480, 520, 610], [-200, 10, 210])
    )
    assert (moved.value, rotating.value) == (480, 0)
    judged = judge([moved, rotating], packaged_thresholds())
    assert [one.verdict for one in judged[:2]] == [SENSITIVE, ROBUST]


def test_one_line_that_is_displaced_in_all_clusters_is_named():
    velocities = np.array([-100.0, 0.0, 100.0])
    apart = {"NeII_12.81": (5, -5, 4), "S1_17.03": (450, 430, 470)}
    lines = {name: velocities + np.array(more) for name, more in apart.items()}
    found = displacement_answers(velocities, np.full(3, 5.0), lines)[1]
    assert found.value == pytest.approx(430)
    assert "S1_17.03" in found.variant


def test_without_a_velocity_nothing_is_said_of_the_redshift():
    found = displacement_answers(np.full(2, np.nan), np.full(2, np.nan), {})
    assert [one.verdict for one in judge(found, packaged_thresholds())[:2]] == [NOT_TESTABLE] * 2


def test_a_table_of_thresholds_without_an_entry_is_refused_by_name(tmp_path):
    file = tmp_path / "validation.toml"
    file.write_text("[verdict]\ngalaxy_least = 0.5\n[questions]\n")
    with pytest.raises(CatalogError, match=r"validation\.toml.*cluster_least"):
        read_thresholds(file)
