"""Does it find the truth? Surveys of galaxies like the paper's, from simulated cubes to classes.

Labels are regions in half of the galaxies. The true class of a cluster is that which gives
most of its light. Where it gives little more than the next, ratios cannot tell for certain:
the Bayes rule, which knows how galaxies are made and measures without noise, says how often
they can.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

import survey.classes
from catalogs import open_catalog
from survey.classes.draw import scaling_of
from survey.classes.sample import LabelledSample
from survey.classes.scores import score
from survey.classes.types import UNLABELLED
from survey.config import ClassSettings, EngineSettings, load_settings
from survey.engine.cluster import Cluster, connect
from survey.pipeline.classification.classify import Classified, classify
from survey.pipeline.classification.monte_carlo import labelled_sample
from survey.pipeline.classification.sample import sample_rows
from survey.pipeline.ratios import named_ratios
from survey.pipeline.run.survey import run_survey
from survey.pipeline.run.targets import read_targets
from survey.simulate import simulate_archive
from survey.simulate.archive import PlannedGalaxy, plan_archive
from survey.simulate.labels import label_regions, true_classes
from survey.simulate.observation import Observation
from survey.simulate.truth import MIXED_BELOW
from survey.simulate.write import truth_path
from tests.benchmarks.kept import Kept, code_of
from tests.benchmarks.table import Line, print_table
from tests.benchmarks.truth.true_ratios import bayes_rule, true_maps
from tests.benchmarks.truth.truth_archives import BENCHMARK, STAGES

ARCHIVE = "gatos-like"
SEEDS = 5
SIZE = (30, 30)
WORKERS = 2
SETTINGS: dict[str, Any] = {
    "cut": {"criterion": "fixed", "k": 6},  # the paper has 5 to 7
    "engine": {"keep_stores": False},
}
CLASSES = ClassSettings(draws=200)

NEON = "NeIII_15.56/NeII_12.81"
LOG_NEON_CUT = -0.5

CASES = {"AGN or SF": (2, 0.90), "3 classes": (3, 0.75)}
"""How many of the classes take part, and the balanced accuracy that is wanted."""


@dataclass(frozen=True)
class Judged:
    """The N clusters of one survey, what is true of them and what is said of them.

    Attributes
    ----------
    truth : array (N,)
        Positions of the classes.
    everything, pure, unlabelled : bool arrays (N,)
        All clusters; those of which one class gives most of the light by far; those of
        galaxies without labels.
    p : dict of arrays (N, C)
        Probabilities by who gives them.
    importance, separation : Series
        Of the predictors: by the forest; how well each alone orders AGN and star formation,
        0.5 (not at all) to 1.
    """

    truth: np.ndarray
    everything: np.ndarray
    pure: np.ndarray
    unlabelled: np.ndarray
    p: dict[str, np.ndarray]
    importance: pd.Series
    separation: pd.Series

    def accuracy(self, who: str, case: str, which: str = "everything") -> float:
        """Balanced accuracy over the clusters of the classes that take part."""
        n_classes, _ = CASES[case]
        rows = (self.truth < n_classes) & np.isfinite(self.p[who]).all(axis=1)
        rows &= getattr(self, which)
        found = self.p[who][rows, :n_classes].argmax(axis=1)
        return float(balanced_accuracy_score(self.truth[rows], found))

    def to_json(self) -> dict[str, Any]:
        """Lists and numbers; see `from_json`."""
        return {
            name: value.to_dict() if isinstance(value, pd.Series)
            else {who: p.tolist() for who, p in value.items()} if isinstance(value, dict)
            else value.tolist()
            for name, value in vars(self).items()
        }  # fmt: skip

    @classmethod
    def from_json(cls, held: dict[str, Any]) -> Judged:
        """What `to_json` gave."""
        values: dict[str, Any] = {
            name: np.array(held[name]) for name in ("truth", "everything", "pure", "unlabelled")
        }
        values["p"] = {who: np.array(p, dtype=float) for who, p in held["p"].items()}
        for name in ("importance", "separation"):
            values[name] = pd.Series(held[name])
        return cls(**values)

    def right(self) -> float:
        """Fraction of the clusters of galaxies without labels that get their class."""
        found = np.nan_to_num(self.p["published"][self.unlabelled], nan=-1)
        classified = found.min(axis=1) >= 0
        return float(((found.argmax(axis=1) == self.truth[self.unlabelled]) & classified).mean())

    def calibration_error(self) -> float:
        """Of the probabilities in galaxies without labels."""
        labels = self.truth[self.unlabelled].astype(np.int32)
        return score(self.p["published"][self.unlabelled], labels).calibration_error


def judged_surveys() -> Iterator[Judged]:
    """Surveys of all seeds; those that are kept are not made again."""
    kept = Kept("truth_surveys", code_of(STAGES, BENCHMARK, survey.classes))
    missing = [seed for seed in range(SEEDS) if kept.get(str(seed)) is None]
    if missing:
        _make(missing, kept)
    for seed in range(SEEDS):
        yield Judged.from_json(kept.get(str(seed)))


def _make(seeds: Sequence[int], kept: Kept) -> None:
    with (
        connect(EngineSettings(workers=WORKERS, dashboard=False)) as cluster,
        ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool,
    ):
        rule = bayes_rule(ARCHIVE, SIZE, named_ratios(CLASSES.ratios), CLASSES.classes, pool.map)
        for seed in seeds:
            with tempfile.TemporaryDirectory() as folder:
                kept.put(str(seed), _judged(Path(folder), seed, cluster, rule).to_json())


def _judged(folder: Path, seed: int, cluster: Cluster, rule: Any) -> Judged:
    simulate_archive(folder, archive=ARCHIVE, seed=seed, size=SIZE, workers=WORKERS)
    observation = Observation(shape=SIZE)
    plans = plan_archive(folder, archive=ARCHIVE, seed=seed, observation=observation)
    settings = load_settings(folder / "survey.toml", SETTINGS)
    root = folder / "run"
    run_survey(root, read_targets(folder / "targets.ecsv"), settings, cluster)

    everywhere = folder / "everywhere.ecsv"
    regions = label_regions({plan.model.name: truth_path(plan.path) for plan in plans})
    regions.write(everywhere, format="ascii.ecsv")
    some, every = (
        classify(root, CLASSES.model_copy(update={"labels": str(labels)}), cluster)
        for labels in (folder / "labels.ecsv", everywhere)
    )
    labelled = labelled_sample(some.sample.path, CLASSES)
    measured = labelled.sample.measured()
    rows = sample_rows(some.sample.path)
    truth, purity, exact = _true(root, plans, rows, labelled)
    told = [plan.model.name for plan in plans if plan.labelled]
    importances = some.classification.table("importances").to_pandas().query("method == 'forest'")
    return Judged(
        truth=truth,
        everything=np.ones(len(rows), dtype=bool),
        pure=purity >= MIXED_BELOW,
        unlabelled=~rows["galaxy"].isin(told).to_numpy(),
        p={
            "published": _probabilities(some, "p"),
            "held out": _probabilities(some, "p_held_out"),
            "held out, all labelled": _probabilities(every, "p_held_out"),
            "Bayes rule": rule.predict_proba(exact),
            "5 neighbours": _neighbours(labelled),
            "one cut": _one_cut(measured[:, labelled.sample.predictors.index(NEON)]),
        },
        importance=importances.set_index("predictor")["importance"],
        separation=_separation(measured, truth, labelled.sample.predictors),
    )


def _probabilities(done: Classified, kind: str) -> np.ndarray:
    names = [f"{kind}_{name}" for name in CLASSES.classes]
    return done.classification.table("classes").to_pandas()[names].to_numpy(float)


def _true(
    root: Path, plans: Sequence[PlannedGalaxy], rows: pd.DataFrame, labelled: LabelledSample
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes and purities (N,) and exact predictors (N, P) of the clusters, as in `rows`."""
    catalog, parts = open_catalog(root), {}
    for plan in plans:
        spaxels = catalog.spaxels(plan.model.name).query("cluster > 0")
        y, x, cluster = (spaxels[name].to_numpy(int) for name in ("y", "x", "cluster"))
        found = true_classes(truth_path(plan.path), cluster, y, x)
        places = [(y[cluster == number], x[cluster == number]) for number in found.clusters]
        maps = true_maps(plan, labelled.sample.ratios, labelled.classes)
        exact = maps.predictors(places, labelled.sample.ratios)
        for k, number in enumerate(found.clusters):
            truth = labelled.classes.index(found.names[k])
            parts[plan.model.name, number] = truth, found.purity[k], exact[k]
    of_rows = [parts[key] for key in zip(rows["galaxy"], rows["cluster"], strict=True)]
    truth, purity, exact = (np.array(values) for values in zip(*of_rows, strict=True))
    return truth, purity, exact


def _neighbours(labelled: LabelledSample) -> np.ndarray:
    """What the five nearest labelled clusters of other galaxies say."""
    sample, labels = labelled.sample, labelled.labels
    predictors = scaling_of(labelled)(sample.measured())
    found = np.zeros((len(labels), len(labelled.classes)))
    for galaxy in np.unique(sample.galaxy):
        own = sample.galaxy == galaxy
        others = ~own & (labels != UNLABELLED)
        rule = KNeighborsClassifier(5).fit(predictors[others], labels[others])
        found[np.ix_(own, rule.classes_)] = rule.predict_proba(predictors[own])
    return found


def _one_cut(log_neon: np.ndarray) -> np.ndarray:
    """AGN above, star formation below; of limits as well."""
    above = log_neon > LOG_NEON_CUT
    return np.stack([above, ~above, np.zeros_like(above)], axis=1).astype(float)


def _separation(measured: np.ndarray, truth: np.ndarray, predictors: Sequence[str]) -> pd.Series:
    """How well each predictor alone orders AGN and star formation, missing values last."""
    two = truth < 2
    areas = [
        roc_auc_score(truth[two], np.nan_to_num(values[two], nan=np.nanmin(values)))
        for values in measured.T
    ]
    return pd.Series(np.abs(np.array(areas) - 0.5) + 0.5, predictors)


def measure() -> Iterator[Line]:
    """Means over the surveys."""
    surveys = list(judged_surveys())

    def mean(who: str, case: str, which: str = "everything") -> float:
        return float(np.mean([survey.accuracy(who, case, which) for survey in surveys]))

    for case, (_, goal) in CASES.items():
        for which, clusters in (("everything", "all clusters"), ("pure", "not mixed")):
            spread = np.std([survey.accuracy("held out", case, which) for survey in surveys])
            more = mean("held out, all labelled", case, which)
            yield Line(
                f"balanced accuracy, galaxy held out, {case}, {clusters}",
                mean("held out", case, which),
                goal,
                at_most=False,
                detail=f"(+-{spread:.2f}; all galaxies labelled {more:.3f}; "
                f"Bayes rule {mean('Bayes rule', case, which):.3f})",
            )
    for case, (_, goal) in CASES.items():
        yield Line(
            f"balanced accuracy, galaxies without labels, {case}",
            mean("published", case, "unlabelled"),
            goal,
            at_most=False,
            detail=f"(Bayes rule {mean('Bayes rule', case, 'unlabelled'):.3f})",
        )
    right = [survey.right() for survey in surveys]
    calibration = [survey.calibration_error() for survey in surveys]
    yield Line("right class, galaxies without labels", np.mean(right), 0.8, at_most=False)
    yield Line("calibration error, galaxies without labels", np.mean(calibration), 0.1)
    for case, rival in (("AGN or SF", "one cut"), *((case, "5 neighbours") for case in CASES)):
        ours, theirs = mean("held out", case), mean(rival, case)
        yield Line(
            f"accuracy / that of {rival}, galaxy held out, {case}",
            ours / theirs,
            1.0,
            at_most=False,
            detail=f"({ours:.3f} / {theirs:.3f})",
        )
    yield _rank(surveys)


def _rank(surveys: Sequence[Judged]) -> Line:
    """Whether [Ne III]/[Ne II] is as important as it is telling."""
    importance, separation = (
        pd.concat([getattr(survey, name) for survey in surveys], axis=1).mean(axis=1)
        for name in ("importance", "separation")
    )
    by_importance, by_separation = (
        values.rank(ascending=False)[NEON] for values in (importance, separation)
    )
    best = ", ".join(
        f"{name} {separation[name]:.2f}"
        for name in [*importance.nlargest(3).index, *separation.nlargest(1).index, NEON]
    )
    return Line(
        f"rank of {NEON} by importance, that by AGN-SF separation the limit",
        by_importance,
        by_separation,
        detail=f"(separation of the 3 most important, the best, and it: {best})",
    )


def main() -> bool:
    """Print the table."""
    return print_table(f"Truth, {SEEDS} surveys of {ARCHIVE} galaxies", measure())


if __name__ == "__main__":
    main()
