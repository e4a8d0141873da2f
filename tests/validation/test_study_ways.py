"""The study of the defaults: every way of clustering labels the same spaxels."""

import numpy as np
import pytest

from survey.validation.agreement import adjusted_rand
from tests.benchmarks.robustness.study_ways import FACTORS, Spaxels, Way, ways
from tests.benchmarks.truth import truth_cubes
from tests.benchmarks.truth.truth_cubes import SMALL_OBSERVED_UM, TruthCase


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(truth_cubes, "SHAPE", (16, 16))
        patch.setattr(truth_cubes, "FIELD_ARCSEC", 3.2)
        patch.setattr(truth_cubes, "SIMULATED_WINDOW_UM", SMALL_OBSERVED_UM)
        target, truth = TruthCase("simulated", 0, 50.0, 1).make(folder)
    spaxels = Spaxels(target, folder / "run")
    return spaxels, truth.region[spaxels.place]


@pytest.mark.parametrize("way", list(ways(1)), ids=lambda way: way.name)
def test_every_way_labels_the_spaxels_of_the_default(cube, way):
    spaxels, region = cube
    labels = spaxels.labels(way)
    assert labels.shape == region.shape
    assert set(labels) - {0} == set(range(1, labels.max() + 1))


@pytest.mark.parametrize("shift", FACTORS["shift"])
def test_of_some_rows_no_other_spaxels_are_labelled(cube, shift):
    spaxels, _ = cube
    half = np.arange(0, len(spaxels.place[0]), 2)
    labels = spaxels.labels(Way(shift=shift, cut="fixed, 6"), half)
    assert not labels[1::2].any()
    assert labels[::2].max() > 1


def test_a_way_that_keeps_fewer_spaxels_is_asked_for_those_of_the_default(cube, monkeypatch):
    spaxels, region = cube
    prepared = spaxels._prepared

    def without_the_first(shift, psf):
        data, recipe, (y, x) = prepared(shift, psf)
        return data.rows(np.arange(1, len(y))), recipe, (y[1:], x[1:])

    half = np.arange(len(region) // 2, len(region))
    monkeypatch.setattr(spaxels, "_prepared", without_the_first)
    spaxels._linked.cache_clear()
    labels = spaxels.labels(Way(cut="fixed, 6"), half)
    spaxels._linked.cache_clear()
    assert not labels[: half[0]].any()
    assert (labels[half] > 0).all()


def test_masked_planes_have_no_weight(cube):
    spaxels, _ = cube
    way = Way(normalisation="line-masked", weights="planes by noise", cut="fixed, 6")
    assert spaxels.labels(way).max() > 1


def test_clusters_of_the_default_are_those_of_the_truth_more_than_by_chance(cube):
    spaxels, region = cube
    assert adjusted_rand(spaxels.labels(Way()), region.astype(int) + 1) > 0.2
