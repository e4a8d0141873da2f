"""The classification of a survey on a real cluster: nothing twice, nothing that depends on it."""

import json
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from PIL import Image

from catalogs import open_catalog
from catalogs.flags import ClusterFlag
from catalogs.parts import PartStore
from catalogs.reference import packaged_reference
from catalogs.verify import verify
from survey.classes.monte_carlo import run_draws
from survey.classes.prediction import predict_draws
from survey.config import ClassSettings, Settings, build_settings
from survey.engine.cluster import Cluster
from survey.errors import ConfigError, DataError
from survey.pipeline.classification.classify import apply_model_file, classify, classify_run
from survey.pipeline.classification.monte_carlo import (
    MonteCarlo,
    labelled_sample,
    method_of,
    trained_sample,
)
from survey.pipeline.classification.plan import plan_classification
from survey.pipeline.classification.sample import fitting_sets
from survey.pipeline.galaxy.target import Target
from survey.pipeline.run.prune import prune
from survey.pipeline.run.survey import run_survey
from survey.pipeline.run.targets import read_targets
from survey.report.run import write_index_pages
from survey.simulate import simulate_archive


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> list[Target]:
    """A Seyfert, a starburst, a LINER and a composite galaxy, in channel 3 short."""
    folder = tmp_path_factory.mktemp("four")
    simulate_archive(folder, 4, size=(10, 10), window="ch3-short", seed=4)
    return read_targets(folder / "targets.ecsv")


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of labels by type, as `survey init` writes one."""
    path = tmp_path_factory.mktemp("labels") / "labels.ecsv"
    write_types(path, {"SIM-001": "Sy-2", "sim 002": "Starburst", "NGC 1": "Sy-1"})
    return path


def write_types(path: Path, types: dict[str, str]) -> None:
    table = Table({"galaxy": list(types), "type": list(types.values())})
    table.write(path, format="ascii.ecsv", overwrite=True)


@pytest.fixture(scope="module")
def settings(labels: Path) -> Settings:
    classes = {"labels": str(labels), "ratios": "ch3-short", "draws": 6, "trees": 10}
    # Ward's clusters are of similar size.
    three = {"cut": {"criterion": "fixed", "k": 3}, "linkage": {"method": "ward"}}
    return build_settings(three | {"classes": classes})


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory, four, settings: Settings, cluster: Cluster) -> Path:
    """A run with three of the galaxies, classified."""
    root = tmp_path_factory.mktemp("surveyed")
    run_survey(root, four[:3], settings, cluster)
    assert (open_catalog(root).clusters["class"] == "").all(), "not before it is asked for"
    done = classify(root, settings.classes, cluster)
    assert done.computed
    assert done.notes == ("labels of galaxies that are not in the survey: NGC 1",)
    return root


@pytest.fixture
def run(surveyed: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(surveyed, tmp_path / "run", symlinks=True))


def changed(settings: Settings, **values: object) -> Settings:
    classes = settings.classes.model_copy(update=values)
    return settings.model_copy(update={"classes": classes})


def has_flag(clusters: pd.DataFrame, flag: ClusterFlag) -> pd.Series:
    return clusters["flags"] & int(flag) > 0


def test_classes_are_columns_of_the_clusters_and_the_catalog_is_sound(surveyed):
    clusters = pd.read_parquet(surveyed / "catalog" / "clusters.parquet")
    assert set(clusters["label_initial"]) - {""} == {"AGN", "SF"}
    assert set(clusters["class"]) - {""} <= {"AGN", "SF", "other"}
    classified = clusters[clusters["class"] != ""]
    p = classified[["p_AGN", "p_SF", "p_other"]]
    np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-6)
    assert (p.idxmax(axis=1).str.removeprefix("p_") == classified["class"]).all()
    assert ((clusters["class"] == "") == has_flag(clusters, ClusterFlag.UNCLASSIFIED)).all()
    assert all(check.ok for check in verify(surveyed))


def test_shares_of_the_classes_are_fractions_times_probabilities_of_clusters(
    four, settings, cluster, tmp_path
):
    walked = settings.model_copy(
        update={"cut": settings.cut.model_copy(update={"criterion": "walk", "k_min": 3})}
    )
    run_survey(tmp_path, four[:2], walked, cluster)
    classify(tmp_path, walked.classes, cluster)
    catalog = open_catalog(tmp_path)
    names = [f"share_{name}" for name in catalog.classes]
    everything = np.zeros(3)
    for galaxy, clusters in catalog.clusters.groupby("galaxy"):
        spaxels = catalog.spaxels(galaxy)
        spaxels = spaxels[spaxels["cluster"] > 0]
        own = np.stack(list(spaxels["fractions"]))
        p = clusters[[f"p_{name}" for name in catalog.classes]].fillna(0.0)
        np.testing.assert_allclose(spaxels[names], own @ p, atol=1e-6)
        light = spaxels["scale"].to_numpy()[:, np.newaxis] * spaxels[names].to_numpy()
        total = spaxels["scale"].groupby(spaxels["cluster"]).sum().to_numpy()
        expected = [light[spaxels["cluster"] == c].sum(0) for c in clusters["cluster"]]
        np.testing.assert_allclose(clusters[names], expected / total[:, np.newaxis], rtol=1e-5)
        whole = catalog.galaxies.set_index("galaxy").loc[galaxy, names].astype(float)
        np.testing.assert_allclose(whole, light.sum(0) / total.sum(), rtol=1e-5)
        everything += light.sum(0)
    assert (everything > 0).any(), "nothing is proved by empty columns"
    assert all(check.ok for check in verify(tmp_path))


def test_a_fixed_cut_has_no_fractions_and_no_shares(surveyed):
    catalog = open_catalog(surveyed)
    assert catalog.clusters[["share_AGN", "share_SF"]].isna().all(axis=None)
    assert catalog.galaxies["share_AGN"].isna().all()


def test_scores_come_in_three_ways_and_importances_in_order(surveyed):
    catalog = open_catalog(surveyed)
    assert catalog.classes == ("AGN", "SF", "other")
    assert set(catalog.scores["measured"]) == {"in-sample", "out-of-bag", "galaxy-held-out"}
    assert set(catalog.scores["method"]) == {"logistic", "mixture", "forest"}
    for _, rows in catalog.importances.groupby("method"):
        assert rows["importance"].is_monotonic_decreasing
        assert rows["importance"].sum() == pytest.approx(1.0)


def test_a_second_time_nothing_is_computed_nor_published(run, settings, cluster):
    before = (run / "catalog").resolve()
    counted: list[int] = []
    assert not classify(run, settings.classes, cluster, on_draws=counted.append).computed
    assert counted == []
    assert (run / "catalog").resolve() == before


def test_other_labels_touch_no_galaxy(run, settings, cluster, tmp_path):
    parts = sorted(run.glob("parts/SIM-*/*"))
    other = tmp_path / "other.ecsv"
    write_types(other, {"SIM-001": "Starburst", "SIM-002": "Sy-2"})
    before = open_catalog(run).clusters
    assert classify(run, changed(settings, labels=str(other)).classes, cluster).computed
    after = open_catalog(run).clusters
    assert sorted(run.glob("parts/SIM-*/*")) == parts
    assert not before["label_initial"].equals(after["label_initial"])
    measured = [name for name in before if name.startswith(("flux_", "log_", "area"))]
    pd.testing.assert_frame_equal(before[measured], after[measured])
    assert not classify(run, settings.classes, cluster).computed, "the first are still there"


def test_classes_of_a_random_forest_are_there_whatever_the_method(surveyed, run, settings, cluster):
    clusters = open_catalog(surveyed).clusters
    classified = clusters[clusters["class_rf"] != ""]
    assert (classified["class"] != "").all()
    forest = classified[["p_rf_AGN", "p_rf_SF", "p_rf_other"]]
    np.testing.assert_allclose(forest.sum(axis=1), 1.0, atol=1e-6)
    assert (forest.idxmax(axis=1).str.removeprefix("p_rf_") == classified["class_rf"]).all()
    assert classified["p_rf_AGN_err"].ge(0).all()
    assert classified["p_rf_oob_AGN"].notna().any()
    classify(run, changed(settings, method="forest").classes, cluster)
    chosen = open_catalog(run).clusters
    pd.testing.assert_series_equal(chosen["class"], clusters["class_rf"], check_names=False)
    pd.testing.assert_series_equal(chosen["p_AGN"], clusters["p_rf_AGN"], check_names=False)


def test_the_way_of_the_paper_spreads_labels_and_grows_a_forest_in_every_draw(
    run, settings, cluster, tmp_path
):
    paper = changed(settings, method="forest", spread=True)
    file = tmp_path / "paper.skops"
    done = classify_run(run, paper, cluster, save_as=file)
    clusters = open_catalog(run).clusters
    assert clusters["reached"].between(0, 1).all()
    pd.testing.assert_series_equal(clusters["class"], clusters["class_rf"], check_names=False)
    assert set(open_catalog(run).scores["method"]) == {"forest"}
    (sample,) = {done.sample.path}
    alone = run_draws(
        labelled_sample(sample, paper.classes), method_of(paper.classes), range(6), seed=0
    )
    np.testing.assert_array_equal(
        clusters[["p_AGN", "p_SF", "p_other"]].dropna(),
        alone.p.mean[clusters["p_AGN"].notna()],
    )
    assert apply_model_file(run, file, settings.classes, cluster).computed


def test_scores_are_said_with_their_number_and_what_a_guess_would_have(
    run, settings, cluster, tmp_path
):
    lines = classify(run, settings.classes, cluster).summary()
    said = [line for line in lines if line.startswith("balanced accuracy, logistic")]
    assert any("n = " in line and "a majority guess: 0.500" in line for line in said)


def test_a_small_region_labels_the_cluster_that_holds_it_and_that_is_said(
    run, settings, cluster, tmp_path
):
    spaxels = open_catalog(run).spaxels("SIM-003")
    spot = spaxels[spaxels["cluster"] == spaxels["cluster"].max()].iloc[0]
    file = tmp_path / "spots.ecsv"
    rows = {"galaxy": ["SIM-001", "SIM-002", "SIM-003"], "type": ["Sy-2", "Starburst", ""],
            "class": ["", "", "other"], "ra": [0.0, 0.0, spot["ra"]],
            "dec": [0.0, 0.0, spot["dec"]], "radius": [0.0, 0.0, 0.05]}  # fmt: skip
    Table(rows).write(file, format="ascii.ecsv")
    done = classify(run, changed(settings, labels=str(file)).classes, cluster)
    labelled = open_catalog(run).clusters.query("galaxy == 'SIM-003'").set_index("cluster")
    assert labelled.loc[spot["cluster"], "label_initial"] == "other"
    assert labelled.loc[spot["cluster"], "label_coverage"] < 0.5
    assert any(f"SIM-003 {spot['cluster']}" in note for note in done.notes)
    write_index_pages(run)
    with Image.open(run / "report" / "classes" / "labels.png") as picture:
        assert picture.info["Source"] == done.classification.key
    assert "classes/labels.png" in (run / "report" / "classes.html").read_text()


def test_the_draws_of_all_workers_are_those_of_one(surveyed, settings, cluster):
    (sample,) = surveyed.glob("parts/whole%20survey/sample-*")
    counted: list[int] = []
    together = MonteCarlo(cluster, sample, settings.classes, counted.append).predictions()
    trained = trained_sample(sample, settings.classes)
    alone = predict_draws(trained, settings.classes.method, range(6), settings.classes.seed)
    assert sum(counted) == 6
    assert len(counted) > 1
    for field in fields(alone):
        ours, theirs = getattr(together, field.name), getattr(alone, field.name)
        np.testing.assert_array_equal(ours.total, theirs.total)
        np.testing.assert_array_equal(ours.squares, theirs.squares)


def test_galaxies_added_later_have_no_class_until_the_next_time(run, four, settings, cluster):
    before = open_catalog(run).clusters
    run_survey(run, four, settings, cluster)
    after = open_catalog(run).clusters
    is_new = after["galaxy"] == "SIM-004"
    pd.testing.assert_frame_equal(after[~is_new].reset_index(drop=True), before)
    assert (after.loc[is_new, "class"] == "").all()
    assert after.loc[is_new, ["p_AGN", "margin"]].isna().all(axis=None)
    assert (has_flag(after, ClusterFlag.CLASS_OUTDATED) == is_new).all()
    assert all(check.ok for check in verify(run))
    assert classify(run, settings.classes, cluster).computed
    assert not has_flag(open_catalog(run).clusters, ClusterFlag.CLASS_OUTDATED).any()


def test_only_the_classification_before_is_superseded(run, settings, cluster):
    assert prune(run).folders == ()
    classify(run, changed(settings, seed=1).classes, cluster)
    assert [folder.name.split("-")[0] for folder in prune(run, remove=True).folders] == ["classes"]
    assert not classify(run, changed(settings, seed=1).classes, cluster).computed


def test_a_damaged_classification_is_dropped_and_made_again(run, four, settings, cluster):
    (victim,) = run.glob("parts/whole%20survey/classes-*/classes.arrow")
    victim.write_bytes(victim.read_bytes()[:-10])
    with pytest.warns(UserWarning, match="discarded"):
        run_survey(run, four[:3], settings, cluster)
    assert open_catalog(run).classes == ()
    assert classify(run, settings.classes, cluster).computed
    assert open_catalog(run).classes


def test_too_few_labels_are_an_error_that_counts_them(run, settings, cluster, tmp_path):
    few = tmp_path / "few.ecsv"
    write_types(few, {"SIM-001": "Sy-2"})
    with pytest.raises(DataError, match="1 of AGN, 0 of SF, 0 of other, among 9 clusters of 3"):
        classify(run, changed(settings, labels=str(few)).classes, cluster)


def test_ratios_out_of_range_are_an_error_that_names_the_sets_that_fit(run, settings, cluster):
    with pytest.raises(DataError, match=r"'ch4' were not measured") as refusal:
        classify(run, changed(settings, ratios="ch4").classes, cluster)
    assert refusal.value.advice.endswith(": ch3-short-pairs, ch3-short.")
    spread = changed(settings, ratios="ch4", method="forest", spread=True)
    with pytest.raises(DataError, match=r"'ch4' were not measured"):
        classify(run, spread.classes, cluster)


def test_where_no_set_fits_the_advice_is_to_add_one():
    clusters = pd.DataFrame({"galaxy": ["a"], "slope_alpha": [1.0], "slope_alpha_err": [0.1]})
    assert fitting_sets(clusters, ClassSettings(), packaged_reference()) == []


@pytest.mark.parametrize(
    ("name", "words"), [(None, "--labels FILE"), ("absent.reg", "not exist"), ("x.txt", "unknown")]
)
def test_labels_that_are_not_there_are_refused(run, settings, cluster, tmp_path, name, words):
    (tmp_path / "x.txt").write_text("circle")
    path = None if name is None else str(tmp_path / name)
    with pytest.raises(ConfigError, match=words):
        classify(run, changed(settings, labels=path).classes, cluster)


def test_a_model_is_saved_with_its_card_and_classifies_another_run(
    run, four, settings, cluster, tmp_path, monkeypatch
):
    # Nine clusters make contours, if few are enough and both ratios are detected in all.
    plane = ("PAH_12.0/PAH_12.7", "NeII_12.81/PAH_12.7")
    monkeypatch.setattr("survey.pipeline.classification.classify.planes_of", lambda *_: [plane])
    monkeypatch.setattr("survey.classes.diagrams.MIN_CLUSTERS", 1.0)
    file, fewer = tmp_path / "model" / "ours.skops", changed(settings, draws=5)
    assert classify_run(run, fewer, cluster).computed
    counted: list[int] = []
    assert not classify_run(run, fewer, cluster, save_as=file, on_draws=counted.append).computed
    assert sum(counted) == 10, "those that were done before count as well"
    card = json.loads(file.with_suffix(".json").read_text())
    assert card["galaxies"] == ["SIM-001", "SIM-002", "SIM-003"]
    assert set(card["scores"]) == {"in-sample", "galaxy-held-out"}

    other = tmp_path / "new"
    run_survey(other, four[3:], settings, cluster)
    assert apply_model_file(other, file, settings.classes, cluster).computed
    catalog = open_catalog(other)
    assert catalog.clusters["class"].isin(["AGN", "SF"]).all()
    assert catalog.clusters["p_AGN_err"].gt(0).any(), "its own errors count"
    assert catalog.clusters["class_rf"].isin(["AGN", "SF"]).all()
    assert (catalog.clusters["label_initial"] == "").all()
    assert len(catalog.scores) == 0
    trained = open_catalog(run).diagrams.drop(columns="origin")
    assert len(trained)
    of_model = catalog.diagrams[catalog.diagrams["origin"] == "model"].drop(columns="origin")
    pd.testing.assert_frame_equal(of_model.reset_index(drop=True), trained)
    assert all(check.ok for check in verify(other))
    assert not apply_model_file(other, file, settings.classes, cluster).computed

    # By relative paths; the workers of the cluster run already, in another folder.
    monkeypatch.chdir(tmp_path)
    model, more = Path("model") / "ours.skops", changed(settings, draws=7)
    assert classify_run(Path("new"), more, cluster, model=model).computed


def test_a_model_of_lines_that_were_not_measured_is_refused(
    run, settings, cluster, tmp_path, targets
):
    file = tmp_path / "model.skops"
    classify_run(run, changed(settings, predictors="ch3-short-lines"), cluster, save_as=file)
    narrow = tmp_path / "narrow"
    run_survey(narrow, targets[:1], settings, cluster)
    with pytest.raises(DataError, match="no cluster has enough of the predictors"):
        apply_model_file(narrow, file, settings.classes, cluster)


def test_a_classification_is_recorded_and_repeated_without_arguments(run, settings, cluster):
    classify_run(run, changed(settings, draws=3), cluster)
    again = plan_classification(run)
    assert again.classes.draws == 3
    assert not classify(run, again.classes, cluster).computed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"overrides": {"cut": {"k": 3}}}, "only settings of the classification"),
        ({"labels": Path("a.reg"), "model": Path("b.skops")}, "give one of them"),
    ],
)
def test_what_does_not_go_together_is_refused(run, arguments, words):
    with pytest.raises(ConfigError, match=words):
        plan_classification(run, **arguments)


def test_the_sample_is_committed_once_for_the_same_labels(run, settings, cluster):
    classify(run, changed(settings, draws=4).classes, cluster)
    store = PartStore(run)
    assert len(list((store.root / "parts" / "whole%20survey").glob("sample-*"))) == 1
