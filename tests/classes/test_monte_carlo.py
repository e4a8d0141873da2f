import pickle
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.classes.monte_carlo import DrawSums, run_draws
from survey.classes.ratios import parse_ratios
from survey.classes.results import UNCERTAIN_BELOW, conclude
from survey.classes.sample import LabelledSample, Method, fit_scaling
from survey.classes.scores import score
from survey.classes.types import UNLABELLED
from survey.errors import DataError
from tests.classes.simulated import ALL_RATIOS, CLASSES, FEATURES, MEANS, simulated_sample

FEW_TREES = Method(trees=10)
TO_NE_II = parse_ratios([(name, "NeII_12.81") for name in FEATURES if name != "NeII_12.81"])


def identical(first: DrawSums, second: DrawSums) -> bool:
    return all(
        np.array_equal(
            getattr(getattr(first, f.name), part), getattr(getattr(second, f.name), part)
        )
        for f in fields(DrawSums)
        for part in ("total", "squares", "count")
    )


SMALL, _ = simulated_sample(clusters=24, galaxies=4, ratios=TO_NE_II)
SMALL_SUMS = run_draws(SMALL, FEW_TREES, range(6), seed=5)


@settings(max_examples=8, deadline=None)
@given(st.permutations(range(6)), st.integers(1, 5))
def test_draws_add_up_to_the_same_in_any_order_and_portions(order: list[int], cut: int) -> None:
    one = run_draws(SMALL, FEW_TREES, order[:cut], seed=5)
    other = run_draws(SMALL, FEW_TREES, order[cut:], seed=5)
    assert identical(other + one, SMALL_SUMS)


def test_a_sample_that_was_sent_to_a_worker_gives_the_same() -> None:
    sent = pickle.loads(pickle.dumps((SMALL, FEW_TREES)))
    there = pickle.loads(pickle.dumps(run_draws(*sent, range(6), seed=5)))
    assert identical(there, SMALL_SUMS)


def test_another_seed_gives_other_draws() -> None:
    assert not identical(run_draws(SMALL, FEW_TREES, range(6), seed=6), SMALL_SUMS)


def test_classes_are_found_and_probabilities_mean_what_they_say() -> None:
    accuracy, error = [], []
    for seed in range(4):
        labelled, truth = simulated_sample(seed, galaxy_scatter=0.25, ratios=TO_NE_II)
        outcome = conclude(labelled, run_draws(labelled, Method(trees=40), range(15), seed=0))
        hidden = np.where(labelled.labels == UNLABELLED, truth, UNLABELLED)
        found = score(outcome.found.p, hidden)
        accuracy.append(found.balanced_accuracy)
        error.append(found.calibration_error)
    assert np.mean(accuracy) > 0.9
    assert np.mean(error) < 0.12


@pytest.mark.parametrize("telling", ["NeIII_15.56", "H2_S1_17.03", "PAH_12.7"])
def test_the_ratio_that_separates_the_classes_is_the_most_important(telling: str) -> None:
    column = FEATURES.index(telling)
    means = np.tile(MEANS.mean(axis=0), (3, 1))
    means[:, column] = means[:, column].max() + np.array([0.0, 0.7, 1.4])
    labelled, _ = simulated_sample(3, ratios=TO_NE_II, means=means, noise=0.005)
    labelled = replace(labelled, sample=replace(labelled.sample, slope=None, slope_error=None))
    outcome = conclude(labelled, run_draws(labelled, Method(trees=40), range(10), seed=0))
    found = outcome.importances["forest"]
    assert outcome.predictors[int(found.share.argmax())] == f"{telling}/NeII_12.81"
    assert outcome.predictors[int(found.permutation.argmax())] == f"{telling}/NeII_12.81"


def test_only_probabilities_with_the_galaxy_held_out_see_through_galaxies_that_differ() -> None:
    """Spectra that tell galaxies apart, and labels that go by galaxy, but say nothing else."""
    labelled, _ = simulated_sample(
        0, galaxies=8, clusters=64, galaxy_scatter=1.0, cluster_scatter=0.02, noise=1e-5,
        ratios=TO_NE_II, means=np.tile(MEANS[:1], (3, 1)),
    )  # fmt: skip
    by_galaxy = np.array([0, 1, 1, 0, 1, 0, 0, 1], np.int32)[labelled.sample.galaxy]
    outcome = conclude(
        replace(labelled, labels=by_galaxy),
        run_draws(replace(labelled, labels=by_galaxy), Method(trees=30), range(16), seed=0),
    )
    assert outcome.scores["forest", "in-sample"].balanced_accuracy == 1.0
    assert outcome.scores["forest", "out-of-bag"].balanced_accuracy > 0.95
    assert outcome.scores["forest", "galaxy-held-out"].balanced_accuracy < 0.75


def test_labels_of_a_galaxy_held_out_have_no_part_in_its_probabilities() -> None:
    galaxy = SMALL.sample.galaxy
    labels = np.where(SMALL.labels == UNLABELLED, 0, SMALL.labels).astype(np.int32)
    changed = np.where(galaxy == 1, 2 - labels, labels).astype(np.int32)
    held_out = [
        run_draws(replace(SMALL, labels=these), FEW_TREES, range(4), seed=0).p_held_out.mean
        for these in (labels, changed)
    ]
    np.testing.assert_array_equal(held_out[0][galaxy == 1], held_out[1][galaxy == 1])
    assert not np.array_equal(held_out[0][galaxy != 1], held_out[1][galaxy != 1])


def test_galaxies_take_turns_at_being_held_out() -> None:
    counts = run_draws(SMALL, FEW_TREES, range(3), seed=0).p_held_out.count[:, 0]
    np.testing.assert_array_equal(counts, SMALL.sample.galaxy < 3)


def test_with_one_galaxy_there_is_nothing_to_hold_out() -> None:
    alone = replace(SMALL.sample, galaxy=np.zeros(24, int))
    outcome = conclude(
        replace(SMALL, sample=alone),
        run_draws(replace(SMALL, sample=alone), FEW_TREES, range(3), seed=0),
    )
    assert np.isnan(outcome.p_held_out).all()
    assert np.isnan(outcome.scores["forest", "galaxy-held-out"].balanced_accuracy)
    assert outcome.scores["forest", "out-of-bag"].n > 0


def test_what_no_label_reaches_is_unclassified() -> None:
    """The default kernel of scikit-learn, whose reach is too short."""
    short = Method(trees=10, kernel="rbf", gamma=20.0)
    outcome = conclude(SMALL, run_draws(SMALL, short, range(4), seed=0))
    unreached = outcome.reached < 0.5
    assert unreached.sum() > 3
    assert (outcome.found.label[unreached] == UNLABELLED).all()
    assert np.isnan(outcome.found.p[unreached]).all()
    assert (outcome.found.label[SMALL.labels != UNLABELLED] != UNLABELLED).all()


def test_a_cluster_without_measurements_is_neither_learnt_from_nor_classified() -> None:
    fluxes = SMALL.sample.fluxes
    flux, limit = fluxes.flux.copy(), fluxes.limit.copy()
    flux[5], limit[5] = np.nan, np.nan
    nothing = replace(fluxes, flux=flux, limit=limit, detected=np.isfinite(flux) & fluxes.detected)
    sample = replace(SMALL.sample, fluxes=nothing)
    labels = SMALL.labels.copy()
    labels[5] = 0
    blank = LabelledSample(sample, labels, CLASSES)
    outcome = conclude(blank, run_draws(blank, FEW_TREES, range(3), seed=0))
    assert outcome.found.label[5] == UNLABELLED
    assert outcome.reached[5] == 0
    assert np.isnan(outcome.p_forest_oob[5]).all()
    assert outcome.scores["forest", "in-sample"].n == (labels != UNLABELLED).sum() - 1


def test_limits_in_most_lines_leave_a_cluster_informed_and_limits_in_all_do_not() -> None:
    fluxes = SMALL.sample.fluxes
    detected = np.zeros_like(fluxes.detected)
    detected[0, FEATURES.index("NeII_12.81")] = True
    pairs = replace(SMALL.sample, fluxes=replace(fluxes, detected=detected), ratios=ALL_RATIOS)
    assert np.isfinite(pairs.measured()[0, :-1]).mean() < 0.2
    assert pairs.informed[:2].tolist() == [True, False]


def test_a_margin_within_its_error_is_uncertain() -> None:
    hard, _ = simulated_sample(1, galaxy_scatter=0.4, noise=0.1, ratios=TO_NE_II)
    found = conclude(hard, run_draws(hard, FEW_TREES, range(8), seed=0)).found
    assert found.uncertain.any()
    certain = (found.label != UNLABELLED) & ~found.uncertain
    assert (found.p[certain].max(axis=1) >= UNCERTAIN_BELOW).all()
    low = np.nan_to_num(found.p, nan=1.0).max(axis=1) < UNCERTAIN_BELOW
    assert low.sum() > 2
    assert found.uncertain[low].all()
    assert found.margin[found.uncertain].mean() < 0.5 * found.margin[certain].mean()
    np.testing.assert_array_equal(found.p[certain].argmax(axis=1), found.label[certain])


def test_larger_errors_make_less_certain_classes() -> None:
    def mean_std(noise: float) -> float:
        labelled, _ = simulated_sample(2, noise=noise, ratios=TO_NE_II)
        return float(np.mean(run_draws(labelled, FEW_TREES, range(8), seed=0).p.std))

    assert mean_std(0.15) > 1.2 * mean_std(0.003)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 0, -1], "fewer than two classes"),
        ([-1, -1, -1], "found no label"),
        ([0, 1], "do not fit"),
        ([0, 1, 7], "do not fit"),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused(labels: list[int], message: str) -> None:
    three, _ = simulated_sample(clusters=3, galaxies=1, labelled_fraction=1.0, seed=4)
    with pytest.raises(DataError, match=message):
        LabelledSample(three.sample, np.array(labels, np.int32), CLASSES)


def test_a_sample_without_limits_and_gaps_has_the_scale_of_its_values() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, size=(50, 4))
    values[:, 3] = 7.0
    scaling = fit_scaling(values, "abcd")
    np.testing.assert_allclose(scaling.centre[:3], np.median(values, axis=0)[:3])
    scaled = scaling(values)
    np.testing.assert_allclose(scaled[:, :3].std(axis=0), 1.0, rtol=1e-6)
    assert (scaled[:, 3] == 0).all()
    values[::2, 1] = np.nan
    assert (fit_scaling(values, "abcd")(values)[::2, 1] == 0).all()


def test_predictors_that_never_vary_are_refused() -> None:
    with pytest.raises(DataError, match="no predictor was measured"):
        fit_scaling(np.full((5, 2), np.nan), ("a", "b"))
