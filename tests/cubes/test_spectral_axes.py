"""Every way to write a spectral axis gives the same wavelengths: 0.65 to 0.6618 micron."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.constants import c, e, h

from survey.config import GenericReaderSettings, ReadSettings
from survey.cubes.axes.cube_shape import cube_shape
from survey.cubes.lazy_image import Voxels, planes_reversed
from survey.cubes.registry import guess_generic, read_cube
from survey.cubes.wcs import sky_position
from survey.errors import DataError, SurveyWarning

N, N_Y, N_X = 60, 6, 7
ANGSTROM = np.linspace(6500.0, 6618.0, N)
VACUUM_UM = ANGSTROM / 1e4
SHAPE = (N, N_Y, N_X)
FLUX = (np.arange(N)[:, None, None] + 100.0 * np.arange(N_Y * N_X).reshape(N_Y, N_X)).astype("f4")
REST_M = 6.5e-7


def header(**cards):
    made = fits.Header()
    made.update(CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CUNIT1="deg", CUNIT2="deg", CRPIX1=4.0)
    made.update(CRPIX2=3.5, CRVAL1=150.0, CRVAL2=2.0, CDELT1=-0.5 / 3600, CDELT2=0.5 / 3600)
    made.update(CTYPE3="WAVE", CUNIT3="Angstrom", CRPIX3=1.0, CRVAL3=6500.0, CDELT3=2.0)
    made["BUNIT"] = "1e-17 erg / (s cm2 Angstrom)"
    made.update(cards)
    return made


def generic(**changes):
    return ReadSettings(reader="generic", generic=GenericReaderSettings(flux=0, **changes))


@pytest.fixture
def read(write):
    def read_hdus(cards, *others, flux=FLUX, without=(), **changes):
        primary = fits.PrimaryHDU(flux, header(**cards))
        for keyword in without:
            del primary.header[keyword]
        return read_cube(write(fits.HDUList([primary, *others])), generic(**changes))

    return read_hdus


def axis(kind, unit, values, **others):
    """Cards of a linear axis through the first and the last value."""
    step = (values[-1] - values[0]) / (N - 1)
    return {"CTYPE3": kind, "CUNIT3": unit, "CRVAL3": values[0], "CDELT3": step, **others}


NU = c / (ANGSTROM * 1e-10)
BETA = (ANGSTROM * 1e-10 / REST_M) ** 2
RELATIVISTIC = (BETA - 1) / (BETA + 1)

LINEAR_IN_WAVELENGTH = {
    "vacuum Angstrom": axis("WAVE", "Angstrom", ANGSTROM),
    "descending": axis("WAVE", "Angstrom", ANGSTROM[::-1]),
    "nm": axis("WAVE", "nm", ANGSTROM / 10),
    "m": axis("WAVE", "m", ANGSTROM * 1e-10),
    "another name of the kind": axis("LAMBDA", "Angstrom", ANGSTROM),
    "optical velocity": axis("VOPT", "km/s", (VACUUM_UM / 0.65 - 1) * c / 1e3, RESTWAV=REST_M),
    "optical velocity by a frequency": axis(
        "VOPT", "m/s", (VACUUM_UM / 0.65 - 1) * c, RESTFRQ=c / REST_M
    ),
    "redshift": axis("ZOPT", "", VACUUM_UM / 0.65 - 1, RESTWAV=REST_M),
    "frequency, linear in wavelength": axis(
        "FREQ-W2F", "Hz", NU[0] * (1 - (ANGSTROM / ANGSTROM[0] - 1))
    ),
}
LINEAR_IN_ANOTHER = {
    "frequency": (axis("FREQ", "Hz", NU), NU),
    "frequency of a radio file": (axis("FREQ", "GHz", NU[::-1] / 1e9), NU[::-1]),
    "frequency without a kind": (axis("LINEAR", "THz", NU / 1e12), NU),
    "wavelength, linear in frequency": (
        axis("WAVE-F2W", "Angstrom", ANGSTROM[0] * (1 - (NU / NU[0] - 1))),
        NU,
    ),
    "wavenumber": (axis("WAVN", "cm-1", 1e8 / ANGSTROM), NU),
    "energy": (axis("ENER", "eV", h * NU / e), NU),
    "radio velocity": (axis("VRAD", "km/s", (1 - NU * REST_M / c) * c / 1e3, RESTWAV=REST_M), NU),
}


@pytest.mark.parametrize("name", LINEAR_IN_WAVELENGTH)
def test_axes_that_are_linear_in_wavelength(read, name):
    cube = read(LINEAR_IN_WAVELENGTH[name])
    np.testing.assert_allclose(cube["wavelength"], VACUUM_UM, rtol=1e-9)
    # A plane keeps its wavelength, also where the planes are turned round.
    np.testing.assert_array_equal(cube["flux"], FLUX[::-1] if name == "descending" else FLUX)


@pytest.mark.parametrize("name", LINEAR_IN_ANOTHER)
def test_axes_that_are_linear_in_another_quantity(read, name):
    cards, frequency = LINEAR_IN_ANOTHER[name]
    planes_um = 1e6 * c / np.linspace(frequency[0], frequency[-1], N)
    cube = read(cards)
    ascending = planes_um[0] < planes_um[-1]
    np.testing.assert_allclose(
        cube["wavelength"], planes_um if ascending else planes_um[::-1], rtol=1e-9
    )
    np.testing.assert_array_equal(cube["flux"], FLUX if ascending else FLUX[::-1])


def test_a_relativistic_velocity(read):
    cube = read(axis("VELO", "km/s", RELATIVISTIC * c / 1e3, RESTWAV=REST_M))
    beta = np.linspace(RELATIVISTIC[0], RELATIVISTIC[-1], N)
    np.testing.assert_allclose(
        cube["wavelength"], 0.65 * np.sqrt((1 + beta) / (1 - beta)), rtol=1e-12
    )


@pytest.mark.parametrize(("velref", "kind"), [(1, "VOPT"), (257, "VRAD")])
def test_velocities_of_aips_are_those_of_velref(read, velref, kind):
    values = (VACUUM_UM / 0.65 - 1) * c
    old = read(axis("VELO-LSR", "m/s", values, RESTFREQ=c / REST_M, VELREF=velref))
    new = read(axis(kind, "m/s", values, RESTFRQ=c / REST_M))
    np.testing.assert_allclose(old["wavelength"], new["wavelength"], rtol=1e-9)


LOGARITHMS = {
    "IRAF": axis("LINEAR", "Angstrom", np.log10(ANGSTROM), **{"DC-FLAG": 1}),
    "in the name": axis("LOGLAM", "Angstrom", np.log10(ANGSTROM)),
    "in the algorithm": axis("WAVE-LOG10", "Angstrom", np.log10(ANGSTROM)),
    "in the unit": axis("WAVE", "log10(Angstrom)", np.log10(ANGSTROM)),
    "dex": axis("WAVE", "dex(nm)", np.log10(ANGSTROM / 10)),
    "natural, in the unit": axis("WAVE", "ln(Angstrom)", np.log(ANGSTROM)),
    "natural, in the name": axis("LN(LAMBDA)", "Angstrom", np.log(ANGSTROM)),
    "natural, by its numbers": axis("LOGLAM", "Angstrom", np.log(ANGSTROM)),
    "of the standard": axis("WAVE-LOG", "Angstrom", 6500 * (1 + np.log(ANGSTROM / 6500))),
}


@pytest.mark.parametrize("name", LOGARITHMS)
def test_logarithmic_axes(read, name):
    found = read(LOGARITHMS[name])["wavelength"].values
    np.testing.assert_allclose(found, np.geomspace(0.65, 0.6618, N), rtol=1e-9)


def table(values, unit="um", name="WAVE-TAB"):
    column = fits.Column("wavelength", f"{N}D", unit=unit, array=[values], dim=f"(1,{N})")
    return fits.BinTableHDU.from_columns([column], name=name)


TAB = {"CTYPE3": "WAVE-TAB", "CUNIT3": "um", "PS3_0": "WAVE-TAB", "PS3_1": "wavelength"}
TAB |= {"CRPIX3": 1.0, "CRVAL3": 1.0, "CDELT3": 1.0}


def test_a_table_in_another_unit_than_the_axis_has_its_own(read):
    cube = read(TAB, table(ANGSTROM, "Angstrom"))
    np.testing.assert_allclose(cube["wavelength"], VACUUM_UM, rtol=1e-12)


def test_a_descending_table_turns_the_planes_round(read):
    cube = read(TAB, table(VACUUM_UM[::-1]))
    np.testing.assert_allclose(cube["wavelength"], VACUUM_UM, rtol=1e-12)
    np.testing.assert_array_equal(cube["flux"], FLUX[::-1])


def test_a_cut_out_of_a_tabulated_axis_has_the_rows_of_its_header(read):
    cube = read(TAB | {"CRPIX3": -9.0}, table(VACUUM_UM), flux=FLUX[10:40])
    np.testing.assert_allclose(cube["wavelength"], VACUUM_UM[10:40], rtol=1e-12)
    twice = read(TAB | {"CRVAL3": 11.0, "CDELT3": 0.5}, table(VACUUM_UM), flux=FLUX[:21])
    np.testing.assert_allclose(
        twice["wavelength"],
        np.interp(np.arange(10, 20.1, 0.5), np.arange(N), VACUUM_UM),
        rtol=1e-12,
    )


@pytest.mark.parametrize("hdu", ["image", "table"])
def test_wavelengths_in_an_extension(read, hdu):
    image = fits.ImageHDU(ANGSTROM, name="WAVE")
    beside = image if hdu == "image" else table(ANGSTROM, "Angstrom", "WAVE")
    none = ("CTYPE3", "CUNIT3", "CRPIX3", "CRVAL3", "CDELT3")
    cube = read({}, beside, without=none, wavelength="WAVE", wavelength_unit="Angstrom")
    np.testing.assert_allclose(cube["wavelength"], VACUUM_UM, rtol=1e-12)
    with pytest.raises(DataError, match=r'wavelength = "WAVE" in \[read.generic\]'):
        read({}, beside, without=none)


def numbered(cards, order):
    """A header and the flux with other numbers of the axes: `order` has the old ones."""
    made = fits.Header({"BUNIT": cards["BUNIT"]})
    for new, old in enumerate(order, 1):
        for keyword in ("CTYPE", "CUNIT", "CRPIX", "CRVAL", "CDELT"):
            made[f"{keyword}{new}"] = cards[f"{keyword}{old}"]
    return made, FLUX.transpose([3 - old for old in reversed(order)])


@pytest.mark.parametrize("order", [(3, 1, 2), (1, 3, 2), (3, 2, 1), (2, 1, 3)])
def test_the_spectral_axis_may_be_anywhere(write, order):
    made, flux = numbered(header(), order)
    path = write(fits.HDUList([fits.PrimaryHDU(flux, made)]))
    cube = read_cube(path, generic())
    np.testing.assert_allclose(cube["wavelength"], VACUUM_UM, rtol=1e-12)
    sky_first = [axis for axis in order if axis != 3] == [1, 2]
    expected = FLUX if sky_first else FLUX.transpose(0, 2, 1)
    np.testing.assert_array_equal(cube["flux"], expected)
    assert cube_shape(path) == expected.shape
    # The third spaxel along right ascension, the second along declination.
    place = sky_position(cube.attrs["celestial_header"], *((2, 1) if sky_first else (1, 2)))
    truth = WCS(header(), naxis=2).pixel_to_world_values(2, 1)
    np.testing.assert_allclose(np.ravel(place), truth, atol=1e-9)


@pytest.mark.parametrize("shape", [(1, *SHAPE), (1, 1, *SHAPE)])
def test_axes_of_length_one_are_dropped(write, shape):
    cards = {"CTYPE4": "STOKES", "CRVAL4": 1.0, "CDELT4": 1.0, "CRPIX4": 1.0}
    path = write(fits.HDUList([fits.PrimaryHDU(FLUX.reshape(shape), header(**cards))]))
    cube = read_cube(path, generic())
    np.testing.assert_array_equal(cube["flux"], FLUX)
    assert cube_shape(path) == SHAPE


def test_a_polarisation_axis_before_the_wavelengths_is_dropped(write):
    cards = header(CTYPE3="STOKES", CRVAL3=1.0, CDELT3=1.0, CUNIT3="")
    cards.update(CTYPE4="FREQ", CUNIT4="Hz", CRPIX4=1.0, CRVAL4=NU[0])
    cards["CDELT4"] = (NU[-1] - NU[0]) / (N - 1)
    path = write(fits.HDUList([fits.PrimaryHDU(FLUX[:, None], cards)]))
    cube = read_cube(path, generic())
    np.testing.assert_array_equal(cube["flux"], FLUX)
    assert cube["wavelength"].values[[0, -1]] == pytest.approx([0.65, 0.6618])


@given(
    start=st.integers(0, N - 1), length=st.integers(0, N), step=st.sampled_from([-3, -1, 1, 2, 7])
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_piece_of_turned_planes_is_a_piece_of_all(read, start, length, step):
    image = planes_reversed(Voxels(SHAPE, FLUX.dtype, FLUX.__getitem__))
    key = (slice(start, start + length, step), slice(1, 3), 2)
    np.testing.assert_array_equal(image[key], FLUX[::-1][key])
    np.testing.assert_array_equal(image[start, :, :], FLUX[::-1][start])


MISREAD = {
    "log10 that nothing states": ({"CRVAL3": 3.813, "CDELT3": 1e-4}, r"log10\(Angstrom\)"),
    "metres": ({"CUNIT3": "m"}, "Angstrom"),
    "micron called Angstrom": ({"CRVAL3": 0.65, "CDELT3": 2e-4}, "um"),
    "a step a million times too large": ({"CDELT3": 2e6}, "CDELT"),
}


@pytest.mark.parametrize("name", MISREAD)
def test_wavelengths_that_cannot_be_are_refused_with_the_suspected_unit(read, name):
    cards, suspect = MISREAD[name]
    with pytest.raises(DataError, match=rf"cube\.fits: the wavelengths cannot .*{suspect}"):
        read(cards)


def test_wavelengths_are_held_against_the_range_of_the_instrument(read):
    # 0.65 micron in nanometre, called Angstrom: possible, but not for MUSE.
    cards = {"CRVAL3": 65000.0, "CDELT3": 20.0}
    assert read(cards)["wavelength"].values[0] == pytest.approx(6.5)
    with pytest.raises(DataError, match=r"those of MUSE; expected 0.23 to 1.88 micron"):
        read(cards, instrument="MUSE")


def test_velocities_without_their_line_are_refused(read):
    with pytest.raises(DataError, match=r"RESTFRQ .* or RESTWAV .*; found neither"):
        read(axis("VRAD", "km/s", np.linspace(0, 1000, N)))


def test_increments_in_arcsec_that_read_as_degrees_are_refused(read):
    with pytest.raises(DataError, match=r"larger than those of any.*up to 120 arcsec.*1800 arcsec"):
        read({"CDELT1": -0.5, "CDELT2": 0.5})
    assert read({"CDELT1": -0.5, "CDELT2": 0.5, "CUNIT1": "arcsec", "CUNIT2": "arcsec"})


def test_a_cube_without_data_says_which_rule_refused_them(read):
    mask = fits.ImageHDU(np.ones(SHAPE, np.uint8), name="MASK")
    with pytest.raises(DataError, match=r"no usable value.*2520 where MASK is not 0"):
        read({}, mask, mask="MASK")


IN_AIR = {
    "AIRORVAC": {"AIRORVAC": "air"},
    "VACUUM": {"VACUUM": False},
    "CNAME3": {"CTYPE3": "LINEAR", "CNAME3": "Air wavelength"},
    "CTYPE3": {"CTYPE3": "Wavelength (air)"},
}


@pytest.mark.parametrize("name", IN_AIR)
def test_cards_that_say_air_are_believed(read, name):
    found = read(IN_AIR[name])["wavelength"].values
    np.testing.assert_allclose(found, read({"CTYPE3": "AWAV"})["wavelength"], rtol=1e-12)
    assert found[0] == pytest.approx(0.6501796, abs=1e-7)


def test_a_card_that_says_vacuum_stands_above_the_settings(read):
    cards = {"CTYPE3": "LINEAR", "AIRORVAC": "vacuum"}
    found = read(cards, wavelength_medium="air")["wavelength"]
    np.testing.assert_allclose(found, VACUUM_UM, rtol=1e-12)


@pytest.mark.parametrize(
    ("instrument", "first_um"), [("MUSE", 0.6501796), ("SAMI", 0.6501796), ("MaNGA", 0.65)]
)
def test_where_neither_header_nor_settings_say_the_instrument_decides(read, instrument, first_um):
    cards = {"CTYPE3": "LINEAR"}
    assert read(cards, instrument=instrument)["wavelength"][0] == pytest.approx(first_um, abs=1e-7)
    told = read(cards, instrument=instrument, wavelength_medium="vacuum")
    np.testing.assert_allclose(told["wavelength"], VACUUM_UM, rtol=1e-12)


def test_wavelengths_as_the_moving_earth_sees_them_are_said(read):
    with pytest.warns(SurveyWarning, match=r"SPECSYS = TOPOCENT.*up to 30 km/s"):
        read({"SPECSYS": "TOPOCENT"})
    with warnings.catch_warnings():
        warnings.simplefilter("error", SurveyWarning)
        read({"SPECSYS": "BARYCENT"})


def test_frequencies_without_a_unit_are_in_hertz(read):
    cube = read(axis("FREQ", "", NU), without=("CUNIT3",))
    np.testing.assert_allclose(cube["wavelength"][[0, -1]], [0.65, 0.6618], rtol=1e-9)


def test_a_matrix_without_the_spectral_axis_leaves_its_increment(read):
    sky = {"CD1_1": -0.5 / 3600, "CD2_2": 0.5 / 3600, "CD3_3": 0.0}
    np.testing.assert_allclose(read(sky)["wavelength"], VACUUM_UM, rtol=1e-12)


@pytest.mark.parametrize("step", ["2.0", "2.0D0", " 2 "])
def test_numbers_of_the_axis_may_be_text(read, step):
    np.testing.assert_allclose(read({"CDELT3": step})["wavelength"], VACUUM_UM, rtol=1e-12)


GUESSED = {
    "log10(Angstrom)": [
        axis("WAVE", "Angstrom", np.log10(ANGSTROM)),
        axis("WAVE-LOG", "Angstrom", np.log10(ANGSTROM)),
        axis("LINEAR", "LogL", np.log10(ANGSTROM)),
    ],
    "ln(Angstrom)": [
        axis("WAVE", "Angstrom", np.log(ANGSTROM)),
        axis("WAVE-LOG", "Angstrom", np.log(ANGSTROM)),
    ],
}


@pytest.mark.parametrize(
    ("unit", "cards"), [(unit, cards) for unit, all_cards in GUESSED.items() for cards in all_cards]
)
def test_logarithms_of_the_unit_that_is_written_are_guessed_first(write, unit, cards):
    path = write(fits.HDUList([fits.PrimaryHDU(FLUX, header(**cards))]))
    guess = guess_generic(path, ReadSettings())
    assert guess.values["wavelength_unit"] == unit
    cube = read_cube(path, ReadSettings(reader="generic", generic=guess.settings))
    np.testing.assert_allclose(cube["wavelength"], np.geomspace(0.65, 0.6618, N), rtol=1e-9)


def test_a_natural_logarithm_that_is_called_log(read):
    found = read(axis("WAVE", "log(Angstrom)", np.log(ANGSTROM)))["wavelength"]
    np.testing.assert_allclose(found, np.geomspace(0.65, 0.6618, N), rtol=1e-9)


def test_a_table_with_a_column_of_wavelengths_is_guessed(write):
    rows = fits.BinTableHDU.from_columns(
        [
            fits.Column("wavelength", "D", unit="um", array=VACUUM_UM),
            fits.Column("layer", "J", array=np.arange(N)),
        ],
        name="ImageIndex",
    )
    cards = axis("Wavelength", "um", np.arange(float(N)))  # as of Herschel/PACS
    path = write(fits.HDUList([fits.PrimaryHDU(FLUX, header(**cards)), rows]))
    guess = guess_generic(path, ReadSettings())
    with pytest.warns(SurveyWarning, match="disagree"):
        cube = read_cube(path, ReadSettings(reader="generic", generic=guess.settings))
    np.testing.assert_allclose(cube["wavelength"], VACUUM_UM, rtol=1e-12)


def test_a_name_that_begins_with_wave_does_not_say_vacuum(write):
    path = write(fits.HDUList([fits.PrimaryHDU(FLUX, header(CTYPE3="WAVELENGTH"))]))
    assert "wavelength_medium" in guess_generic(path, ReadSettings()).toml()
