import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from survey.cubes.dataset import build_cube
from survey.cubes.missing import FlagImage
from survey.cubes.readers.checked_cube import sigma_from_inverse_variance, sigma_from_variance
from survey.errors import DataError


@pytest.fixture
def parts(sky_header):
    return {
        "flux": np.ones((4, 3, 2)),
        "error": np.ones((4, 3, 2)),
        "flags": (),
        "wavelength_um": np.array([1.0, 1.1, 1.2, 1.3]),
        "header": sky_header(),
        "flux_unit": "MJy/sr",
        "instrument": "MIRI/MRS",
        "band": "ch3-short",
        "file": "cube.fits",
    }


def build(parts, **changes):
    given = parts | changes
    positional = [given.pop(name) for name in ("flux", "error", "flags", "wavelength_um")]
    return build_cube(*positional, **given)


def test_a_cube_has_the_common_form(parts):
    cube = build(parts)
    assert cube["flux"].dims == ("wavelength", "y", "x")
    assert (cube["flux"].dtype, cube["error"].dtype, cube["bad"].dtype) == ("f4", "f4", "bool")
    assert cube["wavelength"].dtype == "f8"
    assert cube.attrs["flux_unit"] == "MJy / sr"
    assert cube.attrs["spaxel_area_arcsec2"] == pytest.approx(0.04)
    assert all(isinstance(value, str | float | bool) for value in cube.attrs.values())


def test_what_is_not_finite_is_bad_and_flags_add_to_it(parts):
    flux = np.ones((4, 3, 2))
    flux[0, 0, 0], flux[1, 0, 0] = np.nan, np.inf
    flagged = np.zeros((3, 2), bool)
    flagged[2, 1] = True
    cube = build(parts, flux=flux, flags=[FlagImage.of_mask(flagged)])
    expected = np.zeros((4, 3, 2), bool)
    expected[:2, 0, 0] = expected[:, 2, 1] = True
    np.testing.assert_array_equal(cube["bad"], expected)
    assert np.isinf(cube["flux"][1, 0, 0])


def test_an_unknown_error_is_nan_and_not_bad(parts):
    cube = build(parts, error=None)
    assert np.isnan(cube["error"]).all()
    assert not cube["bad"].any()


def test_voxels_without_data_are_bad_without_a_flag(parts):
    flux, error = np.ones((4, 3, 2)), np.ones((4, 3, 2))
    flux[0, :, 0] = 0.0
    error[0, :, 0] = [0.0, np.nan, 2.0]
    error[1, 0] = [np.inf, -np.inf]
    bad = build(parts, flux=flux, error=error)["bad"].values
    assert bad[0, :, 0].tolist() == [True, True, False]
    assert bad[1, 0].all()
    assert bad.sum() == 4


def test_a_flux_stays_where_its_error_is_not_positive_and_the_error_is_unknown(parts):
    error = np.ones((4, 3, 2))
    error[0, 0], error[1, 0, 0] = [0.0, -1.0], np.nan
    cube = build(parts, error=error)
    assert not cube["bad"].any()
    assert np.isnan(cube["error"].values[0, 0]).all()
    assert np.isnan(cube["error"]).sum() == 3


@pytest.mark.parametrize("errors", [None, np.ones((4, 3, 2))], ids=["no errors", "errors"])
def test_zeros_without_a_bad_error_are_data_unless_a_spaxel_or_plane_has_nothing_else(
    parts, errors
):
    flux = np.ones((4, 3, 2))
    flux[1, 0, 0] = 0.0
    flux[:, 2, 1], flux[3] = 0.0, 0.0
    flux[2, 2, 1] = np.nan
    cube = build(parts, flux=flux, error=errors)
    expected = np.zeros(flux.shape, bool)
    expected[:, 2, 1] = expected[3] = True
    np.testing.assert_array_equal(cube["bad"], expected)
    np.testing.assert_array_equal(cube["n_bad"], expected.sum(axis=0))
    assert json.loads(cube.attrs["missing"]) == {
        "flux is not a finite number": 1,
        "flux is 0 in a whole spaxel or plane": 8,
    } | ({} if errors is None else {
        "error is infinite": 0, "flux is 0 without a positive error": 0
    })  # fmt: skip
    with pytest.raises(DataError, match="no usable value"):
        build(parts, flux=np.zeros((4, 3, 2)), error=errors)


def test_the_target_is_at_the_centre_unless_the_header_knows_better(parts):
    at_centre = build(parts)
    assert at_centre.attrs["dec_deg"] == pytest.approx(-32.5, abs=0.001)
    ra_deg, dec_deg = at_centre.attrs["ra_deg"] + 1e-5, at_centre.attrs["dec_deg"]
    given = build(parts, ra_deg=ra_deg, dec_deg=dec_deg)
    assert (given.attrs["ra_deg"], given.attrs["dec_deg"]) == (ra_deg, dec_deg)
    off_the_cube = build(parts, ra_deg=12.0, dec_deg=-3.0)
    assert off_the_cube.attrs["ra_deg"] == at_centre.attrs["ra_deg"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flux": np.full((4, 3, 2), np.nan)}, "no usable value"),
        ({"flags": [FlagImage.of_mask(np.ones((4, 3, 2), bool))]}, "no usable value"),
        ({"flux_unit": "DN/s"}, "wrong unit"),
        ({"wavelength_um": np.array([1.0, 1.2, 1.1, 1.3])}, "1 of 3 steps not positive"),
        ({"wavelength_um": np.array([1.3, 1.2, 1.2, 1.0])}, "strictly increasing"),
        ({"wavelength_um": np.array([1.0, 1.0, 1.1, 1.2])}, "strictly increasing"),
        ({"wavelength_um": np.array([1.0, np.nan, 1.1, 1.2])}, "strictly increasing"),
        ({"wavelength_um": np.array([-0.1, 1.0, 1.1, 1.2])}, "positive"),
        ({"wavelength_um": np.array([1.0, 1.1])}, "wavelength does not fit the flux"),
        ({"error": np.ones((4, 3, 3))}, "error does not fit the flux"),
        ({"flags": [FlagImage.of_mask(np.ones((2, 3), bool))]}, "mask does not fit the flux"),
        ({"flux": np.ones((3, 2))}, "not a cube"),
    ],
)
def test_a_cube_that_makes_no_sense_is_a_data_error_naming_the_file(parts, change, message):
    with pytest.raises(DataError, match=message) as caught:
        build(parts, **change)
    assert caught.value.file == "cube.fits"


def test_without_sky_coordinates_the_area_has_to_be_given(parts):
    header = parts["header"].copy()
    header.update(CTYPE1="LINEAR", CTYPE2="LINEAR")
    with pytest.raises(DataError, match="and spaxel_area_arcsec2 in"):
        build(parts, header=header)
    cube = build(parts, header=header, spaxel_area_arcsec2=0.5)
    assert cube.attrs["spaxel_area_arcsec2"] == 0.5
    assert cube.attrs["celestial_header"] == ""
    assert np.isnan(cube.attrs["ra_deg"])


@given(arrays.arrays(np.float64, 8, elements=st.floats(-1e3, 1e3).filter(lambda v: abs(v) > 1e-6)))
def test_sigma_is_the_root_of_what_is_positive(variance):
    sigma = sigma_from_variance(variance)
    weight = sigma_from_inverse_variance(1 / variance)
    usable = variance > 0
    np.testing.assert_allclose(sigma[usable] ** 2, variance[usable])
    np.testing.assert_allclose(weight[usable], sigma[usable])
    assert np.isnan(sigma[~usable]).all()
    assert np.isnan(weight[~usable]).all()
