"""Figures and tables of an evaluation."""

import numpy as np
import pytest
from matplotlib.image import imread

from survey.latents.evaluation.benchmark import BenchmarkPlan, Record, evaluate, summarise
from survey.latents.evaluation.labelled import LabelledSpectra
from survey.latents.models.methods import METHODS
from survey.latents.report.figures import (
    LABELS,
    draw_ablation,
    draw_latent_space,
    draw_reconstructions,
)
from survey.latents.report.table import short_table, write_evaluation
from tests.latents.toys import counted, measured


def is_a_png(path) -> bool:
    image = imread(path)
    return image.std() > 0.02 and min(image.shape[:2]) > 200


def test_spectra_of_both_kinds_are_drawn(tmp_path):
    for toy in (counted(10), measured(4)):
        path = tmp_path / f"{toy.spectra.kind}.png"
        draw_reconstructions(toy.spectra, {"pca": toy.expected}, path, truth=toy.expected)
        assert is_a_png(path)


def test_latents_are_drawn_with_classes_unknown_or_not(tmp_path):
    latents = np.random.default_rng(0).normal(size=(60, 5))
    classes = np.array(["", "a", "b"] * 20)
    draw_latent_space(latents, classes, tmp_path / "space.png")
    assert is_a_png(tmp_path / "space.png")
    draw_latent_space(latents[:9], classes[:9], tmp_path / "few.png")
    assert is_a_png(tmp_path / "few.png")


def record(method: str, latents: int, seed: int, value: float, **changes: object) -> Record:
    given = {"task": "supervised", "target": "8 classes", "metric": "forest", "circular": False}
    return Record(method, latents, seed, value=value, **(given | changes))


def test_the_short_table_has_means_and_deviations_of_what_was_measured():
    records = [
        record("majority", 0, 0, 0.125),
        record("pca", 8, 0, 0.6), record("pca", 8, 1, 0.7),
        record("pca", 8, 0, 0.1, task="reconstruction", target="truth", metric="KL"),
        record("pca", 8, 0, 0.9, target="AGN or compact"),
    ]  # fmt: skip
    header, majority, pca = short_table(summarise(records))
    assert header.split() == ["method", "KL", "forest", "AGN/compact"]
    assert majority.split() == ["majority", "0.125"]
    assert pca.split() == ["pca-8", "0.1000", "0.650", "+-0.071", "0.900"]


def test_every_method_has_a_label_without_which_figures_leave_it_out():
    assert set(METHODS) <= set(LABELS)


def test_ablations_show_methods_with_a_choice_and_without(tmp_path):
    records = [
        record(method, k, seed, value + seed / 10)
        for method, k, value in (("majority", 0, 0.1), ("pca", 4, 0.4), ("pca", 8, 0.5))
        for seed in (0, 1)
    ]
    draw_ablation(summarise(records), tmp_path / "ablation.png")
    assert is_a_png(tmp_path / "ablation.png")


@pytest.mark.parametrize("toy", [counted(80), measured(80)], ids=["counts", "flux"])
def test_an_evaluation_leaves_tables_and_figures(toy, tmp_path):
    data = LabelledSpectra(toy.spectra, classes=toy.classes, expected=toy.expected)
    plan = BenchmarkPlan(("majority", "pca"), (2,), (0,), controls=False)
    lines = write_evaluation(data, plan, evaluate(data, plan, tmp_path / "jobs"), tmp_path)
    assert (tmp_path / "summary.txt").read_text().splitlines() == lines
    names = {"ablation", "reconstructions", "latent_space_pca"}
    assert names == {path.stem for path in tmp_path.glob("*.png")}
