import numpy as np
import pytest
from astropy.io import fits

from survey.classes.labelling.labels import label_clusters
from survey.classes.labelling.regions import parse_regions
from survey.simulate.labels import (
    MIN_AREA_SPAXELS,
    MIXED_BELOW,
    label_regions,
    read_class_shares,
    true_classes,
)
from survey.simulate.write import truth_path


@pytest.fixture(scope="module")
def truth(files):
    return truth_path(files.path)


@pytest.fixture(scope="module")
def found(truth):
    return read_class_shares(truth)


@pytest.fixture(scope="module")
def regions(truth, tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / "labels.ecsv"
    label_regions({"TEST": truth}).write(path, format="ascii.ecsv")
    return parse_regions(path.read_text(), "ecsv")


@pytest.fixture(scope="module")
def sky(found):
    y, x = np.indices(found.shares.shape[1:]).reshape(2, -1)
    return found.wcs.pixel_to_world_values(x, y)


def test_classes_share_all_light_as_their_components_do(found, truth):
    assert found.classes == ("AGN", "SF")
    np.testing.assert_allclose(found.shares.sum(axis=0), 1, atol=1e-5)
    with fits.open(truth) as hdus:
        agn = np.isin(hdus["COMPONENTS"].data["spectrum"], ["seyfert", "cone"])
        np.testing.assert_allclose(found.shares[0], hdus["FRACTION"].data[agn].sum(axis=0))


def test_the_class_of_a_cluster_gives_most_of_the_light_of_its_spaxels(found, truth):
    y, x = np.indices(found.shares.shape[1:]).reshape(2, -1)
    agn = found.shares[0, y, x]
    cluster = np.select([agn > 0.8, agn > 0.5, agn > 0.3], [7, 2, 5], default=0)
    answer = true_classes(truth, cluster, y, x)
    assert answer.clusters.tolist() == [2, 5, 7]
    assert answer.names.tolist() == ["AGN", "SF", "AGN"]
    expected = [agn[cluster == 2].mean(), 1 - agn[cluster == 5].mean(), agn[cluster == 7].mean()]
    np.testing.assert_allclose(answer.purity, expected)


def test_regions_hold_the_spaxels_that_are_not_mixed(found, regions, sky):
    for name, share in zip(found.classes, found.shares, strict=True):
        inside = np.any([r.contains(*sky) for r in regions if r.class_name == name], axis=0)
        wanted = share.ravel() > MIXED_BELOW
        assert not (inside & ~wanted).any()
        assert (wanted & ~inside).sum() < MIN_AREA_SPAXELS
        assert 0.1 < wanted.mean() < 0.9


def test_a_region_around_another_has_a_hole(regions, sky):
    nucleus = next(r for r in regions if r.class_name == "AGN")
    around = max((r for r in regions if r.class_name == "SF"), key=lambda r: len(r.ra_deg))
    inside = nucleus.contains(*sky)
    assert inside.any()
    assert not (around.contains(*sky) & inside).any()


def test_clusters_in_their_regions_are_labelled_with_their_true_class(found, truth, regions, sky):
    y, x = np.indices(found.shares.shape[1:]).reshape(2, -1)
    cluster = np.where(found.shares[0, y, x] > 0.7, 1, np.where(found.shares[1, y, x] > 0.7, 2, 0))
    labels = label_clusters(
        cluster, *sky, galaxy="TEST", regions=regions, classes=found.classes, min_fraction=0.5
    )
    answer = true_classes(truth, cluster, y, x)
    assert [found.classes[label] for label in labels.labels] == answer.names.tolist()
    assert not labels.conflicts
