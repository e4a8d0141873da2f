"""Benchmarks run to their end, each of them small: one that nothing runs stops working unseen.

What their figures are is not tested here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.robustness import bench_tracers, bench_validation
from tests.benchmarks.scale import (
    archive_publishing,
    archive_scheduling,
    bench_archive,
    bench_scale,
)
from tests.benchmarks.speed import (
    bench_campaign,
    bench_classes,
    bench_distances,
    bench_job,
    bench_paths,
    bench_trees,
)
from tests.benchmarks.table import Line
from tests.benchmarks.truth import (
    bench_impossible,
    bench_low_snr,
    bench_truth_lines,
    truth_cubes,
)


def figures(lines: Iterable[Line], count: int) -> dict[str, float]:
    """So many lines, each of a case of its own and with a figure."""
    found = list(lines)
    values = {line.case: line.value for line in found}
    assert len(values) == len(found) == count
    assert all(math.isfinite(value) for value in values.values()), values
    return values


def test_distances_are_measured_against_products_and_scipy(monkeypatch) -> None:
    monkeypatch.setattr(bench_distances, "CDIST_SPECTRA", 20)
    spectra = np.random.default_rng(0).normal(size=(40, 120)).astype(np.float32)
    products = bench_distances.against_products(spectra, 6, "float32", limit=1.0, repeats=1)
    assert all(value > 0 for value in figures([products], 1).values())
    scipy = bench_distances.against_cdist(spectra, limit=1.0, repeats=1)
    assert all(value > 0 for value in figures([scipy], 1).values())


def test_trees_of_all_ways_are_those_of_fastcluster() -> None:
    values = figures(bench_trees.measure(12, with_fastcluster=True), 16)
    same = [value for case, value in values.items() if "agreement" in case]
    assert same == [1.0] * 4


def test_trees_in_two_stages_are_compared_with_exact_ones(capsys) -> None:
    bench_paths.main(side=14, galaxies=2, snr=30.0, n_micro=40)
    table = capsys.readouterr().out
    assert "2 galaxies of 14 x 14 spaxels" in table
    assert "nan" not in table


def test_the_job_of_a_cube_is_measured(monkeypatch) -> None:
    monkeypatch.setattr(bench_job, "SIZE", (10, 10))
    monkeypatch.setattr(bench_job, "REPEATS", 1)
    assert all(value > 0 for value in figures(bench_job.measure(), 2).values())


def test_draws_on_workers_are_measured() -> None:
    values = figures(bench_classes.speed(rounds=1, draws_per_round=8), 2)
    assert all(value > 0 for value in values.values())


def test_the_floor_of_a_galaxy_and_a_tree_are_measured(monkeypatch) -> None:
    monkeypatch.setattr(bench_campaign, "LINKED", 300)
    monkeypatch.setattr(bench_campaign, "REPEATS", 2)
    values = figures(bench_campaign.measure(["floor", "linkage"]), 4)
    assert values["its files"] == 8


@pytest.mark.parametrize(
    ("case", "scale", "count"),
    [("scheduling", 0.002, 3), ("publish", 0.002, 2), ("read", 0.002, 5), ("resume", 0.001, 3)],
)
def test_cases_of_an_archive_are_measured(case, scale, count, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(archive_scheduling, "WORKERS", 4)
    monkeypatch.setattr(archive_scheduling, "SPAXELS", 20)
    monkeypatch.setattr(archive_scheduling, "MEAN_S", 0.05)
    monkeypatch.setattr(archive_publishing, "_alone", lambda function, *given: function(*given))
    if case == "read":
        archive_scheduling.parts_of(tmp_path, 20)
    figures(bench_archive.CASES[case](tmp_path, scale), count)


def test_a_cube_on_a_worker_of_limited_memory_is_measured(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(bench_scale.CASES, "tiny", bench_scale.Case("small", "1GiB"))
    bench_scale.run_case("tiny", tmp_path)
    with np.load(tmp_path / "results" / "tiny.npz") as kept:
        assert len(kept["labels"]) == len(kept["truth"]) > 100
        assert len(kept["heights"]) == len(kept["labels"]) - 1


def test_masked_voxels_bring_the_partition_back(monkeypatch, capsys) -> None:
    monkeypatch.setattr(bench_impossible, "GALAXIES", 1)
    bench_impossible.partitions(seed=0)
    lines = capsys.readouterr().out.splitlines()
    assert "  3 hot voxels, masked: 1.00 (least 1.00)" in lines


def test_errors_of_features_are_measured_at_low_snr(monkeypatch) -> None:
    monkeypatch.setattr(bench_low_snr, "DRAWS", 1)
    found = bench_low_snr.errors(20.0, np.random.default_rng(0))
    assert len({len(values) for values in found.values()}) == 1
    assert np.median(found["S/N"]) == pytest.approx(20, rel=0.1)


@pytest.mark.real_data
@pytest.mark.parametrize(("added_nm", "k"), [(0, [1, 1]), (12, [2, 1])])
def test_a_cone_of_other_lines_is_found_by_these_alone(
    shared_data, added_nm, k, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(truth_cubes, "SHAPE", (30, 30))
    case = bench_truth_lines.ConeCase("cone", 1, 50.0, added_nm)  # of the spectrum of VV 114
    rows = pd.DataFrame(bench_truth_lines.judged(case))
    assert rows["method"].tolist() == ["walk", "without lines"]
    assert rows["k"].tolist() == k
    bench_truth_lines.print_scores(rows)
    assert "cubes of more than one cluster" in capsys.readouterr().out


def test_maps_of_unrelated_structure_are_compared() -> None:
    rng = np.random.default_rng(0)
    found = bench_tracers.compared(
        bench_tracers.smooth(rng), bench_tracers.smooth(rng), draws=19, rng=rng
    )
    assert set(found) >= {"classes", "values"}


def test_verdicts_are_held_against_the_truth(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(truth_cubes, "SHAPE", (10, 10))
    monkeypatch.setattr(truth_cubes, "FIELD_ARCSEC", 2.0)
    monkeypatch.setattr(truth_cubes, "SIMULATED_WINDOW_UM", truth_cubes.SMALL_OBSERVED_UM)
    case = next(bench_validation.cases("chosen"))
    answers = bench_validation.validate_case(case, tmp_path, ("linkage", "noise"))
    galaxies, _ = bench_validation.judged(answers.assign(seeds="chosen"))
    assert len(galaxies) == 1
    assert galaxies["cost"].iloc[0] > 0
    bench_validation.count_wrong(answers.assign(seeds="chosen"))
    assert "chosen" in capsys.readouterr().out
