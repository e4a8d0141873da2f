"""Recipes for classes against the truth, on archives that they were chosen on and on fresh ones.

An archive has fifteen galaxies like those of the paper, half of each kind labelled. Every figure is
of clusters whose galaxy the classifier has not seen: galaxies with labels are held out in turn,
those without are never seen. Means over archives are given with their standard errors; the
calibration error is of all clusters of never-labelled galaxies together, beside what honest
probabilities of the same number of clusters would have by chance. Shares of the classes in the
light are compared with the true ones.

    python -m tests.benchmarks.truth.bench_truth_classes [--choosing 0-11,100-111] [--fresh 300-311]

A run that is interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score

import survey.classes
from catalogs.reference import packaged_reference
from survey.classes.methods.registry import METHODS
from survey.classes.monte_carlo import run_draws
from survey.classes.prediction import predict_draws, train_methods
from survey.classes.results import MIN_REACHED, UNCERTAIN_BELOW
from survey.classes.sample import LabelledSample
from survey.classes.scores import score
from survey.classes.shares import class_shares
from survey.classes.training import scaled_predictors
from survey.classes.types import UNLABELLED
from survey.config import ClassSettings, EngineSettings
from survey.engine.cluster import Cluster, connect
from survey.pipeline.classification.monte_carlo import fit_options, method_of
from survey.pipeline.classification.sample import sample_of, used_by
from tests.benchmarks.kept import Kept, code_of
from tests.benchmarks.table import Line, print_table
from tests.benchmarks.truth.truth_archives import (
    BENCHMARK,
    CLASSES,
    STAGES,
    Archive,
    archive_of,
)

DRAWS = 30
CACHE = Path("bench/classes")
CHOOSING, FRESH = (*range(12), *range(100, 112)), tuple(range(300, 312))

GOALS = {"AGN or SF": 0.945, "three classes": 0.91, "never labelled": 0.92}
"""Balanced accuracies that are wanted on fresh archives."""

MOST_CALIBRATION_ERROR = 0.045
WITHIN = 0.01
"""The forest makes the classes if it is that near the confirmed method."""

PAPER = ClassSettings(method="forest", spread=True)


@dataclass(frozen=True)
class Recipe:
    """Settings of a classification, and the column that its labels are in."""

    name: str
    settings: ClassSettings
    labels: str = "label"


RECIPES = (
    Recipe("spreading and forests of 15 ratios (0.1.0)", PAPER),
    *(Recipe(f"{name}, six predictors", ClassSettings(method=name)) for name in METHODS),
)
PREDICTOR_SETS = {
    "ch3": ("ch3", "ch3-lines", "ratios"),
    "ch3-short": ("ch3-short", "ch3-short-lines"),
    "ch4": ("ch4",),
    "muse": ("bpt",),
}
"""By what is observed; `ratios` are all of the set `ch3`, and the slope."""

SETS_SEEDS = (100, 101, 102)
"""Archives that are observed in every range; only `ch3` was chosen on them, among others."""

BY_CIRCLES = Recipe("forest, labels by circles", ClassSettings(method="forest"), "circle_label")


@dataclass(frozen=True)
class Judged:
    """Probabilities (N, C) of the clusters of one archive with the galaxy not seen."""

    p: np.ndarray
    truth: np.ndarray
    never: np.ndarray

    def accuracy(self, n_classes: int, *, never: bool = False) -> float:
        """Balanced accuracy over the clusters of the first classes."""
        rows = (self.truth < n_classes) & np.isfinite(self.p).all(axis=1)
        if never:
            rows &= self.never
        found = self.p[rows, :n_classes].argmax(axis=1)
        return float(balanced_accuracy_score(self.truth[rows], found))


def judge(archive: Archive, recipe: Recipe) -> Judged | None:
    """Apply a recipe to an archive, or take what is kept; None if labels have one class only."""
    rows = archive.clusters
    labels = rows[recipe.labels].to_numpy(np.int32)
    if len(np.unique(labels[labels != UNLABELLED])) < 2:
        return None
    kept, case = _kept(archive, recipe)
    p = kept.get(case)
    if p is None:
        p = _probabilities(rows, labels, recipe.settings).tolist()
        kept.put(case, p)
    never = ~rows["labelled_galaxy"].to_numpy(bool)
    return Judged(np.array(p), rows["truth"].to_numpy(np.int32), never)


def _kept(archive: Archive, recipe: Recipe) -> tuple[Kept, str]:
    """Where the probabilities of a recipe on an archive are kept."""
    given = (recipe.settings.model_dump_json(), recipe.labels, asdict(_used(recipe.settings)))
    case = f"{hashlib.sha256(repr(given).encode()).hexdigest()[:12]}-{archive.name}"
    return Kept("truth_classes", code_of(STAGES, BENCHMARK, survey.classes)), case


def _probabilities(rows: pd.DataFrame, labels: np.ndarray, settings: ClassSettings) -> np.ndarray:
    """(N, C) of the clusters, each with its galaxy not seen."""
    sample = sample_of(rows, _used(settings), use_slope=True)
    labelled = LabelledSample(sample, labels, CLASSES)
    if settings.spread:
        done = run_draws(labelled, method_of(settings), range(DRAWS), settings.seed)
        arrived = (done.reached.mean >= MIN_REACHED)[:, np.newaxis]
        p, held_out = (np.where(arrived, s.mean, np.nan) for s in (done.p, done.p_held_out))
    else:
        trained = train_methods(labelled, [settings.method], fit_options(settings))
        sums = predict_draws(trained, settings.method, range(DRAWS), settings.seed)
        p, held_out = sums.p.mean, sums.p_held_out.mean
    never = ~rows["labelled_galaxy"].to_numpy(bool)
    return np.where(never[:, np.newaxis], p, held_out)


@cache
def _used(settings: ClassSettings) -> Any:
    reference = packaged_reference()
    if settings.predictors == "ratios":  # those of the set ch3, with an offset, and the slope
        others = {name: rows for name, rows in reference.predictor_sets.items() if name != "ch3"}
        reference = type(reference)(**{**vars(reference), "predictor_sets": others})
        settings = settings.model_copy(update={"predictors": "ch3"})
    return used_by(settings, reference)


def learnable(archives: Sequence[Archive], method: str) -> Iterator[Judged]:
    """What can be learnt of the six predictors: all clusters of all other archives are labelled."""
    rows = pd.concat([each.clusters for each in archives], ignore_index=True)
    number = np.repeat(range(len(archives)), [len(each.clusters) for each in archives])
    truth = rows["truth"].to_numpy(np.int32)
    sample = sample_of(rows, _used(ClassSettings()), use_slope=True)
    _, predictors = scaled_predictors(LabelledSample(sample, truth, CLASSES))
    for own in range(len(archives)):
        labels = np.where(number == own, UNLABELLED, truth).astype(np.int32)
        fit = METHODS[method].fit(predictors, labels, len(CLASSES), fit_options(ClassSettings()))
        p = fit.probabilities(predictors[number == own])
        yield Judged(p, truth[number == own], np.ones(len(p), dtype=bool))


def row_of(name: str, judged: Sequence[Judged | None]) -> dict[str, Any]:
    """A line of the table."""
    known = [each for each in judged if each is not None]
    if not known:
        raise SystemExit(f"no archive in which {name!r} has labels of two classes")
    p, truth = (
        np.concatenate([getattr(each, what)[each.never] for each in known])
        for what in ("p", "truth")
    )
    classified = np.isfinite(p).all(axis=1)
    p, truth = p[classified], truth[classified]
    right, unsure = p.argmax(axis=1) == truth, p.max(axis=1) < UNCERTAIN_BELOW
    share = np.bincount(truth, minlength=len(CLASSES)).max() / max(len(truth), 1)

    def mean(n_classes: int, *, never: bool = False) -> tuple[float, float]:
        values = [each.accuracy(n_classes, never=never) for each in known]
        error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
        return float(np.mean(values)), float(error)

    return {
        "recipe": name,
        "archives": len(known),
        "AGN or SF": mean(2),
        "three classes": mean(3),
        "never labelled": mean(2, never=True),
        "never, three": mean(3, never=True),
        "calibration": score(p, truth).calibration_error,
        "by chance": _chance(p),
        "unsure right": float((p.argmax(axis=1) == truth)[unsure].mean())
        if unsure.any()
        else np.nan,
        "unsure": int(unsure.sum()),
        "accuracy": float(right.mean()),
        "majority": float(share),
        "n": len(truth),
        "clusters": sum(len(each.truth) for each in known),
    }


def _chance(p: np.ndarray, repeats: int = 20) -> float:
    """Calibration error of honest probabilities of so many clusters."""
    rng = np.random.default_rng(0)
    edges = p.cumsum(axis=1)
    errors = []
    for _ in range(repeats):
        drawn = (rng.random((len(p), 1)) > edges).sum(axis=1).clip(max=p.shape[1] - 1)
        errors.append(score(p, drawn.astype(np.int32)).calibration_error)
    return float(np.mean(errors))


def print_rows(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print lines of the table."""
    print(f"\n{title}")
    print(
        f"  {'recipe':<44}{'AGN or SF':>15}{'three classes':>15}{'never labelled':>15}"
        f"{'never, three':>15}{'calibration (chance)':>22}{'accuracy (majority), n':>26}"
        f"{'p < 0.6 right':>16}"
    )
    for row in rows:
        pairs = "".join(
            f"{'{:.3f} +- {:.3f}'.format(*row[name]):>15}"
            for name in ("AGN or SF", "three classes", "never labelled", "never, three")
        )
        calibration = f"{row['calibration']:.3f} ({row['by chance']:.3f})"
        accuracy = f"{row['accuracy']:.3f} ({row['majority']:.3f}), {row['n']}"
        unsure = f"{row['unsure right']:.2f} of {row['unsure']}"
        print(
            f"  {row['recipe']:<44}{pairs}{calibration:>22}{accuracy:>26}{unsure:>16}", flush=True
        )


def table(title: str, archives: Sequence[Archive], recipes: Sequence[Recipe]) -> dict[str, Any]:
    """Print recipes on archives; their lines by name."""
    rows = [
        row_of(recipe.name, [judge(archive, recipe) for archive in archives]) for recipe in recipes
    ]
    print_rows(title, rows)
    return {row["recipe"]: row for row in rows}


def circles(archives: Sequence[Archive]) -> Iterator[Line]:
    """What becomes of circles of 0.4 arcsec on nuclei, knots and cones of labelled galaxies."""
    drawn = pd.concat([archive.circles for archive in archives])
    for kind, rows in drawn.groupby("kind"):
        yield Line(
            f"labels by circles on a {kind} that are right",
            rows.loc[rows["labels"], "right"].mean(),
            detail=f"({rows['labels'].mean():.0%} of {len(rows)} label a cluster; "
            f"{rows['mostly'].mean():.0%} if more than half must be covered)",
        )
    right = drawn.loc[drawn["labels"], "right"].mean()
    n_right = int(drawn["labels"].sum())
    yield Line("labels by circles that are right", right, 0.9, at_most=False, n=n_right)
    given = [archive.clusters["circle_label"] for archive in archives]
    all_classes = np.mean([set(labels) >= set(range(len(CLASSES))) for labels in given])
    yield Line("archives in which circles label all classes", all_classes, 1.0, at_most=False,
               n=len(archives))  # fmt: skip


def print_shares(title: str, archives: Sequence[Archive]) -> None:
    """Mean errors of shares of light in never-labelled galaxies, by the default method."""
    errors: dict[str, list[np.ndarray]] = {}
    for archive in archives:
        judged = judge(archive, Recipe("default", ClassSettings()))
        if judged is None:
            continue
        rows = archive.clusters
        for where in rows[judged.never].groupby("galaxy").indices.values():
            index = np.flatnonzero(judged.never)[where]
            light, true = (
                np.stack(list(rows[name].iloc[index])) for name in ("light", "true_share")
            )
            p = np.nan_to_num(judged.p[index])
            one = (p == p.max(axis=1, keepdims=True)) & (p > 0)
            total = light.sum(axis=1)
            for name, shares in (
                ("all light of a cluster is of its class", one),
                ("fractions, each cluster for its class", class_shares(light, one.astype(float))),
                ("fractions, by probabilities", class_shares(light, p)),
            ):
                errors.setdefault(f"{name}: clusters", []).append(np.abs(shares - true).ravel())
                of_galaxy = np.abs(total @ (shares - true)) / total.sum()
                errors.setdefault(f"{name}: galaxies", []).append(of_galaxy)
    print(f"\n{title}")
    for name, values in errors.items():
        together = np.concatenate(values)
        print(f"  {name:<60}{together.mean():8.3f} (n = {len(together) // len(CLASSES)})")


def goals(archives: Sequence[Archive], *, measure: bool = True) -> Iterator[Line]:
    """The goals for the default method: the best of several is too good.

    Unless they may be measured, archives without probabilities that are kept are left out.
    """
    names = (f"{ClassSettings().method}, six predictors", "forest, six predictors")
    recipes = [recipe for name in names for recipe in RECIPES if recipe.name == name]
    if not measure:
        archives = [
            archive
            for archive in archives
            if all(
                kept.get(case) is not None for kept, case in (_kept(archive, r) for r in recipes)
            )
        ]
    if not archives:
        return
    default, forest = (
        row_of(recipe.name, [judge(archive, recipe) for archive in archives]) for recipe in recipes
    )
    for name, goal in GOALS.items():
        value, error = default[name]
        n = default["n"] if name == "never labelled" else default["clusters"]
        yield Line(name, value, goal, at_most=False, n=n, detail=f"(+-{error:.3f}, {names[0]})")
    yield Line(
        "calibration error", default["calibration"], MOST_CALIBRATION_ERROR, n=default["n"],
        detail=f"(by chance {default['by chance']:.3f})",
    )  # fmt: skip
    for name in ("AGN or SF", "three classes"):
        below = default[name][0] - forest[name][0]
        yield Line(f"by how much the forest is below the default, {name}", below, WITHIN,
                   n=default["clusters"])  # fmt: skip
    yield from (line for line in circles(archives) if line.limit == line.limit)


def kept_archives(seeds: Sequence[int], cache: Path = CACHE) -> list[Archive]:
    """The archives of some seeds that are kept."""
    found = (archive_of(seed, cache, None) for seed in seeds)
    return [archive for archive in found if archive is not None]


def main(arguments: Sequence[str] = ()) -> bool:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--choosing", type=_seeds, default=CHOOSING)
    parser.add_argument("--fresh", type=_seeds, default=FRESH)
    parser.add_argument("--short", action="store_true", help="only the first table of each kind")
    given = parser.parse_args(arguments)
    with ExitStack() as stack:
        workers = _lazily(stack)
        choosing, fresh = (
            [archive_of(seed, given.cache, workers) for seed in seeds]
            for seeds in (given.choosing, given.fresh)
        )
        in_ranges = {
            window: [archive_of(seed, given.cache, workers, window) for seed in SETS_SEEDS]
            for window in (() if given.short else PREDICTOR_SETS)
        }
    table(f"Archives {_said(given.choosing)}, on which methods were chosen", choosing, RECIPES)
    table(f"Fresh archives {_said(given.fresh)}", fresh, RECIPES)
    for seeds, archives in ((given.choosing, choosing), (given.fresh, fresh)):
        print_shares(f"Mean errors of shares, archives {_said(seeds)}", archives)
    if not given.short:
        for window, archives in in_ranges.items():
            sets = [
                Recipe(f"{name}, set {chosen}", ClassSettings(method=name, predictors=chosen))
                for chosen in PREDICTOR_SETS[window]
                for name in METHODS
            ]
            table(f"Predictor sets, {window}, archives {_said(SETS_SEEDS)}", archives, sets)
        table("Labels by circles, fresh archives", fresh, [BY_CIRCLES])
        every = [*choosing, *fresh]
        ceilings = [
            row_of(f"{method}, six predictors", list(learnable(every, method)))
            for method in METHODS
        ]
        print_rows("What can be learnt: all clusters of all other archives labelled", ceilings)
    met = print_table("Labels by circles, all archives", circles([*choosing, *fresh]))
    return print_table("Goals on fresh archives", goals(fresh)) and met


def _lazily(stack: ExitStack) -> Callable[[], Cluster]:
    """A cluster that starts when an archive must be simulated."""
    return cache(lambda: stack.enter_context(connect(EngineSettings(workers=2, dashboard=False))))


def _seeds(text: str) -> tuple[int, ...]:
    """The numbers of text like "0-11,100-111"."""
    ranges = (each.partition("-") for each in text.split(","))
    return tuple(
        seed for first, _, last in ranges for seed in range(int(first), int(last or first) + 1)
    )


def _said(seeds: Sequence[int]) -> str:
    """As "0 to 11 and 100 to 111"."""
    breaks = [k for k in range(1, len(seeds)) if seeds[k] != seeds[k - 1] + 1]
    ends = zip([0, *breaks], [*breaks, len(seeds)], strict=True)
    return " and ".join(f"{seeds[first]} to {seeds[last - 1]}" for first, last in ends)


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
