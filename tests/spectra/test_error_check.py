"""Errors of cubes against the noise of their spectra."""

import re

import numpy as np
import pytest

from survey.config import ReadSettings
from survey.cubes.registry import read_cube
from survey.spectra.error_check import doubt_about_errors, noise_of_planes
from survey.spectra.noise import spectral_noise

NOISE = np.geomspace(1e-3, 3e-3, 50)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NOISE / 25, None),
        (NOISE * 3, None),
        (NOISE / 1e4, "is 1e.04 times its errors: look at their unit"),
        (NOISE * 1e3, "is 0.001 times its errors: look at their unit"),
        (NOISE**2, "they may be variances"),
        (np.full(50, np.nan), "none of its errors is positive"),
    ],
)
def test_errors_far_from_the_noise_are_named_with_the_ratio(error, words):
    found = doubt_about_errors(NOISE / error, NOISE, given=True)
    if words is None:
        assert found is None
    else:
        assert re.search(words, found)


def test_a_cube_without_errors_is_not_doubted():
    assert doubt_about_errors(np.full(50, np.nan), NOISE, given=False) is None


def cube(rng, *, spaxels=80, planes=300):
    """Spectra whose noise differs between spaxels and planes, with errors half as large."""
    sigma = np.outer(np.geomspace(0.3, 3.0, spaxels), np.geomspace(0.5, 1.5, planes))
    flux = 100.0 + rng.normal(0.0, sigma)
    return flux, sigma / 2


def doubt(flux, error):
    bad = np.zeros(flux.shape, bool)
    noise = spectral_noise(flux)
    ratio = noise / np.median(error, axis=1)
    return doubt_about_errors(ratio, noise, given=True, planes=noise_of_planes(flux, error, bad))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("errors", None),
        ("errors 20 times too small", None),
        ("variances", r"grow as its power (1\.9|2\.): they may be variances"),
        ("weights", "small where the noise is large: they may be weights"),
        ("one error for all", None),
    ],
)
def test_variances_given_as_errors_are_known_by_how_they_change_with_the_noise(kind, words):
    flux, error = cube(np.random.default_rng(0))
    given = {
        "errors": error,
        "errors 20 times too small": error / 10,
        "variances": error**2,
        "weights": error**-2,
        "one error for all": np.full_like(error, 0.7),
    }[kind]
    found = doubt(flux, given)
    if words is None:
        assert found is None
    else:
        assert re.search(words, found)


def test_planes_tell_variances_where_all_spaxels_have_one_noise():
    rng = np.random.default_rng(1)
    sigma = np.broadcast_to(np.geomspace(0.5, 2.0, 300), (80, 300))
    flux = 100.0 + rng.normal(0.0, sigma)
    assert doubt(flux, sigma) is None
    assert "variances" in doubt(flux, sigma**2)


@pytest.mark.real_data
@pytest.mark.parametrize(
    "name",
    [
        "mrs/NGC7469_Level3_ch4-long_s3d.fits.gz",
        "mrs/16CygB_Level3_ch4-short_s3d.fits.gz",
        "muse/A478_minicube.fits.gz",
        "sami/209807_A_sectors_blue.fits.gz",
    ],
)
def test_errors_of_observed_cubes_are_not_doubted_and_their_variances_are(shared_data, name):
    found = read_cube(shared_data / name, ReadSettings())
    flux, error, bad = (
        found[key].values.reshape(len(found["wavelength"]), -1).T[::2]
        for key in ("flux", "error", "bad")
    )
    useful = bad.mean(axis=1) < 0.2
    flux, error, bad = flux[useful], error[useful].astype(float), bad[useful]
    noise = spectral_noise(flux, ~bad)

    def of(error):
        median = np.nanmedian(np.where(bad, np.nan, error), axis=1)
        planes = noise_of_planes(flux, error, bad)
        return doubt_about_errors(noise / median, noise, given=True, planes=planes)

    assert of(error) is None
    assert "may be variances" in of(error**2)
