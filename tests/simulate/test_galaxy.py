import numpy as np
import pytest

from survey.errors import ConfigError
from survey.simulate.galaxy import Clump, Cone, Disc, GalaxyModel, Rotation
from survey.simulate.spectra import load_spectrum

ROTATION = Rotation(
    position_angle_deg=90.0, inclination_deg=60.0, velocity_km_s=200.0, turnover_arcsec=0.1
)
EAST = np.array([0.0, 3.0, -3.0, 0.0, 0.0])
NORTH = np.array([0.0, 0.0, 0.0, 3.0, -3.0])


def test_the_major_axis_recedes_on_the_side_of_its_position_angle():
    velocity = ROTATION.line_of_sight_km_s(EAST, NORTH)
    flat = 200 * np.sin(np.deg2rad(60)) * 2 / np.pi * np.arctan(30)
    np.testing.assert_allclose(velocity, [0, flat, -flat, 0, 0], atol=1e-9)


def test_an_inclined_disc_is_foreshortened_along_its_minor_axis():
    disc = Disc(load_spectrum("disc"), 800.0, 1.0, 50.0)
    light = disc.light(EAST, NORTH, ROTATION)
    np.testing.assert_allclose(light, 800 * np.exp([0, -3, -3, -6, -6]))


def test_a_clump_is_round_and_moves_as_one():
    clump = Clump(load_spectrum("clump"), 500.0, 3.0, 0.0, fwhm_arcsec=2.0, dispersion_km_s=40.0)
    light = clump.light(np.array([3.0, 4.0, 3.0]), np.array([0.0, 0.0, 1.0]), ROTATION)
    np.testing.assert_allclose(light, [500, 250, 250])
    velocity = clump.velocity_km_s(EAST, NORTH, ROTATION)
    np.testing.assert_allclose(velocity, ROTATION.line_of_sight_km_s(EAST, NORTH)[1])


def test_a_cone_has_two_sides_of_opposite_velocity():
    cone = Cone(load_spectrum("cone"), 1000.0, 0.0, 60.0, 3.0, 200.0, 150.0)
    light = cone.light(EAST, NORTH, ROTATION)
    velocity = cone.velocity_km_s(EAST, NORTH, ROTATION)
    assert light[3] == light[4] == pytest.approx(1000 / np.e)
    assert light[1] == light[2] == pytest.approx(0)
    assert velocity[3] == -velocity[4] == pytest.approx(-200 * (1 - 1 / np.e))


def test_a_galaxy_without_components_is_refused():
    with pytest.raises(ConfigError, match="EMPTY"):
        GalaxyModel("EMPTY", 0.01, 0.0, 0.0, ROTATION, ())
