from dataclasses import replace

import numpy as np
import pytest

from survey.classes.methods.calibration import at_temperature, fit_temperature
from survey.classes.methods.registry import METHODS, FitOptions
from survey.classes.prediction import predict_draws, train_methods
from survey.classes.results import conclude_trained
from survey.classes.sample import LabelledSample
from survey.classes.scores import score
from survey.classes.training import MAX_FOLDS, NO_FOLD, folds_of, importances, train
from survey.classes.types import UNLABELLED
from tests.classes.simulated import CLASSES, MEASURED, measured_sample

OPTIONS = FitOptions(trees=50, rows_per_tree=4096, seed=0)
LABELLED, TRUTH = measured_sample(0, galaxy_scatter=0.25)
TRAINED = train_methods(LABELLED, METHODS, OPTIONS)


def test_every_galaxy_with_labels_is_a_fold_and_others_are_in_none() -> None:
    galaxy = np.array([5, 5, 7, 7, 9])
    labels = np.array([0, UNLABELLED, UNLABELLED, UNLABELLED, 1], np.int32)
    assert folds_of(galaxy, labels).tolist() == [0, 0, NO_FOLD, NO_FOLD, 1]
    many = np.arange(50)
    assert folds_of(many, np.zeros(50, np.int32)).max() == MAX_FOLDS - 1


@pytest.mark.parametrize("method", METHODS)
def test_labels_of_a_galaxy_have_no_part_in_its_probabilities_held_out(method: str) -> None:
    galaxy = LABELLED.sample.galaxy
    one = galaxy == galaxy[LABELLED.labels != UNLABELLED][0]
    other = np.where(one & (LABELLED.labels != UNLABELLED), 2, LABELLED.labels)
    changed = LabelledSample(LABELLED.sample, other.astype(np.int32), CLASSES)
    fits = [train(sample, TRAINED.predictors, method, OPTIONS) for sample in (LABELLED, changed)]
    number = fits[0].folds[one][0]
    ours, theirs = (fit.without[number].classifier for fit in fits)
    values = TRAINED.predictors[one]
    np.testing.assert_allclose(ours.probabilities(values), theirs.probabilities(values))
    whole = [fit.whole.classifier.probabilities(values) for fit in fits]
    assert not np.allclose(*whole)


def test_galaxies_without_labels_are_held_out_from_every_fit() -> None:
    labels = np.where(LABELLED.sample.galaxy < 3, UNLABELLED, LABELLED.labels).astype(np.int32)
    sample = LabelledSample(LABELLED.sample, labels, CLASSES)
    fit = train(sample, TRAINED.predictors, "logistic", OPTIONS)
    never = LABELLED.sample.galaxy < 3
    np.testing.assert_array_equal(
        fit.held_out(TRAINED.predictors)[never],
        fit.whole.probabilities(TRAINED.predictors)[never],
    )


def test_with_one_galaxy_there_is_nothing_to_hold_out() -> None:
    alone, _ = measured_sample(0, galaxies=1)
    trained = train_methods(alone, ["logistic"], OPTIONS)
    sums = predict_draws(trained, "logistic", range(2), seed=0)
    outcome = conclude_trained(trained, "logistic", sums, seed=0)
    assert np.isnan(outcome.p_held_out).all()
    assert np.isnan(outcome.scores["logistic", "galaxy-held-out"].balanced_accuracy)
    assert outcome.scores["forest", "out-of-bag"].n > 0


def test_a_temperature_sharpens_and_keeps_the_order() -> None:
    p = np.array([[0.6, 0.3, 0.1], [1.0, 0.0, 0.0], [np.nan] * 3])
    sharp = at_temperature(p, 0.5)
    np.testing.assert_allclose(sharp[0], np.array([0.36, 0.09, 0.01]) / 0.46)
    np.testing.assert_array_equal(sharp[1], p[1])
    assert np.isnan(sharp[2]).all()
    np.testing.assert_allclose(at_temperature(p[:2], 1.0), p[:2])


def test_the_temperature_is_found_if_there_are_labels_enough_and_else_is_the_usual_one() -> None:
    rng = np.random.default_rng(0)
    honest = rng.dirichlet([0.6] * 3, size=4000)
    labels = np.array([rng.choice(3, p=row) for row in honest], np.int32)
    flat = at_temperature(honest, 2.0)
    assert fit_temperature(flat, labels, usual=1.0) == pytest.approx(0.5, rel=0.1)
    assert fit_temperature(flat[:4], labels[:4], usual=1.0) > 0.8
    nothing = np.full(4000, UNLABELLED, np.int32)
    assert fit_temperature(flat, nothing, usual=0.7) == pytest.approx(0.7, rel=0.03)


@pytest.mark.parametrize("method", METHODS)
def test_classes_are_found_in_galaxies_held_out_and_probabilities_mean_what_they_say(
    method: str,
) -> None:
    accuracy, p, labels = [], [], []
    for seed in range(4):
        labelled, truth = measured_sample(seed, galaxy_scatter=0.25)
        trained = train_methods(labelled, [method], OPTIONS)
        sums = predict_draws(trained, method, range(10), seed=0)
        outcome = conclude_trained(trained, method, sums, seed=0)
        accuracy.append(outcome.scores[method, "galaxy-held-out"].balanced_accuracy)
        p.append(outcome.p_held_out)
        labels.append(truth)
    assert np.mean(accuracy) > 0.9
    assert score(np.concatenate(p), np.concatenate(labels)).calibration_error < 0.1


def test_the_forest_and_the_scores_of_all_methods_are_there_whatever_was_chosen() -> None:
    sums = predict_draws(TRAINED, "logistic", range(4), seed=0)
    outcome = conclude_trained(TRAINED, "logistic", sums, seed=0)
    assert outcome.method == "logistic"
    assert {method for method, how in outcome.scores if how == "galaxy-held-out"} == set(METHODS)
    assert not np.array_equal(outcome.found.p, outcome.forest.p)
    assert (outcome.forest.label == outcome.found.label).mean() > 0.8
    by_forest = predict_draws(TRAINED, "forest", range(4), seed=0)
    same = conclude_trained(TRAINED, "forest", by_forest, seed=0)
    np.testing.assert_array_equal(same.found.p, outcome.forest.p)
    np.testing.assert_array_equal(same.found.p, same.forest.p)


def test_draws_add_up_to_the_same_in_any_portions() -> None:
    whole = predict_draws(TRAINED, "mixture", range(5), seed=1)
    split = predict_draws(TRAINED, "mixture", [4, 0], seed=1)
    split = split + predict_draws(TRAINED, "mixture", [3, 1, 2], seed=1)
    for name in ("p", "p_held_out", "p_forest", "p_forest_oob", "p_forest_held_out"):
        ours, theirs = getattr(whole, name), getattr(split, name)
        np.testing.assert_array_equal(ours.total, theirs.total)
        np.testing.assert_array_equal(ours.squares, theirs.squares)


def test_larger_errors_make_larger_errors_of_the_probabilities() -> None:
    def mean_std(noise: float) -> float:
        labelled, _ = measured_sample(2, noise=noise)
        trained = train_methods(labelled, ["logistic"], OPTIONS)
        return float(np.nanmean(predict_draws(trained, "logistic", range(8), seed=0).p.std))

    assert mean_std(0.15) > 2 * mean_std(0.003)


@pytest.mark.parametrize("method", METHODS)
def test_importances_have_errors_and_a_predictor_of_noise_has_none(method: str) -> None:
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(len(TRUTH), 1)).astype(np.float32)
    values = np.hstack([TRAINED.predictors, noise])
    trained = train(LABELLED, values, method, OPTIONS)
    found = importances(trained, values, LABELLED.labels, rng)
    assert found.share.sum() == pytest.approx(1.0)
    assert found.share[:-1].max() > 2 * found.share[-1]
    assert (found.share_std > 0).all()
    assert found.permutation[:-1].max() > 0.05
    assert abs(found.permutation[-1]) < 0.5 * found.permutation[:-1].max()
    rows = len(CLASSES) if method == "logistic" else 0
    assert found.coefficient.shape == found.coefficient_std.shape == (rows, len(MEASURED) + 1)


def test_a_jackknife_error_is_about_the_scatter_of_repeated_surveys() -> None:
    surveys = [measured_sample(seed, galaxies=30, clusters=180) for seed in range(12)]
    found, errors = [], []
    for labelled, _ in surveys:
        values = TRAINED.scaling(labelled.sample.measured())
        fit = train(labelled, values, "logistic", OPTIONS)
        each = importances(fit, values, labelled.labels, np.random.default_rng(0))
        found.append(each.coefficient * fit.whole.temperature)
        errors.append(each.coefficient_std * fit.whole.temperature)
    ratio = np.median(errors) / np.median(np.std(found, axis=0))
    assert 0.6 < ratio < 1.7


def test_clusters_without_predictors_are_neither_learnt_from_nor_classified() -> None:
    given = LABELLED.sample.measurements
    detected = given.detected.copy()
    detected[0] = False
    sample = replace(LABELLED.sample, measurements=replace(given, detected=detected))
    labels = LABELLED.labels.copy()
    labels[0] = 1
    blank = LabelledSample(sample, labels, CLASSES)
    trained = train_methods(blank, ["logistic"], OPTIONS)
    sums = predict_draws(trained, "logistic", range(2), seed=0)
    outcome = conclude_trained(trained, "logistic", sums, seed=0)
    assert outcome.found.label[0] == outcome.forest.label[0] == UNLABELLED
    assert np.isnan(outcome.found.p[0]).all()
    assert outcome.scores["logistic", "in-sample"].n == (LABELLED.labels[1:] != UNLABELLED).sum()
