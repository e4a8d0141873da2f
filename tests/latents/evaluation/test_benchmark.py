"""The evaluation: nothing leaks, controls find nothing, and what is done is not done again."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from survey.errors import ConfigError, DataError
from survey.latents.evaluation import benchmark as module
from survey.latents.evaluation.benchmark import (
    BenchmarkPlan,
    evaluate,
    fold,
    summarise,
    write_table,
)
from survey.latents.evaluation.downstream_tasks import (
    Halves,
    regression,
    shuffled_by_source,
    supervised,
    unsupervised,
)
from survey.latents.evaluation.labelled import LabelledSpectra, Target
from tests.latents.toys import counted, measured


def labelled(n: int = 300) -> LabelledSpectra:
    toy = counted(n)
    return LabelledSpectra(
        toy.spectra,
        classes=toy.classes,
        groupings={"hot": {"thermal": "hot", "power law": "not"}},
        targets={
            "column": Target(toy.absorption),
            "own": Target(toy.spectra.values[:, 5], circular=True),
        },
        variability={"nothing": np.random.default_rng(5).normal(size=n)},
        confounders={"log counts": np.log10(toy.spectra.totals)},
        expected=toy.expected,
        expected_source=toy.shape,
    )


PLAN = BenchmarkPlan(
    methods=("majority", "stratified", "confounders", "hardness", "pca", "nmf"),
    latents=(3,),
    seeds=(0, 1),
)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    records = evaluate(labelled(), PLAN, folder)
    means = {(s.method, s.task, s.target, s.metric): s.mean for s in summarise(records)}
    return folder, records, means


def test_all_methods_are_judged_by_the_same_tasks(found):
    _, records, _ = found
    tasks = {
        method: {(r.task, r.target, r.metric) for r in records if r.method == method}
        for method in PLAN.methods
    }
    assert tasks["pca"] == tasks["nmf"] == tasks["hardness"]
    classification = {one for one in tasks["pca"] if one[0] in ("supervised", "unsupervised")}
    assert tasks["majority"] == tasks["stratified"] == classification
    assert {r.seed for r in records} == {0, 1}
    assert {r.target for r in records if r.circular} == {"own"}


def test_classes_are_told_by_latents_and_not_by_chance_or_circumstances(found):
    *_, means = found
    for metric in ("logistic", "forest"):
        for method in ("pca", "nmf", "hardness"):
            assert means[method, "supervised", "2 classes", metric] > 0.85
        assert means["majority", "supervised", "2 classes", metric] == 0.5
        assert means["confounders", "supervised", "2 classes", metric] < 0.65


def test_controls_find_nothing(found):
    *_, means = found
    for method in ("pca", "nmf", "hardness"):
        for control in ("control: shuffled labels", "control: noise alone"):
            assert 0.3 < means[method, control, "2 classes", "forest"] < 0.7
        assert means[method, "mutual information", "nothing", "p value"] > 0.03


def test_what_is_done_is_not_done_again_and_what_has_changed_is(found, monkeypatch):
    folder, records, _ = found
    done = []
    again = evaluate(labelled(), PLAN, folder, on_job=lambda job, cached: done.append(cached))
    assert all(done)
    assert again == records

    class Learned(Exception):
        pass

    def learn(*args, **kwargs):
        raise Learned

    monkeypatch.setattr(module, "make_representation", learn)
    changed = labelled()
    values = changed.spectra.values.copy()
    values[0, 0] += 1
    with pytest.raises(Learned):
        evaluate(replace(changed, spectra=replace(changed.spectra, values=values)), PLAN, folder)


def test_a_job_that_lost_its_records_keeps_its_model(found, monkeypatch):
    folder, records, _ = found
    place = folder / "nmf-3-seed1"
    (place / "records.json").unlink()
    monkeypatch.setattr(module, "make_representation", None)  # fitting would fail
    assert evaluate(labelled(), PLAN, folder) == records
    assert json.loads((place / "records.json").read_text())["records"]


def test_folds_part_no_source_and_leave_none_out():
    data = labelled()
    judged = np.zeros(len(data), int)
    for seed in range(4):
        known, new = fold(data, seed)
        assert not set(data.spectra.sources[known]) & set(data.spectra.sources[new])
        judged += new
    assert (judged == 1).all()
    without = replace(data, classes=None)
    known, new = fold(without, 2)
    assert not set(data.spectra.sources[known]) & set(data.spectra.sources[new])
    assert 0.15 < new.mean() < 0.35
    assert (fold(data, 0)[1] != fold(data, 4)[1]).any(), "the next four seeds have other folds"


def test_spectra_without_labels_are_judged_by_their_other_halves(tmp_path):
    data = LabelledSpectra(measured(80).spectra)
    records = evaluate(data, BenchmarkPlan(methods=("pca",), latents=(2,), seeds=(0,)), tmp_path)
    assert {r.task for r in records} == {"reconstruction", "uncertainty"}


def test_methods_of_counts_are_left_out_for_flux(tmp_path):
    toy = measured(80)
    data = LabelledSpectra(toy.spectra, classes=toy.classes)
    plan = BenchmarkPlan(latents=(2,), seeds=(0,), controls=False, uncertainties=False)
    records = evaluate(data, plan, tmp_path)
    assert {r.method for r in records} == {"majority", "stratified", "pca", "nmf"}


def test_the_autoencoder_takes_part_and_a_training_goes_on(tmp_path):
    pytest.importorskip("torch")
    small = {"epochs": 3, "width": 16, "hidden": 32, "layers": 1}
    plan = BenchmarkPlan(("autoencoder",), (2,), (0,), {"autoencoder": small}, controls=False)
    told = []

    def stop(job, epoch):
        told.append(epoch.number)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(labelled(120), plan, tmp_path, on_epoch=stop)
    records = evaluate(labelled(120), plan, tmp_path, on_epoch=stop)
    assert told == [1, 2, 3]
    assert records[0].method == "autoencoder"
    assert not list((tmp_path / "autoencoder-2-seed0").glob("training-*"))


def test_tables_have_a_line_for_each_record(found, tmp_path):
    _, records, _ = found
    write_table(tmp_path / "records.csv", records)
    with (tmp_path / "records.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(records)
    assert float(lines[0]["value"]) == records[0].value


def test_summaries_are_means_and_standard_deviations_over_seeds(found):
    _, records, _ = found
    one = next(s for s in summarise(records) if (s.method, s.metric) == ("nmf", "KL"))
    values = [
        r.value for r in records
        if (r.method, r.metric, r.target) == ("nmf", "KL", one.target)
    ]  # fmt: skip
    assert (one.mean, one.std) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert one.seeds == 2


def test_unknown_methods_and_labels_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="majority"):
        evaluate(labelled(80), BenchmarkPlan(methods=("magic",)), tmp_path)
    with pytest.raises(DataError, match="classes"):
        replace(labelled(80), classes=np.array(["a"]))


def test_shuffling_keeps_the_labels_of_a_source_together():
    sources = np.array(["a", "a", "b", "c", "c", "d"])
    labels = np.array(["x", "x", "y", "x", "x", "y"])
    shuffled = shuffled_by_source(labels, sources, np.random.default_rng(3))
    for source in "abcd":
        assert len(set(shuffled[sources == source])) == 1
    by_source = [shuffled[sources == source][0] for source in "abcd"]
    assert sorted(by_source) == ["x", "x", "y", "y"]


def test_tasks_use_what_is_known_only():
    rng = np.random.default_rng(0)
    latents = Halves(rng.normal(size=(100, 2)), rng.normal(size=(60, 2)))
    known, new = (np.where(z[:, 0] > 0, "up", "down") for z in (latents.known, latents.new))
    known[:20], new[:10] = "", ""
    for found in (
        *supervised(latents, known, new, "side", 0),
        *unsupervised(latents, known, new, "side", 0),
    ):
        assert found.value > 0.7, found
    numbers = latents.known[:, 1].copy()
    numbers[:30] = np.nan
    results = list(regression(latents, numbers, latents.new[:, 1], "y", 0))
    assert {one.metric for one in results} >= {"R2, linear", "Spearman, forest"}
    assert all(one.value > 0.8 for one in results)
    assert not list(supervised(latents, known[:10], new, "few", 0))
