"""Every reader on its own layout, and on observed cubes against facts of their headers."""

import re
import warnings

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning

from survey.config import GenericReaderSettings, ReadSettings
from survey.cubes.registry import read_cube
from survey.cubes.wcs import sky_position
from survey.errors import DataError

GMOS = ReadSettings(
    generic=GenericReaderSettings(
        error="ERR",
        mask="MASK",
        wavelength_unit="Angstrom",
        wavelength_medium="air",
        instrument="GMOS",
        spaxel_area_arcsec2=1.0,
    )
)


def morton_vacuum(air_angstrom):
    """Air to vacuum to first order, the index taken at the air wavelength."""
    s2 = (1e4 / air_angstrom) ** 2
    return air_angstrom * (1.0000834254 + 0.02406147 / (130 - s2) + 0.00015998 / (38.9 - s2))


def assert_positions_agree(cube, header, pixels=((0, 0), (7, 3), (12, 11))):
    """Against astropy's WCS of the whole header."""
    plain = header.copy()
    plain["CTYPE3"] = "WAVE"  # astropy cannot open a -TAB axis from a header alone
    # CUBISM leaves the distortion of the detector in the header; CTYPE does not ask for it.
    for keyword in [key for key in plain if re.fullmatch(r"(A|B|AP|BP)_(\d_\d|ORDER)", key)]:
        del plain[keyword]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs = WCS(plain).celestial
    for x, y in pixels:
        expected = wcs.pixel_to_world(x, y)
        found = sky_position(cube.attrs["celestial_header"], x, y)
        assert SkyCoord(*found, unit="deg").separation(expected).arcsec < 0.01


def assert_native(cube):
    assert all(cube[name].dtype.isnative for name in cube.variables)
    assert cube["flux"].dtype == cube["error"].dtype == np.float32


# First and last wavelength: CRVAL3 and CRVAL3 + 0.006 (NAXIS3 - 1), CRPIX3 being 1.
MRS_FACTS = {
    "NGC7469_Level3_ch4-short": ((542, 27, 25), 17.703, 17.703 + 0.006 * 541, "ch4-short"),
    "NGC7469_Level3_ch4-medium": ((632, 27, 27), 20.693, 20.693 + 0.006 * 631, "ch4-medium"),
    "NGC7469_Level3_ch4-long": ((717, 29, 25), 24.403, 24.403 + 0.006 * 716, "ch4-long"),
    "16CygB_Level3_ch4-short": ((542, 29, 31), 17.703, 17.703 + 0.006 * 541, "ch4-short"),
    "16CygB_Level3_ch4-medium": ((632, 27, 31), 20.693, 20.693 + 0.006 * 631, "ch4-medium"),
}


@pytest.mark.real_data
@pytest.mark.parametrize("name", MRS_FACTS)
def test_mrs_cubes_are_as_their_headers_say(shared_data, name):
    shape, first_um, last_um, band = MRS_FACTS[name]
    path = shared_data / f"mrs/{name}_s3d.fits.gz"
    cube = read_cube(path, ReadSettings())
    assert cube["flux"].shape == shape
    assert cube["wavelength"].values[0] == pytest.approx(first_um, abs=2e-6)
    assert cube["wavelength"].values[-1] == pytest.approx(last_um, abs=2e-6)
    assert (cube.attrs["instrument"], cube.attrs["band"]) == ("MIRI/MRS", band)
    assert cube.attrs["spaxel_area_arcsec2"] == pytest.approx(0.35**2, rel=1e-6)
    assert cube.attrs["flux_unit"] == "MJy / sr"
    assert_native(cube)
    with fits.open(path) as hdus:
        assert_positions_agree(cube, hdus["SCI"].header)
        assert cube.attrs["target"] == hdus[0].header["TARGNAME"]
        assert cube.attrs["ra_deg"] == hdus[0].header["TARG_RA"]
        np.testing.assert_array_equal(cube["bad"], hdus["DQ"].data & 1 == 1)
        np.testing.assert_array_equal(cube["error"], hdus["ERR"].data)


@pytest.mark.real_data
def test_finite_flux_without_error_stays_usable(ngc7469):
    cube = ngc7469["long"]
    assert int((~cube["bad"] & np.isnan(cube["error"])).sum()) == 98


@pytest.mark.real_data
def test_muse_gives_standard_deviations_and_vacuum_wavelengths(shared_data):
    path = shared_data / "muse/A478_minicube.fits.gz"
    cube = read_cube(path, ReadSettings(), redshift=0.086)
    first, last = 4749.890625, 4749.890625 + 1.25 * 3680
    assert cube["flux"].shape == (3681, 40, 40)
    assert cube["wavelength"].values[0] * 1e4 == pytest.approx(morton_vacuum(first), abs=0.001)
    assert cube["wavelength"].values[-1] * 1e4 == pytest.approx(morton_vacuum(last), abs=0.001)
    assert cube.attrs["flux_unit"].startswith("1e-20 erg")
    assert cube.attrs["redshift"] == 0.086
    assert int(cube["bad"].sum()) == 5
    assert_native(cube)
    with fits.open(path) as hdus:
        assert_positions_agree(cube, hdus["DATA"].header)
        np.testing.assert_allclose(
            cube["error"].values[100:110] ** 2, hdus["STAT"].data[100:110], rtol=1e-5
        )
    # The published comparison of sqrt(STAT) with the scatter between neighbouring planes.
    quiet = slice(1000, 1100)
    scatter = np.nanstd(np.diff(cube["flux"].values[quiet], axis=0)) / np.sqrt(2)
    assert 0.6 < np.nanmedian(cube["error"].values[quiet]) / scatter < 1.1


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("arm", "crval", "cdelt"),
    [("blue", 4724.474841231, 1.05031753786), ("red", 6849.702, 0.595994)],
)
def test_sami_counts_planes_from_its_reference_pixel(shared_data, arm, crval, cdelt):
    path = shared_data / f"sami/209807_A_sectors_{arm}.fits.gz"
    cube = read_cube(path, ReadSettings())
    first, last = crval - 1023 * cdelt, crval + 1024 * cdelt
    assert cube["flux"].shape == (2048, 50, 50)
    assert cube["wavelength"].values[0] * 1e4 == pytest.approx(morton_vacuum(first), abs=0.002)
    assert cube["wavelength"].values[-1] * 1e4 == pytest.approx(morton_vacuum(last), abs=0.002)
    assert (cube.attrs["instrument"], cube.attrs["band"]) == ("SAMI", arm)
    assert cube.attrs["redshift"] == pytest.approx(0.05386)
    assert cube.attrs["spaxel_area_arcsec2"] == pytest.approx(0.25)
    assert_native(cube)
    with fits.open(path) as hdus:
        assert_positions_agree(cube, hdus[0].header)
        assert float(cube["bad"].mean()) == pytest.approx(1 - np.isfinite(hdus[0].data).mean())
        np.testing.assert_allclose(
            cube["error"].values[1000] ** 2, hdus["VARIANCE"].data[1000], rtol=1e-5
        )


@pytest.mark.real_data
def test_gmos_is_read_from_settings_alone(shared_data):
    path = shared_data / "gmos/ngc3081_cube.fits"
    cube = read_cube(path, GMOS, redshift=0.007976)
    first, last = 5627.89, 5627.89 + 0.678294 * 1799
    assert cube["flux"].shape == (1800, 8, 6)
    assert cube["wavelength"].values[0] * 1e4 == pytest.approx(morton_vacuum(first), abs=0.001)
    assert cube["wavelength"].values[-1] * 1e4 == pytest.approx(morton_vacuum(last), abs=0.001)
    assert (cube.attrs["instrument"], cube.attrs["target"]) == ("GMOS", "NGC 3081")
    assert cube.attrs["celestial_header"] == ""
    assert cube.attrs["spaxel_area_arcsec2"] == 1.0
    # Its mask is one image for all planes.
    assert np.argwhere(cube["bad"].values.all(axis=0)).tolist() == [[0, 0], [0, 1]]
    assert float(cube["bad"].mean()) == pytest.approx(2 / 48)


@pytest.mark.real_data
def test_irs_wavelengths_come_from_the_table(shared_data):
    path = shared_data / "irs/NGC7023_IRS_SL.fits"
    cube = read_cube(path, ReadSettings())
    with fits.open(path) as hdus:
        table = hdus["WCS-TAB"].data["WAVELENGTH"].ravel()
        assert_positions_agree(cube, hdus[0].header)
    np.testing.assert_allclose(cube["wavelength"], table, rtol=1e-7)
    assert cube["wavelength"].values[[0, -1]] == pytest.approx([5.242817, 14.177787])
    assert cube.attrs["instrument"] == "Spitzer/IRS"
    assert cube.attrs["spaxel_area_arcsec2"] == pytest.approx(3.7**2, rel=1e-4)
    assert np.isnan(cube["error"]).all()
    assert float(cube["bad"].mean()) == pytest.approx(0.0238, abs=1e-4)


@pytest.mark.parametrize(
    ("cards", "instrument", "band"),
    [
        ({"CHANNEL": "3", "BAND": "SHORT"}, "MIRI/MRS", "ch3-short"),
        ({"CHANNEL": "4", "BAND": "MULTIPLE"}, "MIRI/MRS", "ch4"),
        ({"CHANNEL": "12", "BAND": "LONG"}, "MIRI/MRS", "ch12-long"),
        (
            {"INSTRUME": "NIRSPEC", "CHANNEL": None, "GRATING": "G235H", "FILTER": "F170LP"},
            "NIRSpec/IFU",
            "g235h-f170lp",
        ),
    ],
)
def test_jwst_bands_are_named_by_their_headers(s3d, write, cards, instrument, band):
    s3d[0].header.update({key: value for key, value in cards.items() if value is not None})
    for key in (key for key, value in cards.items() if value is None):
        del s3d[0].header[key]
    cube = read_cube(write(s3d), ReadSettings())
    assert (cube.attrs["instrument"], cube.attrs["band"]) == (instrument, band)


def with_wavelength_table(s3d, wavelength_um):
    values = np.asarray(wavelength_um, np.float32)
    column = fits.Column("wavelength", f"{values.size}E", dim=f"(1,{values.size})", array=[values])
    s3d.append(fits.BinTableHDU.from_columns([column], name="WCS-TABLE"))


def test_jwst_channel_cubes_take_wavelengths_from_the_table(s3d, write):
    wavelength_um = 5.0 + np.cumsum(np.linspace(0.001, 0.002, 20))
    with_wavelength_table(s3d, wavelength_um)
    header = s3d["SCI"].header
    header.update(CTYPE3="WAVE-TAB", PS3_0="WCS-TABLE", PS3_1="wavelength", CRVAL3=1.0)
    del header["CDELT3"]
    cube = read_cube(write(s3d), ReadSettings())
    np.testing.assert_allclose(cube["wavelength"], wavelength_um, rtol=1e-7)


def test_the_table_is_preferred_where_the_header_calls_the_axis_linear(s3d, write):
    wavelength_um = 11.55 + np.cumsum(np.linspace(0.001, 0.005, 20))
    with_wavelength_table(s3d, wavelength_um)
    cube = read_cube(write(s3d), ReadSettings())
    np.testing.assert_allclose(cube["wavelength"], wavelength_um, rtol=1e-7)


def test_jwst_wavelengths_may_be_in_metres(s3d, write):
    s3d["SCI"].header.update(CUNIT3="m", CRVAL3=11.55e-6, CDELT3=0.0025e-6)
    cube = read_cube(write(s3d), ReadSettings())
    np.testing.assert_allclose(cube["wavelength"], 11.55 + 0.0025 * np.arange(20))


def test_only_the_first_quality_bit_makes_a_voxel_bad(s3d, write):
    s3d["DQ"].data[7, 2, 2] = 4
    s3d["DQ"].data[8, 2, 2] = 1
    bad = read_cube(write(s3d), ReadSettings())["bad"].values
    assert not bad[7, 2, 2]
    assert bad[8, 2, 2]
    assert np.count_nonzero(bad) == 2


def manga_logcube(sky_header):
    """A LOGCUBE as the SDSS pipeline writes it, with a hexagon's corner outside the fibres."""
    shape = (30, 6, 5)
    rng = np.random.default_rng(3)
    header = sky_header(angle_deg=0.0, spaxel_arcsec=0.5)
    for key in ("PC1_1", "PC1_2", "PC2_1", "PC2_2", "CDELT1", "CDELT2"):
        del header[key]
    header.update(CD1_1=-0.5 / 3600, CD2_2=0.5 / 3600, CTYPE3="WAVE-LOG", CUNIT3="Angstrom")
    header.update(CRPIX3=1, CRVAL3=3621.59598486, CD3_3=3621.59598486 * np.log(10) * 1e-4)
    header["BUNIT"] = "1E-17 erg/s/cm^2/Ang/spaxel"
    flux = rng.uniform(1, 2, shape).astype(np.float32)
    weight = np.full(shape, 4.0, np.float32)
    mask = np.zeros(shape, np.int32)
    flux[:, 0, 0], weight[:, 0, 0], mask[:, 0, 0] = 0.0, 0.0, 1 | 1024
    mask[5, 3, 3] = 2  # low coverage is no reason to refuse a voxel
    mask[6, 3, 3] = 8 | 1024
    primary = fits.PrimaryHDU()
    primary.header.update(PLATEIFU="8485-1901", MANGAID="1-209232", OBJRA=150.0, OBJDEC=-32.5)
    wave = 10 ** (np.log10(3621.59598486) + 1e-4 * np.arange(30))
    return fits.HDUList(
        [
            primary,
            fits.ImageHDU(flux, header, name="FLUX"),
            fits.ImageHDU(weight, name="IVAR"),
            fits.ImageHDU(mask, name="MASK"),
            fits.ImageHDU(np.ones(shape, np.float32), name="LSFPOST"),
            fits.ImageHDU(wave, name="WAVE"),
            fits.ImageHDU(np.full(30, 2000.0), name="SPECRES"),
        ]
    )


def test_manga_weights_masks_and_log_grid(sky_header, write):
    cube = read_cube(write(manga_logcube(sky_header), "manga.fits.gz"), ReadSettings())
    assert cube.attrs["instrument"] == "MaNGA"
    assert cube.attrs["target"] == "8485-1901"
    assert (cube.attrs["ra_deg"], cube.attrs["dec_deg"]) == (150.0, -32.5)
    assert cube.attrs["spaxel_area_arcsec2"] == pytest.approx(0.25)
    wavelength = cube["wavelength"].values
    assert wavelength[0] == pytest.approx(0.362159598486)  # vacuum already
    np.testing.assert_allclose(wavelength[1:] / wavelength[:-1], 10**1e-4)
    expected = np.zeros((30, 6, 5), bool)
    expected[:, 0, 0] = expected[6, 3, 3] = True
    np.testing.assert_array_equal(cube["bad"], expected)
    np.testing.assert_allclose(cube["error"].values[~expected], 0.5)


@pytest.mark.parametrize(
    ("kind", "values"), [("sigma", 2.0), ("variance", 4.0), ("inverse-variance", 0.25)]
)
def test_the_generic_reader_makes_sigma_of_any_error(s3d, write, kind, values):
    s3d["ERR"].data[:] = values
    settings = ReadSettings(
        reader="generic", generic=GenericReaderSettings(error="ERR", error_is=kind, mask="DQ")
    )
    cube = read_cube(write(s3d), settings)
    np.testing.assert_allclose(cube["error"], 2.0)
    assert int(cube["bad"].sum()) == 1


def test_the_generic_reader_takes_extension_numbers_and_units(s3d, write):
    del s3d["SCI"].header["BUNIT"]
    s3d["SCI"].header.update(CRVAL3=1155.0)
    settings = ReadSettings(
        reader="generic",
        generic=GenericReaderSettings(flux=1, flux_unit="Jy", wavelength_unit="nm", band="blue"),
    )
    cube = read_cube(write(s3d), settings)
    assert cube.attrs["flux_unit"] == "Jy"
    assert cube.attrs["band"] == "blue"
    assert cube["wavelength"].values[0] == pytest.approx(1.155)


def test_every_bad_cube_is_one_data_error_that_names_its_file(s3d, write):
    def all_nan(hdus):
        hdus["SCI"].data[:] = np.nan

    def wrong_unit(hdus):
        hdus["SCI"].header["BUNIT"] = "DN/s"

    def repeated_wavelengths(hdus):
        with_wavelength_table(hdus, 11.55 + 0.0025 * (np.arange(20) % 9))

    def no_science(hdus):
        del hdus["SCI"]

    for spoil in (all_nan, wrong_unit, repeated_wavelengths, no_science):
        hdus = fits.HDUList([hdu.copy() for hdu in s3d])
        spoil(hdus)
        path = write(hdus, f"{spoil.__name__}.fits")
        with pytest.raises(DataError) as caught:
            read_cube(path, ReadSettings())
        assert caught.value.file == str(path)


def test_a_cut_out_whose_table_is_that_of_the_whole_cube_is_read_by_its_header(s3d, write):
    whole_um = 11.55 + 0.0025 * np.arange(20)
    with_wavelength_table(s3d, whole_um)
    for name in ("SCI", "ERR", "DQ"):
        s3d[name].data = s3d[name].data[5:15]
    s3d["SCI"].header["CRPIX3"] = -4.0
    cube = read_cube(write(s3d), ReadSettings())
    np.testing.assert_allclose(cube["wavelength"], whole_um[5:15], rtol=1e-6)


def test_header_and_table_that_disagree_are_refused(s3d, write):
    with_wavelength_table(s3d, 12.55 + 0.0025 * np.arange(20))
    with pytest.raises(DataError, match="header and of the table WCS-TABLE disagree"):
        read_cube(write(s3d), ReadSettings())
    for name in ("SCI", "ERR", "DQ"):
        s3d[name].data = s3d[name].data[5:15]
    with pytest.raises(DataError, match="header and of the table WCS-TABLE disagree"):
        read_cube(write(s3d), ReadSettings())


def test_muse_is_in_air_unless_its_extension_says_otherwise(s3d, write):
    science = s3d["SCI"].header
    science.update(CUNIT3="Angstrom", CRVAL3=6500.0, CDELT3=1.25, EXTNAME="DATA", BUNIT="MJy/sr")
    s3d["ERR"].name = "STAT"
    s3d[0].header.update(TELESCOP="ESO-VLT-U4", INSTRUME="MUSE", CTYPE3="AWAV")
    first_um = {}
    for kind in ("AWAV", "", "LINEAR", "WAVE"):
        science["CTYPE3"] = kind
        first_um[kind] = float(read_cube(write(s3d), ReadSettings())["wavelength"][0])
    assert first_um["AWAV"] == pytest.approx(morton_vacuum(6500.0) / 1e4, abs=1e-8)
    assert first_um[""] == first_um["LINEAR"] == first_um["AWAV"]
    assert first_um["WAVE"] == pytest.approx(0.65)


def test_without_errors_and_flags_the_errors_are_unknown(s3d, write):
    del s3d["ERR"], s3d["DQ"]
    cube = read_cube(write(s3d), ReadSettings())
    assert np.isnan(cube["error"]).all()
    assert int(cube["bad"].sum()) == 1  # the NaN


def test_manga_without_weights_or_mask_is_read(sky_header, write):
    hdus = manga_logcube(sky_header)
    del hdus["IVAR"]
    cube = read_cube(write(hdus), ReadSettings())
    assert np.isnan(cube["error"]).all()
    assert cube["bad"].values[:, 0, 0].all()  # by the mask
    del hdus["MASK"]
    read_cube(write(hdus), ReadSettings())


def test_manga_without_the_extension_of_wavelengths_has_those_of_its_header(sky_header, write):
    hdus = manga_logcube(sky_header)
    expected = read_cube(write(hdus), ReadSettings())["wavelength"]
    first, second = hdus["WAVE"].data[:2]
    del hdus["WAVE"]
    cards = {"CTYPE3": "WAVE-LOG", "CUNIT3": "Angstrom", "CRPIX3": 1.0, "CRVAL3": first}
    hdus["FLUX"].header.update(cards, CDELT3=first * np.log(second / first))
    found = read_cube(write(hdus), ReadSettings())["wavelength"]
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_flags_that_were_written_as_floats_are_the_same_flags(s3d, write):
    s3d["DQ"].data[7, 2, 2], s3d["DQ"].data[8, 2, 2] = 4, 513
    expected = read_cube(write(s3d), ReadSettings())["bad"].values
    s3d["DQ"].data = s3d["DQ"].data.astype(np.float32)
    np.testing.assert_array_equal(read_cube(write(s3d), ReadSettings())["bad"], expected)
    s3d["DQ"].data[9, 2, 2] = np.nan
    assert read_cube(write(s3d), ReadSettings())["bad"].values[9, 2, 2]


@pytest.mark.parametrize(
    "given",
    [(None, None), (150.1, -32.5), (0.0, 0.0), (999.0, 0.0), ("N/A", "N/A"), ("", "")],
    ids=["blank", "off the cube", "zero", "999", "N/A", "empty"],
)
def test_a_position_that_is_not_on_the_cube_is_replaced_by_its_centre(s3d, write, given):
    s3d[0].header["TARG_RA"], s3d[0].header["TARG_DEC"] = given
    attrs = read_cube(write(s3d), ReadSettings()).attrs
    centre = np.ravel(sky_position(attrs["celestial_header"], 2.0, 2.5))
    assert (attrs["ra_deg"], attrs["dec_deg"]) == pytest.approx(tuple(centre))
    assert attrs["position_is_centre"]


def test_a_position_on_the_cube_is_that_of_the_header(s3d, write):
    s3d[0].header.update(TARG_RA=150.00002, TARG_DEC=-32.50003)
    attrs = read_cube(write(s3d), ReadSettings()).attrs
    assert (attrs["ra_deg"], attrs["dec_deg"]) == (150.00002, -32.50003)
    assert not attrs["position_is_centre"]
