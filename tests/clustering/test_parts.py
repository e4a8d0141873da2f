"""Connected parts of clusters: numbered by size, described, and in bounded memory."""

import numpy as np
import pytest

from survey.clustering.parts import cluster_parts

MAP = np.array(
    [
        [1, 1, 1, 1, 2, 2],
        [1, 2, 2, 1, 2, 1],
        [1, 2, 2, 1, 2, 2],
        [1, 1, 1, 1, 3, 2],
        [2, 0, 0, 3, 0, 1],
    ]
)
"""A ring about a piece of another cluster; single spaxels; 3 touches itself at a corner."""


@pytest.fixture
def image():
    y, x = np.nonzero(MAP)
    rng = np.random.default_rng(0)
    labels = MAP[y, x]
    flux = 100.0 + rng.normal(size=(len(y), 400))
    brightness = np.where(labels == 2, 2.0, 1.0)
    at_edge = (y == 0) | (x == 0) | (y == 4) | (x == 5)
    return flux, labels, y, x, brightness, at_edge


def test_parts_are_numbered_by_size_in_every_cluster(image):
    found = cluster_parts(*image)
    assert found.cluster.tolist() == [1, 1, 1, 2, 2, 2, 3]
    assert found.part.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert found.n_spaxel.tolist() == [12, 1, 1, 6, 4, 1, 2]
    _, labels, y, x, *_ = image
    as_map = np.full(MAP.shape, -1)
    as_map[y, x] = found.of_spaxel
    assert as_map[:4, 0].tolist() == [0, 0, 0, 0]
    assert as_map[1:3, 1:3].tolist() == [[1, 1], [1, 1]]
    assert as_map[4, 0] == 2
    assert as_map[3, 4] == as_map[4, 3] == 0
    for cluster, part, count in zip(found.cluster, found.part, found.n_spaxel, strict=True):
        assert np.sum((labels == cluster) & (found.of_spaxel == part)) == count


def test_parts_have_place_light_and_edge(image):
    found = cluster_parts(*image)
    hidden = np.flatnonzero((found.cluster == 2) & (found.part == 1))[0]
    assert (found.centroid_y[hidden], found.centroid_x[hidden]) == (1.5, 1.5)
    assert found.light_fraction[hidden] == pytest.approx(4 / 11)
    assert not found.touches_edge[hidden]
    assert np.delete(found.touches_edge, hidden).all()
    assert np.bincount(found.cluster, found.light_fraction)[1:] == pytest.approx(1.0)


def test_the_snr_of_a_part_grows_as_the_root_of_its_spaxels(image):
    found = cluster_parts(*image)
    assert found.continuum_snr == pytest.approx(100 * np.sqrt(found.n_spaxel), rel=0.2)


def test_of_equal_parts_the_brighter_comes_first(image):
    flux, labels, y, x, brightness, at_edge = image
    brightness[(y == 4) & (x == 5)] = 7.0
    found = cluster_parts(flux, labels, y, x, brightness, at_edge)
    assert found.of_spaxel[(y == 4) & (x == 5)] == 1
    assert found.of_spaxel[(y == 1) & (x == 5)] == 2


def test_parts_in_blocks_of_rows_and_of_parts_are_the_same(image, monkeypatch):
    whole = cluster_parts(*image)
    monkeypatch.setattr("survey.clustering.profiles._READ_SAMPLES", 5 * 400)
    monkeypatch.setattr("survey.clustering.profiles._SUM_SAMPLES", 2 * 400)
    assert cluster_parts(*image).continuum_snr == pytest.approx(whole.continuum_snr, rel=1e-9)
