import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.config import PrepareSettings
from survey.spectra.continuum import running_continuum
from survey.spectra.grid import cell_widths
from survey.spectra.normalise import NORMALISATIONS, SpectralFrame, normalise

WAVELENGTH_UM = 12.0 + 0.0025 * np.arange(800)
LINE_MASK_UM = ((12.78, 12.85),)
FRAME = SpectralFrame(WAVELENGTH_UM, (12.2, 12.6), LINE_MASK_UM)
WIDTHS_UM = cell_widths(WAVELENGTH_UM)


def galaxy_spectra(n=6, seed=0):
    rng = np.random.default_rng(seed)
    slope = rng.uniform(-2, 4, (n, 1))
    line = rng.uniform(0, 5, (n, 1)) * np.exp(-0.5 * ((WAVELENGTH_UM - 12.8136) / 0.002) ** 2)
    brightness = rng.uniform(10, 1000, (n, 1))
    return brightness * ((WAVELENGTH_UM / 13.0) ** slope + line)


def normalised(flux, method):
    return normalise(flux, np.full(len(flux), 1e-3), FRAME, method)


def test_every_normalisation_of_the_settings_exists():
    assert set(NORMALISATIONS) == set(PrepareSettings.model_fields["normalise"].annotation.__args__)


@given(st.integers(0, 1000))
@settings(max_examples=30)
def test_integral_normalisation_makes_the_integral_one(seed):
    flux = galaxy_spectra(seed=seed)
    spectra, scale, accepted = normalised(flux, "integral")
    assert accepted.all()
    assert spectra @ WIDTHS_UM == pytest.approx(1.0)
    assert spectra * scale[:, None] == pytest.approx(flux)


def test_window_normalisation_makes_the_integral_of_the_window_one():
    spectra, _, _ = normalised(galaxy_spectra(), "window")
    inside = (WAVELENGTH_UM >= 12.2) & (WAVELENGTH_UM <= 12.6)
    assert spectra[:, inside] @ WIDTHS_UM[inside] == pytest.approx(1.0)


@pytest.mark.parametrize("method", NORMALISATIONS)
@given(factor=st.floats(1e-2, 1e4))
def test_brightness_does_not_change_what_is_compared(method, factor):
    flux = galaxy_spectra()
    noise = np.full(len(flux), 1e-3)
    spectra, scale, _ = normalise(flux, noise, FRAME, method)
    brighter, larger, _ = normalise(factor * flux, factor * noise, FRAME, method)
    np.testing.assert_allclose(brighter, spectra, rtol=1e-9, atol=1e-9)
    assert larger == pytest.approx(factor * scale)


def test_without_its_continuum_only_the_lines_of_a_spectrum_are_left():
    flux = galaxy_spectra()
    spectra, _, _ = normalised(flux, "continuum-removed")
    away = np.abs(WAVELENGTH_UM - 12.8136) > 0.05
    # Half a window at either end the continuum is taken as constant.
    away &= (WAVELENGTH_UM > 12.15) & (WAVELENGTH_UM < 13.85)
    assert np.abs(spectra[:, away]).max() < 0.005
    assert spectra[:, ~away].max() > 0.5


def test_masked_lines_leave_no_trace():
    with_line = galaxy_spectra()
    masked = (WAVELENGTH_UM > 12.78) & (WAVELENGTH_UM < 12.85)
    without = np.where(masked, 0.0, with_line)
    spectra, _, _ = normalised(with_line, "line-masked")
    expected, _, _ = normalised(without, "line-masked")
    assert spectra == pytest.approx(expected)
    assert np.abs(np.diff(spectra, n=2, axis=1)).max() < 1e-4


@pytest.mark.parametrize("level", [-5.0, 0.0, 1e-3])
def test_spectra_without_a_positive_integral_are_refused_not_blown_up(level):
    flux = np.stack([np.full(800, level), np.full(800, 5.0)])
    spectra, _, accepted = normalise(flux, np.ones(2), FRAME, "integral")
    assert accepted.tolist() == [False, True]
    assert (spectra[0] == 0).all()


def test_the_continuum_passes_under_lines_and_through_a_slope():
    flux = galaxy_spectra()
    without_line = (WAVELENGTH_UM / 13.0) ** 2 * np.ones((6, 1))
    line = 50 * np.exp(-0.5 * ((WAVELENGTH_UM - 12.8136) / 0.004) ** 2)
    masked = FRAME.in_lines
    continuum = running_continuum(without_line + line, WAVELENGTH_UM, masked)
    inner = slice(60, -60)
    assert continuum[:, inner] == pytest.approx(without_line[:, inner], rel=0.01)
    assert running_continuum(flux.astype(np.float32), WAVELENGTH_UM).dtype == np.float32


def test_a_continuum_survives_a_mask_that_covers_whole_windows_or_everything():
    flux = np.full((2, 800), 3.0)
    wide = (WAVELENGTH_UM > 12.3) & (WAVELENGTH_UM < 13.5)
    assert running_continuum(flux, WAVELENGTH_UM, wide) == pytest.approx(3.0)
    assert running_continuum(flux, WAVELENGTH_UM, np.ones(800, bool)) == pytest.approx(3.0)
