"""Classification: speed against bare scikit-learn, memory at archive scale, and the truth."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
from scipy.stats import multivariate_normal
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from table import Line, print_table
from threadpoolctl import threadpool_limits

from survey.classes.arrays import UNLABELLED
from survey.classes.draw import make_draw, scaling_of
from survey.classes.montecarlo import run_draws
from survey.classes.outcome import conclude
from survey.classes.sample import LabelledSample, Method
from survey.classes.scores import score

sys.path.append(str(Path(__file__).parents[2]))  # the simulated sample is shared with the tests
from tests.classes.simulated import (
    ALL_RATIOS,
    MEANS,
    SLOPES,
    packaged_set,
    simulated_sample,
)

METHOD = Method()
FORTY_WITH_SLOPE = ALL_RATIOS[:39]
ROUNDS, DRAWS_PER_ROUND = 5, 20

ARCHIVE_CLUSTERS = 60_000
GIB = 2**20  # in the kilobytes of getrusage

SEEDS, TRUTH_DRAWS = 5, 30
GALAXY_SCATTER, CLUSTER_SCATTER = 0.3, 0.2  # dex, in every line

T = TypeVar("T")


def speed() -> Iterator[Line]:
    """Draws and bare fits in turns, so that both see the same machine."""
    labelled, classes = simulated_sample(ratios=FORTY_WITH_SLOPE)
    predictors = scaling_of(labelled)(labelled.sample.measured())
    bare = draws = 0.0
    for number in range(ROUNDS):
        portion = range(number * DRAWS_PER_ROUND, (number + 1) * DRAWS_PER_ROUND)
        bare += _timed(_bare_fits, predictors, classes, portion)[0]
        draws += _timed(run_draws, labelled, METHOD, portion, 0)[0]
    count = ROUNDS * DRAWS_PER_ROUND
    yield Line(
        "draw / bare forest fit, 67 clusters x 40, 100 trees",
        draws / bare,
        1.2,
        detail=f"({draws / count * 1e3:.0f} ms / {bare / count * 1e3:.0f} ms)",
    )


def _bare_fits(predictors: np.ndarray, classes: np.ndarray, states: range) -> None:
    with threadpool_limits(1):
        for state in states:
            forest = RandomForestClassifier(METHOD.trees, n_jobs=1, random_state=state)
            forest.fit(predictors, classes)


def archive() -> Iterator[Line]:
    """One draw of a sample of an archive, a tenth of it labelled, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        seconds, peak, accuracy = process.submit(_large_draw).result()
    yield Line(
        f"peak memory of a draw, {ARCHIVE_CLUSTERS} clusters x 40 (GiB)",
        peak,
        4.0,
        detail=f"({seconds:.0f} s)",
    )
    labelled, classes = _large_sample()
    hidden = _hidden(labelled)
    draw = make_draw(labelled, METHOD, scaling_of(labelled), 0, 0)
    labels = draw.spread(labelled.labels)
    learnt = labels != UNLABELLED
    for name, other in (
        ("boosted histograms", HistGradientBoostingClassifier(random_state=0)),
        ("20 trees of all clusters", RandomForestClassifier(20, n_jobs=1, random_state=0)),
    ):
        with threadpool_limits(1):
            other.fit(draw.predictors[learnt], labels[learnt])
        found = _accuracy(classes[hidden], other.predict_proba(draw.predictors[hidden]))
        yield Line(
            f"accuracy / that of {name}, same labels",
            accuracy / found,
            0.98,
            at_most=False,
            detail=f"({accuracy:.3f} / {found:.3f})",
        )


def _large_draw() -> tuple[float, float, float]:
    """Time, peak memory in GiB, and balanced accuracy of the clusters without a label."""
    labelled, classes = _large_sample()
    seconds, sums = _timed(run_draws, labelled, METHOD, [0], 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GIB
    hidden = _hidden(labelled)
    return seconds, peak, _accuracy(classes[hidden], conclude(labelled, sums).found.p[hidden])


def _large_sample() -> tuple[LabelledSample, np.ndarray]:
    return simulated_sample(
        clusters=ARCHIVE_CLUSTERS,
        galaxies=ARCHIVE_CLUSTERS // 6,
        labelled_fraction=0.1,
        galaxy_scatter=GALAXY_SCATTER,
        cluster_scatter=CLUSTER_SCATTER,
        noise=0.05,
        ratios=FORTY_WITH_SLOPE,
    )


def _hidden(labelled: LabelledSample) -> np.ndarray:
    return (labelled.labels == UNLABELLED) & labelled.sample.informed


def truth() -> Iterator[Line]:
    """Clusters of galaxies held out that get the right class; half of the galaxies labelled."""
    for name in ("ch3-pairs", "ch3"):
        every = [_accuracies(seed, name) for seed in range(SEEDS)]
        mean = {key: float(np.mean([one[key] for one in every])) for key in every[0]}
        std = {key: float(np.std([one[key] for one in every])) for key in every[0]}
        for case, limit in (("AGN or SF", 0.9), ("3 classes", 0.75)):
            yield Line(
                f"balanced accuracy, galaxies held out, {case}, {name}",
                mean[case],
                limit,
                at_most=False,
                detail=f"(+-{std[case]:.2f}; Bayes rule, no noise, {mean[f'{case}, Bayes']:.2f})",
            )
        yield Line(f"calibration error, galaxies without labels, {name}", mean["calibration"], 0.15)
        for case, rival in (("AGN or SF", "one cut"), ("unlabelled", "5 neighbours")):
            yield Line(
                f"accuracy / that of {rival}, {case}, {name}",
                mean[case] / mean[rival],
                1.0,
                at_most=False,
                detail=f"({mean[case]:.2f} / {mean[rival]:.2f})",
            )


def _accuracies(seed: int, ratio_set: str) -> dict[str, float]:
    options = {
        "galaxy_scatter": GALAXY_SCATTER,
        "cluster_scatter": CLUSTER_SCATTER,
        "ratios": packaged_set(ratio_set),
    }
    sample, classes = simulated_sample(seed, noise=0.02, **options)
    half = sample.sample.galaxy % 2 == 0
    labelled = replace(sample, labels=np.where(half, classes, UNLABELLED).astype(np.int32))
    outcome = conclude(labelled, run_draws(labelled, METHOD, range(TRUTH_DRAWS), seed=0))
    exact, _ = simulated_sample(seed, noise=1e-9, **options)
    best = _bayes(exact)

    predictors = scaling_of(labelled)(labelled.sample.measured())
    neighbours = KNeighborsClassifier(5).fit(predictors[half], classes[half])
    two = classes < 2
    neon_iii, neon_ii = labelled.sample.fluxes.flux[:, [3, 4]].T
    cut = np.where(np.log10(neon_iii / neon_ii) > -0.5, 0, 1)
    found, rest = outcome.found.p, ~half & np.isfinite(outcome.found.p[:, 0])
    return {
        "3 classes": _accuracy(classes, outcome.p_held_out),
        "AGN or SF": _accuracy(classes[two], outcome.p_held_out[two, :2]),
        "3 classes, Bayes": _accuracy(classes, best),
        "AGN or SF, Bayes": _accuracy(classes[two], best[two, :2]),
        "unlabelled": _accuracy(classes[rest], found[rest]),
        "calibration": score(found[rest], classes[rest]).calibration_error,
        "5 neighbours": _accuracy(classes[rest], neighbours.predict_proba(predictors[rest])),
        "one cut": balanced_accuracy_score(classes[two], cut[two]),
    }


def _bayes(exact: LabelledSample) -> np.ndarray:
    """Probabilities for who knows the distributions that the clusters were drawn from."""
    log_flux = np.log10(exact.sample.fluxes.flux / 1e-18)
    covariance = (GALAXY_SCATTER**2 + CLUSTER_SCATTER**2) * np.eye(12) + 0.5**2
    likelihood = [
        prior
        * multivariate_normal(mean, covariance).pdf(log_flux)
        * np.exp(-((exact.sample.slope - slope) ** 2) / (2 * 0.4**2))
        for prior, mean, slope in zip((0.4, 0.4, 0.2), MEANS, SLOPES, strict=True)
    ]
    return np.transpose(likelihood / np.sum(likelihood, axis=0))


def _accuracy(classes: np.ndarray, p: np.ndarray) -> float:
    known = np.isfinite(p).all(axis=1)
    return float(balanced_accuracy_score(classes[known], p[known].argmax(axis=1)))


def _timed(work: Callable[..., T], *arguments: object) -> tuple[float, T]:
    start = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - start, result


def measure() -> Iterator[Line]:
    """All of them."""
    yield from speed()
    yield from archive()
    yield from truth()


def main() -> bool:
    """Print the table."""
    return print_table("Classes", measure())


if __name__ == "__main__":
    main()
