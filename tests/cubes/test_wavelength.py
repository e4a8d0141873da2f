import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from survey.cubes.read_fits import open_fits
from survey.cubes.wavelength import air_to_vacuum_um, wavelength_axis_um
from survey.errors import DataError

# Air and vacuum wavelengths in Angstrom of the same lines (NIST Atomic Spectra Database).
AIR_AND_VACUUM = {
    "Halpha": (6562.79, 6564.60),
    "[O III]": (5006.843, 5008.240),
    "Na D2": (5889.951, 5891.583),
    "[O II]": (3728.815, 3729.875),
    "Ca II": (8542.091, 8544.438),
}


def axis(write, *, planes=5, table=None, **cards):
    hdu = fits.ImageHDU(np.zeros((planes, 2, 2), np.float32), name="SCI")
    hdu.header.update(cards)
    hdus = [fits.PrimaryHDU(), hdu]
    if table is not None:
        values = np.asarray(table, np.float32)
        column = fits.Column(
            "WAVELENGTH", f"{values.size}E", dim=f"(1,{values.size})", array=[values]
        )
        hdus.append(fits.BinTableHDU.from_columns([column], name="WCS-TAB"))
    with open_fits(write(fits.HDUList(hdus))) as file:
        return wavelength_axis_um(file, "SCI")


@pytest.mark.parametrize("line", AIR_AND_VACUUM)
def test_known_lines_go_from_air_to_vacuum(line):
    air, vacuum = AIR_AND_VACUUM[line]
    assert 1e4 * air_to_vacuum_um(air / 1e4) == pytest.approx(vacuum, abs=0.01)


@given(st.floats(0.25, 5.0), st.floats(1e-6, 0.1))
def test_vacuum_wavelengths_are_longer_and_keep_their_order(air_um, step_um):
    first, second = air_to_vacuum_um([air_um, air_um + step_um])
    assert 2.7e-4 < first / air_um - 1 < 3.1e-4
    assert second > first


@pytest.mark.parametrize(("unit", "in_micron"), [("um", 1.0), ("m", 1e6), ("Angstrom", 1e-4)])
def test_a_linear_axis_is_the_arithmetic_of_its_header(write, unit, in_micron):
    cards = {"CTYPE3": "WAVE", "CUNIT3": unit, "CRPIX3": 2.0}
    found = axis(write, **cards, CRVAL3=10.0 / in_micron, CDELT3=0.5 / in_micron, PC3_3=2.0)
    np.testing.assert_allclose(found, [9.0, 10.0, 11.0, 12.0, 13.0], rtol=1e-12)


def test_cd_stands_above_cdelt(write):
    cards = {"CTYPE3": "WAVE", "CUNIT3": "um", "CRPIX3": 1.0, "CRVAL3": 1.0}
    found = axis(write, **cards, CDELT3=1.0, CD3_3=0.25)
    np.testing.assert_allclose(found, 1 + 0.25 * np.arange(5))


def test_a_logarithmic_axis_has_constant_ratio_and_the_step_at_its_reference(write):
    cards = {"CTYPE3": "WAVE-LOG", "CUNIT3": "Angstrom", "CRPIX3": 1.0, "CRVAL3": 3621.6}
    found = axis(write, **cards, CD3_3=3621.6 * 1e-4 * np.log(10))
    np.testing.assert_allclose(found, 0.36216 * 10 ** (1e-4 * np.arange(5)), rtol=1e-12)


def test_a_tabulated_axis_is_its_table(write):
    table = [5.0, 5.1, 5.3, 5.6, 6.0]
    cards = {"CTYPE3": "WAVE-TAB", "CUNIT3": "um", "CRPIX3": 1.0, "CRVAL3": 1.0}
    cards |= {"PS3_0": "WCS-TAB", "PS3_1": "WAVELENGTH"}
    np.testing.assert_allclose(axis(write, table=table, **cards), table, rtol=1e-6)
    with pytest.raises(DataError, match="too short"):
        axis(write, table=table[:3], **cards)
    with pytest.raises(DataError, match="no column 'lambda'"):
        axis(write, table=table, **(cards | {"PS3_1": "lambda"}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"CUNIT3": "Hz"}, "wrong unit"),
        ({"CUNIT3": ""}, "unknown unit of the wavelength axis"),
        ({"CTYPE3": "WAVE-GRI"}, "unknown kind"),
        ({"CRVAL3": "ten"}, "CRVAL3 .* is not a number"),
        ({"CDELT3": None}, "CDELT3 .* is not a number"),
    ],
)
def test_an_axis_that_is_not_defined_is_a_data_error(write, change, message):
    cards = {"CTYPE3": "WAVE", "CUNIT3": "um", "CRPIX3": 1.0, "CRVAL3": 1.0, "CDELT3": 0.1}
    with pytest.raises(DataError, match=message):
        axis(write, **(cards | change))
