"""The profile of a star is that of the star, wherever it lies on the spaxels."""

import numpy as np
import pytest

from survey.errors import DataError
from survey.spectra.psf.profiles import moffat_share
from survey.spectra.psf.star import ObservedStar

PLANES, SIDE = 40, 41
WAVELENGTH_UM = np.linspace(18.0, 20.0, PLANES)
FWHM = 2.2 * WAVELENGTH_UM / 18.0


def with_spikes(dy, dx, fwhm):
    """A Moffat profile, and two broad spikes on either side of it."""
    spikes = sum(moffat_share(dy - side * 2.0, dx + side, 1.5 * fwhm) for side in (-1, 1))
    return 0.8 * moffat_share(dy, dx, fwhm) + 0.1 * spikes


def star_cube(centre=(20.3, 19.6), seed=0):
    y, x = (axis.ravel() for axis in np.indices((SIDE, SIDE), dtype=float))
    flux = 1e5 * with_spikes(y - centre[0], x - centre[1], FWHM) + 30.0
    flux += np.random.default_rng(seed).normal(size=flux.shape)
    bad = np.zeros(flux.shape, bool)
    bad[:90] = True
    return tuple(table.T.reshape(PLANES, SIDE, SIDE) for table in (flux, bad))


@pytest.fixture(scope="module")
def star():
    return ObservedStar.of_cube(*star_cube(), WAVELENGTH_UM, 0.35)


def test_the_profile_of_a_star_can_be_put_anywhere(star):
    profile = star.at(WAVELENGTH_UM, 0.35)
    y, x = (axis.ravel() - 10.0 for axis in np.indices((21, 21), dtype=float))
    truth = with_spikes(y + 0.45, x - 0.2, FWHM)
    found = profile.share(y + 0.45, x - 0.2)
    alone = moffat_share(y + 0.45, x - 0.2, FWHM)
    assert np.abs(found - truth).max() < 0.02 * truth.max()
    assert np.abs(found - truth).max() < 0.15 * np.abs(alone - truth).max()


def test_a_cube_of_larger_spaxels_has_more_of_the_star_in_each(star):
    fine = star.at(WAVELENGTH_UM[:1], 0.35).share(np.array([0.0, 4.0]), np.array([0.0, 0.0]))
    coarse = star.at(WAVELENGTH_UM[:1], 0.70).share(np.array([0.0, 2.0]), np.array([0.0, 0.0]))
    assert coarse[1] == pytest.approx(4 * fine[1], rel=0.2)
    assert star.at(WAVELENGTH_UM[:1], 0.70).fwhm == pytest.approx(
        star.at(WAVELENGTH_UM[:1], 0.35).fwhm / 2
    )


def test_beyond_its_wavelengths_a_star_grows_with_the_wavelength(star):
    last, beyond = star.at(np.array([star.wavelength_um[-1], 24.0]), 0.35).fwhm
    assert beyond / last == pytest.approx(24.0 / star.wavelength_um[-1], abs=0.01)


def test_some_planes_of_a_star_are_those_of_the_whole(star):
    profile = star.at(WAVELENGTH_UM, 0.35)
    y, x = np.array([0.3, 2.0]), np.array([1.0, -3.0])
    assert profile.of_planes(slice(3, 9)).share(y, x) == pytest.approx(profile.share(y, x)[:, 3:9])


def test_bands_of_a_star_are_joined_in_order(star):
    flux, bad = star_cube(seed=1)
    red = ObservedStar.of_cube(flux, bad, WAVELENGTH_UM + 3.0, 0.35)
    both = ObservedStar.joined([red, star])
    assert (np.diff(both.wavelength_um) > 0).all()
    assert len(both.rest) == len(red.rest) + len(star.rest)


def test_a_field_without_a_star_is_refused():
    rng = np.random.default_rng(0)
    flux = 30.0 + rng.normal(size=(PLANES, SIDE, SIDE))
    with pytest.raises(DataError, match="no star"):
        ObservedStar.of_cube(flux, np.zeros(flux.shape, bool), WAVELENGTH_UM, 0.35)
