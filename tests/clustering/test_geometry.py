import numpy as np
import pytest

from survey.clustering.geometry import cluster_geometry
from survey.spectra.centre import photometric_centre


def moffat_image(side, centre, seed=0):
    y, x = np.mgrid[:side, :side]
    radius2 = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
    image = 1000 * (1 + radius2 / 1.5**2) ** -2.5 + 10 * np.exp(-np.sqrt(radius2) / 8)
    return (
        (image + np.random.default_rng(seed).normal(size=image.shape)).ravel(),
        y.ravel(),
        x.ravel(),
    )


def measured(labels, y, x, brightness=None, **changes):
    arguments = {
        "centre": (0.0, 0.0),
        "field": np.ones((y.max() + 1, x.max() + 1), dtype=bool),
        "spaxel_area_arcsec2": 0.04,
        "nuclear_radius_arcsec": 0.5,
    } | changes
    brightness = np.ones(len(y)) if brightness is None else brightness
    return cluster_geometry(labels, y, x, brightness, **arguments)


@pytest.mark.parametrize("centre", [(15.0, 15.0), (12.3, 17.6), (5.5, 20.25)])
def test_centre_of_a_galaxy_is_found_to_a_fifth_of_a_spaxel(centre):
    found = photometric_centre(*moffat_image(32, centre))
    assert np.hypot(*np.subtract(found, centre)) < 0.2


def test_a_hot_spaxel_is_not_the_nucleus():
    brightness, y, x = moffat_image(32, (15.0, 15.0))
    brightness[3 * 32 + 3] = 1e5
    assert np.hypot(*np.subtract(photometric_centre(brightness, y, x), 15.0)) < 0.2


def test_centre_does_not_need_the_spaxels_that_were_left_out():
    brightness, y, x = moffat_image(32, (15.2, 14.7))
    kept = brightness > 3.0
    found = photometric_centre(brightness[kept], y[kept], x[kept])
    assert np.hypot(*np.subtract(found, (15.2, 14.7))) < 0.2


def test_areas_radii_and_centroids_are_those_of_the_spaxels():
    y, x = (grid.ravel() for grid in np.mgrid[:10, :10])
    labels = 1 + (x >= 4).astype(int)
    result = measured(labels, y, x, brightness=1.0 + x)
    assert result.n_spaxel.tolist() == [40, 60]
    assert result.area_arcsec2 == pytest.approx([1.6, 2.4])
    assert np.pi * result.radius_arcsec**2 == pytest.approx([1.6, 2.4])
    assert result.centroid_x == pytest.approx([1.5, 6.5])
    assert result.centroid_y == pytest.approx([4.5, 4.5])
    assert result.flux_centroid_x[0] == pytest.approx((0 + 2 + 6 + 12) / 10)
    expected = 0.2 * np.hypot(4.5, result.flux_centroid_x)
    assert result.offset_arcsec == pytest.approx(expected)


def test_exactly_one_cluster_is_nuclear():
    y, x = (grid.ravel() for grid in np.mgrid[:11, :11])
    labels = 1 + (x >= 5).astype(int)
    result = measured(labels, y, x, centre=(5.0, 5.0))
    assert result.nuclear.tolist() == [False, True]


def test_no_cluster_is_nuclear_when_the_centre_was_not_clustered():
    y, x = (grid.ravel() for grid in np.mgrid[:11, :11])
    away = np.hypot(y - 5, x - 5) > 4
    labels = 1 + (x[away] >= 5).astype(int)
    result = measured(labels, y[away], x[away], centre=(5.0, 5.0))
    assert not result.nuclear.any()


def test_only_the_edge_of_the_field_counts_as_edge():
    y, x = (grid.ravel() for grid in np.mgrid[:12, :12])
    field = np.ones((12, 12), dtype=bool)
    field[:3, :3] = False
    labels = np.full(144, 2)
    labels[(y == 3) & (x == 2)] = 1
    labels[(y == 6) & (x == 6)] = 3
    inside = field[y, x]
    result = measured(labels[inside], y[inside], x[inside], field=field)
    assert result.touches_edge.tolist() == [True, True, False]
