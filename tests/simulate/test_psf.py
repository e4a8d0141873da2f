import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogs.reference import packaged_reference
from survey.simulate.psf import beam_sr, convolve, margin_spaxels, point_source

CHANNEL_3_UM = np.array([11.6, 14.5, 17.9])
SPAXEL_ARCSEC = 0.20


def test_width_of_a_point_source_follows_the_law_of_the_instrument():
    fine_arcsec = 0.01
    images = point_source(CHANNEL_3_UM, 100.0, 100.0, (201, 201), fine_arcsec)
    for image, law in zip(
        images, packaged_reference().psf_fwhm_arcsec("MIRI/MRS", CHANNEL_3_UM), strict=True
    ):
        profile = image[100, 100:] / image[100, 100]
        half_radius = np.interp(-0.5, -profile, np.arange(101)) * fine_arcsec
        assert 2 * half_radius == pytest.approx(law, rel=2e-3)


@given(x=st.floats(14, 16), y=st.floats(14, 16))
def test_a_point_source_keeps_its_light_and_its_position(x, y):
    (image,) = point_source(np.array([13.0]), x, y, (31, 31), SPAXEL_ARCSEC)
    rows, columns = np.indices(image.shape)
    assert image.sum() == pytest.approx(1, abs=1e-3)
    assert (image * columns).sum() / image.sum() == pytest.approx(x, abs=0.01)
    assert (image * rows).sum() / image.sum() == pytest.approx(y, abs=0.01)


def test_convolving_one_bright_spaxel_gives_the_image_of_a_point_source():
    margin = 4
    light = np.zeros((3, 9 + 2 * margin, 11 + 2 * margin))
    light[:, margin + 3, margin + 8] = 1.0
    convolved = convolve(light, CHANNEL_3_UM, margin, SPAXEL_ARCSEC)
    expected = point_source(CHANNEL_3_UM, 8.0, 3.0, (9, 11), SPAXEL_ARCSEC)
    np.testing.assert_allclose(convolved, expected, rtol=1e-12)


def test_light_outside_the_field_is_scattered_into_it():
    margin = margin_spaxels(CHANNEL_3_UM, SPAXEL_ARCSEC)
    flat = np.ones((3, 5 + 2 * margin, 5 + 2 * margin))
    inside = convolve(flat, CHANNEL_3_UM, margin, SPAXEL_ARCSEC)
    np.testing.assert_allclose(inside, 1, atol=5e-3)


def test_beam_is_flux_over_peak_brightness():
    fine_arcsec = 0.01
    (image,) = point_source(np.array([15.0]), 50.0, 50.0, (101, 101), fine_arcsec)
    peak_per_sr = image.max() / np.deg2rad(fine_arcsec / 3600) ** 2
    assert beam_sr(15.0) == pytest.approx(1 / peak_per_sr, rel=1e-3)
