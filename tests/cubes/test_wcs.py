import numpy as np
import pytest
from astropy.coordinates import FK5, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from survey.cubes.wcs import (
    celestial_header,
    header_text,
    read_header,
    sky_position,
    spaxel_area_arcsec2,
)
from survey.errors import DataError


def offset_arcsec(found, expected):
    return SkyCoord(*found, unit="deg").separation(expected).arcsec


@given(
    ra=st.floats(0, 359.9),
    dec=st.floats(-85, 85),
    angle=st.floats(-180, 180),
    x=st.floats(0, 60),
    y=st.floats(0, 60),
)
def test_positions_are_those_of_astropy(sky_header, ra, dec, angle, x, y):
    header = sky_header(ra=ra, dec=dec, angle_deg=angle)
    expected = WCS(header, naxis=2).pixel_to_world(x, y)
    text = celestial_header(header, file="cube.fits")
    assert offset_arcsec(sky_position(text, x, y), expected) < 1e-4


def test_a_rotated_southern_cube_is_where_its_header_says(sky_header):
    # One spaxel along x, worked out by hand: (-cos, sin) of 25 degrees times 0.2 arcsec.
    text = celestial_header(sky_header(ra=150.0, dec=-32.5, angle_deg=25.0), file="cube.fits")
    ra, dec = sky_position(text, [2.0, 3.0], [2.5, 2.5])
    np.testing.assert_allclose([ra[0], dec[0]], [150.0, -32.5], atol=1e-9)
    east = (ra[1] - ra[0]) * np.cos(np.radians(-32.5)) * 3600
    north = (dec[1] - dec[0]) * 3600
    assert east == pytest.approx(-0.2 * np.cos(np.radians(25.0)), abs=1e-5)
    assert north == pytest.approx(0.2 * np.sin(np.radians(25.0)), abs=1e-5)


def test_the_area_does_not_depend_on_rotation(sky_header):
    for angle in (0.0, 33.0, 120.0):
        text = celestial_header(sky_header(angle_deg=angle), file="cube.fits")
        assert spaxel_area_arcsec2(text) == pytest.approx(0.04)


def test_positions_of_an_fk5_header_are_icrs(sky_header):
    header = sky_header()
    header.update(RADESYS="FK5", EQUINOX=1975.0)
    expected = SkyCoord(150.0, -32.5, unit="deg", frame=FK5(equinox="J1975")).icrs
    text = celestial_header(header, file="cube.fits")
    assert offset_arcsec(sky_position(text, 2.0, 2.5), expected) < 0.01


def test_a_cd_matrix_with_leftover_cdelt_means_the_cd_matrix():
    header = fits.Header()
    header.update(CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRVAL1=63.0, CRVAL2=10.0)
    header.update(CDELT1=1.0, CDELT2=1.0, CD1_1=-0.2 / 3600, CD2_2=0.2 / 3600)
    text = celestial_header(header, file="cube.fits")
    assert spaxel_area_arcsec2(text) == pytest.approx(0.04)
    assert "CD1_1" not in read_header(text)


def test_without_celestial_axes_there_are_no_positions():
    header = fits.Header()
    header.update(CTYPE1="LINEAR", CTYPE2="LINEAR", CD1_1=-1.0, CD2_2=-1.0)
    text = celestial_header(header, file="cube.fits")
    assert text == ""
    assert np.isnan(sky_position(text, [0, 1], 2)).all()
    assert np.isnan(spaxel_area_arcsec2(text))


def test_celestial_axes_that_make_no_sense_are_a_data_error(sky_header):
    header = sky_header()
    header["PC1_1"] = header["PC1_2"] = 0.0
    with pytest.raises(DataError, match=r"cube\.fits: the celestial coordinates"):
        celestial_header(header, file="cube.fits")


def test_a_header_survives_as_text(s3d):
    header = s3d["SCI"].header
    header["LONG"] = "S_REGION " * 20
    header["HISTORY"] = "a remark"
    assert read_header(header_text(header)) == header
