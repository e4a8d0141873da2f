import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from catalogs.errors import CatalogError
from survey.errors import ConfigError
from survey.simulate.observation import Observation

RA, DEC = 10.0, -35.0


def test_a_full_channel_has_the_planes_of_the_pipeline():
    observation = Observation()
    assert len(observation.wavelength_um) == 2572
    assert observation.wavelength_um[0] == pytest.approx(11.55125)
    assert observation.band == "MULTIPLE"
    assert Observation(window="ch3-medium").band == "MEDIUM"


def test_channel_4_is_sampled_as_the_cubes_of_ngc_7469():
    observation = Observation(window="ch4")
    assert (observation.mode.name, observation.band) == ("ch4", "MULTIPLE")
    assert (observation.spaxel_arcsec, observation.step_um) == (0.35, 0.006)
    assert len(Observation(window="ch4-short").wavelength_um) == 542
    assert Observation(window=(17.7, 17.9)).mode.name == "ch3"


def test_the_cube_is_turned_by_its_position_angle():
    observation = Observation(shape=(20, 20), position_angle_deg=30.0)
    wcs = WCS(observation.header(RA, DEC)).celestial
    start, up, right = (wcs.pixel_to_world(*pixel) for pixel in ((9, 9), (9, 14), (14, 9)))
    assert start.position_angle(up).deg == pytest.approx(30.0, abs=1e-3)
    assert start.position_angle(right).deg == pytest.approx(300.0, abs=1e-3)
    assert start.separation(up).arcsec == pytest.approx(1.0, abs=1e-5)


def test_sky_offsets_and_target_pixel_agree_with_the_header():
    observation = Observation(shape=(12, 14), pointing_offset_arcsec=(0.3, -0.2))
    east, north = observation.sky_offsets(RA, DEC, margin=2)
    wcs = WCS(observation.header(RA, DEC)).celestial
    there = SkyCoord(RA, DEC, unit="deg").spherical_offsets_to(wcs.pixel_to_world(5, 3))
    assert east[3 + 2, 5 + 2] == pytest.approx(there[0].arcsec, abs=1e-6)
    assert north[3 + 2, 5 + 2] == pytest.approx(there[1].arcsec, abs=1e-6)

    x, y = observation.target_pixel(RA, DEC)
    assert np.hypot(east, north).argmin() == np.ravel_multi_index(
        (round(y) + 2, round(x) + 2), east.shape
    )


def test_a_rotated_field_leaves_the_corners_blank_and_is_shallow_at_its_edge():
    depth = Observation(shape=(52, 50), field_rotation_deg=5.0).field_depth()
    assert depth[0, 0] == depth[0, -1] == depth[-1, 0] == depth[-1, -1] == 0
    assert 0.95 < (depth > 0).mean() < 0.97
    assert depth[26, 25] == depth.max() > depth[26, 0] > 0


def test_seams_lie_where_the_sub_bands_overlap():
    observation = Observation()
    seams = observation.wavelength_um[observation.seam_planes()]
    assert len(seams) == 8
    assert np.all((seams[:4] > 13.34) & (seams[:4] < 13.47))
    assert np.all((seams[4:] > 15.41) & (seams[4:] < 15.57))
    assert not Observation(window="ch3-short").seam_planes()[:-60].any()


@pytest.mark.parametrize(
    "mistake",
    [
        {"window": (10.0, 12.0)},
        {"window": "ch1"},
        {"window": (12.0, 12.01)},
        {"shape": (2, 30)},
        {"snr": 0.0},
    ],
)
def test_an_impossible_observation_is_refused(mistake):
    with pytest.raises(ConfigError, match="expected"):
        Observation(**mistake)


def test_an_unknown_window_is_refused():
    with pytest.raises(CatalogError, match="ch9"):
        Observation(window="ch9")
