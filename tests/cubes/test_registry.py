import numpy as np
import pytest
from astropy.io import fits

from survey.config import GenericReaderSettings, ReadSettings
from survey.cubes.inspect import inspect_cube
from survey.cubes.registry import READERS, guess_generic, open_cube, read_cube, target_name
from survey.errors import ConfigError, DataError


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("mrs/NGC7469_Level3_ch4-short_s3d.fits.gz", "jwst"),
        ("muse/A478_minicube.fits.gz", "muse"),
        ("sami/209807_A_sectors_blue.fits.gz", "sami"),
        ("irs/NGC7023_IRS_SL.fits", "irs"),
    ],
)
def test_observed_cubes_are_recognised(shared_data, name, reader):
    with open_cube(shared_data / name, ReadSettings()) as cube:
        assert cube.attrs["reader"] == reader


@pytest.mark.real_data
def test_the_arms_of_sami_name_one_target(shared_data):
    arms = sorted((shared_data / "sami").glob("*sectors*"))
    assert [target_name(arm) for arm in arms] == ["209807", "209807"]


@pytest.mark.real_data
def test_a_cube_of_nobody_is_refused_with_advice(shared_data):
    with pytest.raises(DataError, match="generic") as caught:
        read_cube(shared_data / "gmos/ngc3081_cube.fits", ReadSettings())
    assert all(reader.name in str(caught.value) for reader in READERS)


def test_each_header_is_recognised_by_one_reader_only():
    for reader in READERS:
        header = fits.Header({keyword: value or "x" for keyword, value in reader.marks.items()})
        assert [other.name for other in READERS if other.recognises(header)] == [reader.name]


def test_an_unknown_cube_goes_to_the_generic_reader_if_that_was_set_up(s3d, write):
    del s3d[0].header["TELESCOP"]
    path = write(s3d)
    with pytest.raises(DataError, match="no reader recognises"):
        read_cube(path, ReadSettings())
    cube = read_cube(path, ReadSettings(generic=GenericReaderSettings(instrument="mine")))
    assert (cube.attrs["reader"], cube.attrs["instrument"]) == ("generic", "mine")


def test_a_named_reader_is_used_whatever_the_header_says(s3d, write):
    path = write(s3d)
    assert read_cube(path, ReadSettings()).attrs["reader"] == "jwst"
    assert read_cube(path, ReadSettings(reader="generic")).attrs["reader"] == "generic"
    with pytest.raises(DataError, match="expected DATA"):
        read_cube(path, ReadSettings(reader="muse"))


def test_a_reader_that_does_not_exist_is_a_mistake_in_the_settings(s3d, write):
    with pytest.raises(ConfigError, match="auto, jwst, muse, manga, sami, irs, generic"):
        read_cube(write(s3d), ReadSettings(reader="kmos"))


def test_redshift_and_target_stand_above_the_header(s3d, write):
    path = write(s3d)
    plain = read_cube(path, ReadSettings())
    assert plain.attrs["target"] == "NGC 0000"
    assert np.isnan(plain.attrs["redshift"])
    named = read_cube(path, ReadSettings(), redshift=0.02, target="mine")
    assert (named.attrs["target"], named.attrs["redshift"]) == ("mine", 0.02)


@pytest.mark.parametrize("written", [-9999.0, -99.0, -9.0])
def test_a_redshift_that_stands_for_unknown_is_unknown(sami_blue, write, written):
    sami_blue[0].header["Z_SPEC"] = written
    assert np.isnan(read_cube(write(sami_blue), ReadSettings()).attrs["redshift"])


def test_a_header_whose_redshift_is_a_velocity_is_refused_unless_another_is_given(sami_blue, write):
    sami_blue[0].header["Z_SPEC"] = 4891.0
    path = write(sami_blue)
    with pytest.raises(DataError, match=r"km/s, the redshift is 0.016314.*targets table"):
        inspect_cube(path, ReadSettings())
    assert inspect_cube(path, ReadSettings(), redshift=0.02).redshift == 0.02
    assert read_cube(path, ReadSettings(), redshift=0.02).attrs["redshift"] == 0.02


@pytest.fixture
def sami_blue(sky_header):
    """A tiny cube of the blue arm."""
    header = sky_header()
    header.update(INSTRUME="AAOMEGA-SAMI", SPECTID="BL", NAME="209807", Z_SPEC=0.05)
    header.update(CTYPE3="AWAV", CUNIT3="Angstrom", CRPIX3=1.0, CRVAL3=4000.0, CDELT3=1.0)
    header["BUNIT"] = "10**(-16) erg /s /cm**2 /angstrom /pixel"
    flux = np.ones((20, 6, 5), np.float32)
    return fits.HDUList([fits.PrimaryHDU(flux, header), fits.ImageHDU(flux, name="VARIANCE")])


@pytest.mark.parametrize(
    ("nasty", "name"),
    [(b"N\x1b[2J 00", ""), (b"N\n error", ""), (b"N\x00 00000", ""), (b"N\x9b31m000", "N?31m000")],
)
def test_names_with_characters_that_do_not_print_count_as_missing(s3d, write, nasty, name):
    path = write(s3d)
    path.write_bytes(path.read_bytes().replace(b"NGC 0000", nasty))
    assert target_name(path) == name
    assert read_cube(path, ReadSettings()).attrs["target"] == name


def in_primary(hdus, name, **cards):
    """The cube as programs save it that keep the header, but not the extensions."""
    cube = fits.PrimaryHDU(hdus[name].data, hdus[name].header)
    cube.header.update(hdus[0].header)
    del cube.header["EXTNAME"]
    cube.header.update(cards)
    return fits.HDUList([cube])


def test_a_cube_without_the_extension_of_its_kind_is_one_of_nobody(s3d, write):
    path = write(in_primary(s3d, "SCI"))
    with pytest.raises(
        DataError, match=r"expected SCI, where a jwst cube has its flux; found PRIMARY"
    ):
        read_cube(path, ReadSettings())


def test_the_guess_for_such_a_cube_keeps_its_instrument(s3d, write):
    path = write(in_primary(s3d, "SCI"))
    guess = guess_generic(path, ReadSettings())
    assert guess.values["instrument"] == "MIRI/MRS"
    found = read_cube(path, ReadSettings(generic=guess.settings))
    expected = read_cube(write(s3d, "whole.fits"), ReadSettings())
    np.testing.assert_array_equal(found["flux"], expected["flux"])
    np.testing.assert_array_equal(found["wavelength"], expected["wavelength"])


def test_the_guess_for_a_muse_cube_in_the_primary_is_air(s3d, write):
    cards = {"INSTRUME": "MUSE", "TELESCOP": "ESO-VLT-U4", "CTYPE3": "LINEAR"}
    path = write(in_primary(s3d, "SCI", **cards, CRVAL3=0.65, CDELT3=1.25e-4))
    guess = guess_generic(path, ReadSettings())
    assert guess.values["wavelength_medium"] == "air"
    cube = read_cube(path, ReadSettings(generic=guess.settings))
    assert float(cube["wavelength"][0]) == pytest.approx(0.6501796, abs=1e-7)


@pytest.mark.parametrize("name", ["*.fits", "$HOME/cube.fits"])
def test_patterns_and_variables_are_named_where_no_file_is_found(tmp_path, name):
    with pytest.raises(DataError, match=r"no such file.*are not replaced"):
        read_cube(tmp_path / name, ReadSettings())


@pytest.mark.parametrize("value", [-999.0, -32768.0, 1e20])
def test_numbers_that_stand_for_missing_data_are_guessed(s3d, write, value):
    s3d["SCI"].data[:, 0] = value
    guess = guess_generic(write(in_primary(s3d, "SCI")), ReadSettings())
    assert guess.values["missing_values"] == [value]
    cube = read_cube(write(in_primary(s3d, "SCI")), ReadSettings(generic=guess.settings))
    assert cube["bad"].values[:, 0].all()
    assert int(cube["bad"].sum()) == cube["bad"].values[:, 0].size + 1  # and the NaN


def test_a_single_value_is_no_placeholder(s3d, write):
    s3d["SCI"].data[10, 0, 0] = -999.0
    guess = guess_generic(write(in_primary(s3d, "SCI")), ReadSettings())
    assert "missing_values" not in guess.values


def test_the_unit_may_be_in_the_primary_header(s3d, write):
    del s3d["SCI"].header["BUNIT"]
    s3d[0].header["BUNIT"] = "mJy/arcsec2"
    assert read_cube(write(s3d), ReadSettings()).attrs["flux_unit"] == "mJy / arcsec2"


def test_other_cubes_of_a_file_are_named(s3d, write):
    primary, science, error = s3d[0], s3d["SCI"], s3d["ERR"]
    primary.header["TELESCOP"] = "ESO-VLT-U1"
    targets = [fits.ImageHDU(science.data, science.header, name=f"IFU.{n}.DATA") for n in (1, 2)]
    noise = fits.ImageHDU(error.data, name="IFU.1.NOISE")
    guess = guess_generic(write(fits.HDUList([primary, *targets, noise])), ReadSettings())
    assert (guess.values["flux"], guess.values["error"]) == ("IFU.1.DATA", "IFU.1.NOISE")
    assert "other cubes in the file: IFU.2.DATA" in guess.toml()
