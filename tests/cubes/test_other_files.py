"""Errors, masks and wavelengths in other extensions and other files."""

import numpy as np
import pytest
from astropy.io import fits

from survey.config import GenericReaderSettings, ReadSettings
from survey.cubes.files.cube_file import CubeFile
from survey.cubes.readers.places import Place, companion_files, parse_place
from survey.cubes.registry import read_cube
from survey.errors import ConfigError, DataError, SurveyWarning

SHAPE = (12, 4, 5)
FLUX = np.random.default_rng(1).normal(10.0, 1.0, SHAPE).astype(np.float32)
WAVE = np.linspace(6500.0, 6522.0, SHAPE[0])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("VAR", Place("", "VAR", "")),
        (2, Place("", 2, "")),
        ("2", Place("", 2, "")),
        ("IFU.1.NOISE", Place("", "IFU.1.NOISE", "")),
        ("[VAR]", Place("", "VAR", "")),
        ("WAVE[lambda]", Place("", "WAVE", "lambda")),
        ("other.fits", Place("other.fits", None, "")),
        ("other.fits.gz[VAR]", Place("other.fits.gz", "VAR", "")),
        ("../a/b.fit[1]", Place("../a/b.fit", 1, "")),
        ("w.fits[1][lambda]", Place("w.fits", 1, "lambda")),
        ("{name}_unc.fits", Place("{name}_unc.fits", None, "")),
    ],
)
def test_places_as_they_are_written(text, place):
    assert parse_place(text) == place


@pytest.mark.parametrize("text", ["", "VAR[", "a[b][c]", "a]b"])
def test_what_names_no_place_is_a_mistake_in_the_settings(text):
    with pytest.raises(ConfigError, match="EXT"):
        parse_place(text)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("v.fits", "night/v.fits"),
        ("{name}_unc.fits", "night/kb1_icubes_unc.fits"),
        ("{name/icubes/vcubes}.fits", "night/kb1_vcubes.fits"),
        ("../errors/{name/_icubes/}.fits[VAR]", "night/../errors/kb1.fits"),
    ],
)
def test_other_files_are_named_after_the_cube(text, path):
    assert parse_place(text).file_beside(CubeFile.of("night/kb1_icubes.fits.gz")) == CubeFile.of(
        path
    )


def header(sky_header):
    made = sky_header()
    made.update(CTYPE3="WAVE", CUNIT3="Angstrom", CRPIX3=1.0, CRVAL3=6500.0, CDELT3=2.0)
    made["BUNIT"] = "1e-17 erg/s/cm2/A"
    return made


def generic(**changes):
    return ReadSettings(reader="generic", generic=GenericReaderSettings(flux=0, **changes))


def test_errors_and_mask_may_be_in_files_of_their_own(sky_header, write):
    path = write(fits.HDUList([fits.PrimaryHDU(FLUX, header(sky_header))]), "n1_icubes.fits")
    write(fits.HDUList([fits.PrimaryHDU(FLUX**2)]), "n1_vcubes.fits")
    mask = np.zeros(SHAPE, np.uint8)
    mask[3, 2, 1] = 1
    write(fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(mask, name="M")]), "masks.fits")
    settings = generic(error="{name/icubes/vcubes}.fits", error_is="variance", mask="masks.fits[M]")
    cube = read_cube(path, settings)
    np.testing.assert_allclose(cube["error"], FLUX, rtol=1e-6)
    assert np.argwhere(cube["bad"].values).tolist() == [[3, 2, 1]]
    assert [file.name for file in companion_files(CubeFile.of(path), settings)] == [
        "n1_vcubes.fits",
        "masks.fits",
    ]


def test_a_file_that_is_missing_or_of_another_shape_is_named(sky_header, write, tmp_path):
    path = write(fits.HDUList([fits.PrimaryHDU(FLUX, header(sky_header))]))
    with pytest.raises(DataError, match=r"other\.fits: no such file"):
        read_cube(path, generic(error="other.fits[VAR]"))
    other = write(fits.HDUList([fits.PrimaryHDU(FLUX[:5])]), "other.fits")
    with pytest.raises(DataError, match=r"cube\.fits: the error does not fit the flux"):
        read_cube(path, generic(error="other.fits"))
    other.write_bytes(other.read_bytes()[:2880])
    with pytest.raises(DataError, match=r"other\.fits: the file is truncated"):
        read_cube(path, generic(error="other.fits"))


@pytest.mark.parametrize("where", ["same file", "other file", "other file, other name"])
def test_wavelengths_may_be_a_column(sky_header, write, where):
    columns = [
        fits.Column("pixel", "J", array=np.arange(SHAPE[0])),
        fits.Column("lam_vac", "D", unit="Angstrom", array=WAVE),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="GRID")
    cube = header(sky_header)
    for keyword in ("CTYPE3", "CUNIT3", "CRPIX3", "CRVAL3", "CDELT3"):
        del cube[keyword]
    hdus = [fits.PrimaryHDU(FLUX, cube)]
    if where == "same file":
        hdus.append(table)
    else:
        write(fits.HDUList([fits.PrimaryHDU(), table]), "grid.fits")
    place = {"same file": "GRID[lam_vac]", "other file": "grid.fits[GRID][lam_vac]"}.get(
        where, "grid.fits[1][LAM_VAC]"
    )
    found = read_cube(write(fits.HDUList(hdus)), generic(wavelength=place))
    np.testing.assert_allclose(found["wavelength"], WAVE / 1e4, rtol=1e-12)


def test_wavelengths_that_contradict_the_header_are_taken_with_a_warning(sky_header, write):
    beside = fits.ImageHDU(WAVE + 100.0, name="WAVE")
    path = write(fits.HDUList([fits.PrimaryHDU(FLUX, header(sky_header)), beside]))
    with pytest.warns(SurveyWarning, match="header and of the table WAVE disagree"):
        cube = read_cube(path, generic(wavelength="WAVE", wavelength_unit="Angstrom"))
    np.testing.assert_allclose(cube["wavelength"], (WAVE + 100) / 1e4, rtol=1e-12)


def test_manga_wavelengths_that_contradict_the_header_are_refused(sky_header, write):
    science = header(sky_header)
    for shift in (0.0, 20.0):
        beside = fits.ImageHDU(WAVE + shift, name="WAVE")
        primary = fits.PrimaryHDU()
        primary.header["PLATEIFU"] = "8485-1901"
        path = write(fits.HDUList([primary, fits.ImageHDU(FLUX, science, name="FLUX"), beside]))
        if not shift:
            np.testing.assert_allclose(
                read_cube(path, ReadSettings())["wavelength"], WAVE / 1e4, rtol=1e-12
            )
            continue
        with pytest.raises(DataError, match="header and of the table WAVE disagree"):
            read_cube(path, ReadSettings())
