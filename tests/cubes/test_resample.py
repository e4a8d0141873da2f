import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from survey.cubes.resample import Samples, to_spatial_grid, to_wavelengths
from survey.cubes.wcs import celestial_header

STEP_UM = 0.006
GRID_UM = 20.0 + STEP_UM * np.arange(40)


def spectrum(values):
    flux = np.asarray(values, float)[:, np.newaxis, np.newaxis]
    return Samples(flux, np.ones_like(flux))


def moments(wavelength_um, flux):
    flux = flux.ravel()
    total = flux.sum()
    mean = (flux * wavelength_um).sum() / total
    return total, mean, np.sqrt((flux * (wavelength_um - mean) ** 2).sum() / total)


@given(
    offset=st.floats(0.0, 0.999),
    coefficients=arrays.arrays(float, 4, elements=st.floats(-2, 2)),
)
def test_a_cubic_spectrum_is_interpolated_exactly(offset, coefficients):
    curve = np.polynomial.Polynomial(coefficients)
    target = GRID_UM[5:30] + offset * STEP_UM
    moved = to_wavelengths(spectrum(curve(GRID_UM - 20.1)), GRID_UM, target)
    np.testing.assert_allclose(moved.flux.ravel(), curve(target - 20.1), atol=1e-9)


@given(offset=st.floats(0.05, 0.95), sigma=st.floats(0.75, 2.0), centre=st.floats(18, 21))
def test_a_line_keeps_flux_place_and_width(offset, sigma, centre):
    # 0.78 samples is the width of an unresolved line of MRS channel 4.
    line = np.exp(-0.5 * ((np.arange(40) - centre) / sigma) ** 2)
    target = GRID_UM[1:38] + offset * STEP_UM
    moved = to_wavelengths(spectrum(line), GRID_UM, target)
    before, after = moments(GRID_UM, line), moments(target, moved.flux)
    assert after[0] == pytest.approx(before[0], rel=1e-6)
    assert after[1] == pytest.approx(before[1], abs=1e-3 * STEP_UM)
    assert after[2] == pytest.approx(before[2], rel=1e-3)


def test_targets_on_the_grid_change_nothing_even_beside_gaps():
    flux = np.linspace(1, 2, 40)
    flux[[0, 7, 20, 21, 39]] = np.nan
    moved = to_wavelengths(spectrum(flux), GRID_UM, GRID_UM)
    np.testing.assert_allclose(moved.flux.ravel(), flux, rtol=1e-6)
    np.testing.assert_allclose(moved.variance, 1.0, rtol=1e-6)


def test_one_gap_costs_the_two_samples_between_which_it_lies():
    flux = np.linspace(1, 2, 40)
    flux[10] = np.nan
    target = GRID_UM[:-1] + STEP_UM / 2
    moved = to_wavelengths(spectrum(flux), GRID_UM, target).flux.ravel()
    assert np.flatnonzero(np.isnan(moved)).tolist() == [9, 10]
    expected = np.interp(target, GRID_UM, np.linspace(1, 2, 40))
    np.testing.assert_allclose(np.delete(moved, [9, 10]), np.delete(expected, [9, 10]), rtol=1e-9)


def test_variances_are_those_of_independent_samples():
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(40, 60, 60))
    target = GRID_UM[5:30] + STEP_UM / 3
    moved = to_wavelengths(Samples(noise, np.ones_like(noise)), GRID_UM, target)
    assert moved.flux.var() == pytest.approx(moved.variance.mean(), rel=0.02)


@pytest.fixture
def grids(sky_header):
    """Two grids of one spaxel size, shifted and rotated, and one of twice the size."""
    fine = celestial_header(sky_header(), file="fine")
    shifted = sky_header(angle_deg=25.4)
    shifted["CRPIX1"] += 4.3
    shifted["CRPIX2"] += 4.8
    coarse = sky_header(spaxel_arcsec=0.4)
    coarse.update(CRPIX1=3.2, CRPIX2=3.9)
    return (
        fine,
        celestial_header(shifted, file="shifted"),
        celestial_header(coarse, file="coarse"),
    )


def blob(shape=(20, 20)):
    y, x = np.indices(shape)
    return np.exp(-0.5 * ((x - 4.0) ** 2 + (y - 4.5) ** 2) / 1.5**2)


def test_a_shifted_grid_keeps_surface_brightness_and_flux(grids):
    fine, shifted, _ = grids
    image = np.stack([blob(), np.full((20, 20), 3.0)])
    moved = to_spatial_grid(Samples(image, np.ones_like(image)), fine, shifted, (24, 24))
    assert np.nansum(moved.flux[0]) == pytest.approx(image[0].sum(), rel=0.002)
    np.testing.assert_allclose(moved.flux[1][np.isfinite(moved.flux[1])], 3.0, rtol=1e-12)


def test_larger_spaxels_keep_surface_brightness(grids):
    fine, _, coarse = grids
    image = np.stack([blob(), np.full((20, 20), 3.0)])
    moved = to_spatial_grid(Samples(image, np.ones_like(image)), fine, coarse, (12, 12))
    assert 4 * np.nansum(moved.flux[0]) == pytest.approx(image[0].sum(), rel=0.01)
    np.testing.assert_allclose(moved.flux[1][np.isfinite(moved.flux[1])], 3.0, rtol=1e-9)


def test_an_unusable_spaxel_does_not_spread(grids):
    fine, shifted, _ = grids
    image = np.ones((1, 20, 20))
    whole = to_spatial_grid(Samples(image, image), fine, shifted, (24, 24))
    image = image.copy()
    image[0, 8, 9] = np.nan
    holed = to_spatial_grid(Samples(image, image), fine, shifted, (24, 24))
    lost = np.isnan(holed.flux) & ~np.isnan(whole.flux)
    assert np.count_nonzero(lost) <= 2
    np.testing.assert_allclose(holed.flux[np.isfinite(holed.flux)], 1.0)
