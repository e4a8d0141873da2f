import numpy as np
import pytest
from astropy.coordinates import FK5, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from survey.cubes.wcs import (
    angle_deg,
    celestial_header,
    header_text,
    is_on_cube,
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


@pytest.mark.parametrize("types", [("RA--TAN", "DEC-TAN"), ("RA-TAN", "DEC---TAN")])
def test_a_projection_after_another_number_of_dashes_is_read(sky_header, types):
    header = sky_header(ra=150.0, dec=2.0, angle_deg=30.0)
    expected = WCS(header, naxis=2).pixel_to_world(25.0, 20.0)
    header["CTYPE1"], header["CTYPE2"] = types
    text = celestial_header(header, file="cube.fits")
    assert offset_arcsec(sky_position(text, 25.0, 20.0), expected) < 1e-4


def sip_header(sky_header):
    """A distortion of half a spaxel at the edge of the field."""
    header = sky_header(ra=150.0, dec=2.0, angle_deg=30.0)
    header.update(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER=2, B_ORDER=2)
    header.update(A_2_0=1e-3, A_1_1=-4e-4, B_0_2=-8e-4)
    return header


def test_distortions_of_sip_count(sky_header):
    header = sip_header(sky_header)
    expected = WCS(header, naxis=2).pixel_to_world(25.0, 20.0)
    text = celestial_header(header, file="cube.fits")
    assert offset_arcsec(sky_position(text, 25.0, 20.0), expected) < 1e-4
    for keyword in ("CTYPE1", "CTYPE2"):
        header[keyword] = header[keyword].removesuffix("-SIP")
    for keyword in ("A_ORDER", "B_ORDER", "A_2_0", "A_1_1", "B_0_2"):
        del header[keyword]
    without = WCS(header, naxis=2).pixel_to_world(25.0, 20.0)
    assert without.separation(expected).arcsec > 0.01
    assert is_on_cube(text, (60, 60), expected.ra.deg, expected.dec.deg)


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
    header.update(CRPIX1=3.0, CRPIX2=3.5)
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


def plain_header(**cards):
    """Cards of the two axes of a cube around (150, 2), without rotation."""
    header = fits.Header()
    header.update(CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CUNIT1="deg", CUNIT2="deg", CRPIX1=4.0)
    header.update(CRPIX2=3.5, CRVAL1=150.0, CRVAL2=2.0, CDELT1=-0.5 / 3600, CDELT2=0.5 / 3600)
    header.update(cards)
    return header


COS, SIN = np.cos(np.radians(30.0)), np.sin(np.radians(30.0))
ROTATIONS = {
    "CROTA2": {"CROTA2": 30.0},
    "PC": {"PC1_1": COS, "PC1_2": SIN, "PC2_1": -SIN, "PC2_2": COS},
    "PC of before 2002": {"PC001001": COS, "PC001002": SIN, "PC002001": -SIN, "PC002002": COS},
    "CD": {
        "CD1_1": -COS * 0.5 / 3600,
        "CD1_2": -SIN * 0.5 / 3600,
        "CD2_1": -SIN * 0.5 / 3600,
        "CD2_2": COS * 0.5 / 3600,
        "CROTA2": 30.0,  # says the same again
    },
}


@pytest.mark.parametrize("name", ROTATIONS)
def test_every_way_to_write_a_rotation_gives_the_same_sky(name):
    text = celestial_header(plain_header(**ROTATIONS[name]), file="cube.fits")
    expected = WCS(plain_header(CROTA2=30.0), naxis=2).pixel_to_world(0, 0)
    assert offset_arcsec(sky_position(text, 0, 0), expected) < 1e-4
    found = np.ravel(sky_position(text, 0, 0))
    assert found == pytest.approx([150.000535, 1.999908], abs=1e-6)
    assert spaxel_area_arcsec2(text) == pytest.approx(0.25)


AS_TEXT = {
    "position": {"CRVAL1": "150.0", "CRVAL2": " 2.0"},
    "sexagesimal position": {"CRVAL1": "10:00:00.0", "CRVAL2": "+02:00:00"},
    "increment": {"CDELT1": "-1.388888888888889D-4", "CDELT2": "1.388888888888889E-4"},
    "pixel": {"CRPIX1": "4", "CRPIX2": "3.5"},
    "rotation": {"CROTA2": "0.0"},
    "degrees in other words": {"CUNIT1": "DEGREE", "CUNIT2": "degrees"},
    "equinox": {"RADESYS": "FK5", "EQUINOX": "J2000.0"},
}


@pytest.mark.parametrize("name", AS_TEXT)
def test_numbers_that_were_written_as_text_count(name):
    text = celestial_header(plain_header(**AS_TEXT[name]), file="cube.fits")
    expected = WCS(plain_header(), naxis=2).pixel_to_world(0, 0)
    assert offset_arcsec(sky_position(text, 0, 0), expected) < 0.05
    assert spaxel_area_arcsec2(text) == pytest.approx(0.25)


def test_a_position_that_is_no_number_is_refused():
    with pytest.raises(DataError, match=r"CRVAL1 in the header is not a number.*found 'unknown'"):
        celestial_header(plain_header(CRVAL1="unknown"), file="cube.fits")


@given(angle=st.floats(-180, 180), x=st.floats(0, 9), y=st.floats(0, 9))
def test_declination_may_be_the_first_axis(angle, x, y):
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    header = plain_header(CTYPE1="DEC--TAN", CTYPE2="RA---TAN", CRVAL1=2.0, CRVAL2=150.0)
    header.update(CDELT1=0.5 / 3600, CDELT2=-0.5 / 3600)
    header.update(PC1_1=cos, PC1_2=sin, PC2_1=-sin, PC2_2=cos)
    expected = WCS(header, naxis=2).pixel_to_world(x, y)
    text = celestial_header(header, file="cube.fits")
    assert offset_arcsec(sky_position(text, x, y), expected) < 1e-4
    assert read_header(text)["CTYPE1"] == "RA---TAN"  # longitude first, whatever the file has


@pytest.mark.parametrize(
    ("ra", "dec", "inside"),
    [
        (150.0, 2.0, True),
        (150.00041, 1.9997, True),  # the corner
        (150.00139, 2.00139, False),
        (0.0, 0.0, False),
        (330.0, -2.0, False),  # the far side of the sky
        (999.0, 2.0, False),
        (150.0, 99.0, False),
        (np.nan, 2.0, False),
        (-210.0, 2.0, True),
    ],
)
def test_a_position_is_on_the_cube_or_not(ra, dec, inside):
    text = celestial_header(plain_header(), file="cube.fits")
    assert is_on_cube(text, (6, 7), ra, dec) is inside


def test_without_coordinates_only_what_is_no_position_is_refused():
    assert is_on_cube("", (6, 7), 150.0, 2.0)
    assert not is_on_cube("", (6, 7), 0.0, 0.0)
    assert not is_on_cube("", (6, 7), 999.0, 0.0)


@pytest.mark.parametrize(
    ("written", "is_ra", "degrees"),
    [
        ("150.5", True, 150.5),
        (-2.25, False, -2.25),
        ("10:00:00.0", True, 150.0),
        ("10 00 00", True, 150.0),
        ("10h00m00.0s", True, 150.0),
        ("150d00m00s", True, 150.0),
        ("+02:30:00", False, 2.5),
        ("-00:30:00", False, -0.5),
        ("-00 30 00.0", False, -0.5),
        ("N/A", True, np.nan),
        ("12h75m00s", True, np.nan),
        ("10:60:00", True, np.nan),
        ("\u221200:30:00", False, -0.5),
        ("-00\u00b0 30\u2032 00\u2033", False, -0.5),
        ("", True, np.nan),
        (None, False, np.nan),
    ],
)
def test_angles_as_they_are_written(written, is_ra, degrees):
    assert angle_deg(written, is_ra=is_ra) == pytest.approx(degrees, nan_ok=True)
