"""Cubes with the layout of public archives are read right, or refused with one clear error.

Layouts as their documentation describes them; the values are made up. All have the same
wavelengths, fluxes and errors, and the same missing voxel.
"""

import tomllib

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits

from survey.config import GenericReaderSettings, ReadSettings, build_settings
from survey.cubes.registry import guess_generic, read_cube
from survey.cubes.wavelength import air_to_vacuum_um
from survey.cubes.wcs import sky_position
from survey.errors import DataError, SurveyWarning

GENERIC = ReadSettings(reader="generic", generic=GenericReaderSettings(flux=0))
N, N_Y, N_X = 40, 6, 7
SHAPE = (N, N_Y, N_X)
FLUX = np.random.default_rng(0).normal(10.0, 1.0, SHAPE).astype(np.float32)
ERROR = np.random.default_rng(1).uniform(0.5, 1.5, SHAPE).astype(np.float32)
MISSING = (5, 2, 3)
ANGSTROM = 6500.0 + 2.0 * np.arange(N)
MASK = np.zeros(SHAPE, np.uint8)
MASK[MISSING] = 1
NANS = FLUX.copy()
NANS[MISSING] = np.nan
FREQUENCY = 2.30e11 + 1e7 * np.arange(N)


def sky(order=(1, 2), step=0.5 / 3600, *, cd=False):
    header = fits.Header()
    for axis, kind, value, pixel, sign in zip(
        order, ("RA---TAN", "DEC--TAN"), (150.0, 2.0), (4.0, 3.5), (-1, 1), strict=True
    ):
        header[f"CTYPE{axis}"], header[f"CUNIT{axis}"] = kind, "deg"
        header[f"CRVAL{axis}"], header[f"CRPIX{axis}"] = value, pixel
        header[f"CD{axis}_{axis}" if cd else f"CDELT{axis}"] = sign * step
    return header


def made(header, **cards):
    header = header.copy()
    header.update({name.replace("__", "-"): value for name, value in cards.items()})
    return header


def primary(**cards):
    hdu = fits.PrimaryHDU()
    hdu.header.update({name.replace("__", "-"): value for name, value in cards.items()})
    return hdu


def linear(kind, unit="Angstrom", start=6500.0, step=2.0, axis=3, *, cd=False):
    cards = {f"CTYPE{axis}": kind, f"CUNIT{axis}": unit, f"CRPIX{axis}": 1.0}
    return cards | {f"CRVAL{axis}": start, f"CD{axis}_{axis}" if cd else f"CDELT{axis}": step}


def image(name, data, header=None, **cards):
    hdu = fits.ImageHDU(data, header, name=name)
    hdu.header.update(cards)
    return hdu


def kcwi():
    """Keck KCWI DRP, icubes: flux, standard deviation, mask, flags; rectangular spaxels; air."""
    header = made(sky(cd=True), **linear("AWAV", cd=True), INSTRUME="KCWI", BUNIT="FLAM16")
    header.update(CD1_1=-1.35 / 3600, CD2_2=0.29 / 3600, OBJECT="ngc1", CNAME3="KCWI Wavelength")
    return [
        fits.PrimaryHDU(FLUX, header),
        image("UNCERT", ERROR), image("MASK", MASK), image("FLAGS", MASK),
    ]  # fmt: skip


def kmos():
    """ESO KMOS: a data and a noise extension for every arm."""
    header = made(sky(cd=True), **linear("WAVE", "um", 0.65, 0.0002, cd=True))
    header["BUNIT"] = "erg.s**(-1).cm**(-2).angstrom**(-1)"
    return [
        primary(INSTRUME="KMOS", OBJECT="field"),
        image("IFU.3.DATA", NANS, header), image("IFU.3.NOISE", ERROR, header),
        image("IFU.7.DATA", NANS, header), image("IFU.7.NOISE", ERROR, header),
    ]  # fmt: skip


def eso_standard():
    """ESO science data products (SINFONI, KMOS, MUSE-like): classes of extensions in the header."""
    header = made(sky(cd=True), **linear("WAVE", "um", 0.65, 0.0002, cd=True))
    header.update(BUNIT="erg.s**(-1).cm**(-2).angstrom**(-1)", HDUCLASS="ESO", HDUCLAS1="IMAGE")
    header.update(HDUCLAS2="DATA", ERRDATA="E", QUALDATA="Q")
    of_error = {"HDUCLASS": "ESO", "HDUCLAS2": "ERROR", "HDUCLAS3": "MSE", "SCIDATA": "D"}
    return [
        primary(INSTRUME="SINFONI"), image("D", NANS, header), image("E", ERROR**2, **of_error)
    ]  # fmt: skip


def califa():
    """CALIFA DR3 rscube: errors, weights, bad pixels, coverage; air; the unit in a card of PIPE."""
    header = made(sky(), **linear("AWAV"), INSTRUME="PMAS", OBJECT="UGC1")
    header["HIERARCH PIPE UNITS"] = "1e-16 erg/s/cm2/A"
    return [
        fits.PrimaryHDU(FLUX, header),
        image("ERROR", np.where(MASK, 1e10, ERROR).astype(np.float32)),
        image("ERRWEIGHT", ERROR), image("BADPIX", MASK), image("FIBCOVER", MASK[0]),
    ]  # fmt: skip


def gemini():
    """Gemini IRAF, gfcube: variances, quality; the unit of the axis in the attributes of IRAF."""
    header = made(sky(cd=True), **linear("AWAV", "", cd=True), BUNIT="erg/cm2/s/A")
    header.update(CTYPE3="LINEAR", WAT3_001="wtype=linear label=Wavelength units=angstrom")
    return [
        primary(INSTRUME="GMOS-N"), image("SCI", FLUX, header),
        image("VAR", ERROR**2), image("DQ", MASK.astype(np.int16)),
    ]  # fmt: skip


def osiris():
    """Keck OSIRIS: the spectral axis first, noise and quality in the same order."""
    header = made(sky((3, 2)), **linear("WAVE", "nm", 650.0, 0.2, axis=1))
    header.update(INSTRUME="OSIRIS", BUNIT="1e-16 erg/s/cm2/A")
    turned = [values.transpose(2, 1, 0) for values in (FLUX, ERROR, MASK)]
    return [
        fits.PrimaryHDU(turned[0], header), image("NOISE", turned[1]), image("QUALITY", turned[2])
    ]  # fmt: skip


def fifi_ls():
    """SOFIA FIFI-LS: flux, error and uncorrected flux with wavelengths in an extension."""
    header = made(sky(), BUNIT="Jy/pixel", CTYPE3="WAVE", CUNIT3="um", CRPIX3=1.0)
    header.update(CRVAL3=0.65, CDELT3=0.0002)
    return [
        primary(INSTRUME="FIFI-LS", OBJECT="M82"),
        image("FLUX", NANS, header), image("ERROR", ERROR, header),
        image("UNCORRECTED_FLUX", NANS, header), image("UNCORRECTED_ERROR", ERROR, header),
        image("WAVELENGTH", ANGSTROM / 1e4), image("EXPOSURE_MAP", MASK),
    ]  # fmt: skip


def wifes():
    """ANU WiFeS: primary flux, variance and quality."""
    header = made(sky(), **linear("Wavelength"), INSTRUME="WiFeS", BUNIT="erg/s/cm^2/Angstrom")
    return [fits.PrimaryHDU(FLUX, header), image("VAR", ERROR**2), image("DQ", MASK)]


def sitelle():
    """CFHT SITELLE and other Fourier transform spectrographs: wavenumbers."""
    header = made(sky(), **linear("WAVN", "cm-1", 1e8 / 6578.0, 4.6), INSTRUME="SITELLE")
    header["BUNIT"] = "erg/cm^2/s/Angstrom"
    return [fits.PrimaryHDU(NANS, header)]


def alma():
    """ALMA and VLA: degenerate STOKES axis, frequency, Jy/beam, no errors."""
    header = made(sky(), **linear("FREQ", "Hz", FREQUENCY[0], 1e7), TELESCOP="ALMA")
    header.update(BUNIT="Jy/beam", BMAJ=2.0 / 3600, BMIN=1.0 / 3600, BPA=30.0, RESTFRQ=2.30538e11)
    header.update(CTYPE4="STOKES", CRVAL4=1.0, CDELT4=1.0, CRPIX4=1.0, SPECSYS="LSRK")
    return [fits.PrimaryHDU(NANS[None], header)]


GUESSED = {
    "KCWI": (kcwi, "air", ERROR, {"flux": 0, "error": "UNCERT", "error_is": "sigma",
                                  "mask": "MASK", "instrument": "KCWI"}),
    "KMOS": (kmos, "vacuum", ERROR, {"flux": "IFU.3.DATA", "error": "IFU.3.NOISE",
                                     "error_is": "sigma", "instrument": "KMOS"}),
    "ESO standard": (eso_standard, "vacuum", ERROR, {"flux": "D", "error": "E",
                                                     "error_is": "variance",
                                                     "instrument": "SINFONI"}),
    "CALIFA": (califa, "air", ERROR, {"flux": 0, "error": "ERROR", "error_is": "sigma",
                                      "mask": "BADPIX", "flux_unit": "1e-16 erg/s/cm2/A",
                                      "instrument": "PMAS"}),
    "Gemini": (gemini, "vacuum", ERROR, {"flux": "SCI", "error": "VAR", "error_is": "variance",
                                         "mask": "DQ", "instrument": "GMOS-N"}),
    "OSIRIS": (osiris, "vacuum", ERROR, {"flux": 0, "error": "NOISE", "error_is": "sigma",
                                         "mask": "QUALITY", "instrument": "OSIRIS"}),
    "FIFI-LS": (fifi_ls, "vacuum", ERROR, {"flux": "FLUX", "error": "ERROR", "error_is": "sigma",
                                           "instrument": "FIFI-LS"}),
    "WiFeS": (wifes, "vacuum", ERROR, {"flux": 0, "error": "VAR", "error_is": "variance",
                                       "mask": "DQ", "instrument": "WiFeS"}),
    "SITELLE": (sitelle, 1e4 / (1e8 / 6578.0 + 4.6 * np.arange(N))[::-1], None,
                {"flux": 0, "instrument": "SITELLE"}),
    "ALMA": (alma, 299792458.0 * 1e6 / FREQUENCY[::-1], None,
             {"flux": 0, "instrument": "ALMA"}),
}  # fmt: skip


@pytest.mark.parametrize("name", GUESSED)
def test_the_guess_of_inspect_reads_the_cube_right(write, name):
    make, medium, error, values = GUESSED[name]
    path = write(fits.HDUList(make()))
    with pytest.raises(DataError, match=r"no reader recognises .*survey inspect"):
        read_cube(path, ReadSettings())
    guess = guess_generic(path, ReadSettings())
    assert guess.values == values
    pasted = build_settings({"read": tomllib.loads(guess.toml())["read"]})
    cube = read_cube(path, pasted.read)
    if isinstance(medium, str):
        wavelength_um = air_to_vacuum_um(ANGSTROM / 1e4) if medium == "air" else ANGSTROM / 1e4
    else:
        wavelength_um = medium
    np.testing.assert_allclose(cube["wavelength"], wavelength_um, rtol=1e-9)
    # Wavenumbers and frequencies descend; the spaxels of OSIRIS are the other way round.
    step = 1 if isinstance(medium, str) else -1
    turned = (0, 2, 1) if name == "OSIRIS" else (0, 1, 2)
    expected = {
        key: values[::step].transpose(turned)
        for key, values in {"flux": FLUX, "error": ERROR, "bad": MASK != 0}.items()
    }
    np.testing.assert_array_equal(cube["bad"], expected["bad"])
    good = ~expected["bad"]
    np.testing.assert_array_equal(cube["flux"].values[good], expected["flux"][good])
    if error is None:
        assert not cube.attrs["has_errors"]
    else:
        np.testing.assert_allclose(cube["error"].values[good], expected["error"][good], rtol=1e-5)
    place = sky_position(cube.attrs["celestial_header"], *((1, 5) if name == "OSIRIS" else (5, 1)))
    step_deg = (1.35 / 3600, 0.29 / 3600) if name == "KCWI" else (0.5 / 3600, 0.5 / 3600)
    expected_place = (150.0 - 2 * step_deg[0], 2.0 - 1.5 * step_deg[1])
    np.testing.assert_allclose(np.ravel(place), expected_place, atol=2e-6)


def test_jansky_per_beam_are_per_steradian_of_the_beam(write):
    cube = read_cube(write(fits.HDUList(alma())), GENERIC)
    beam_arcsec2 = np.pi / (4 * np.log(2)) * 2.0 * 1.0
    found = u.Unit(cube.attrs["flux_unit"])
    assert found.to(u.Jy / u.arcsec**2) == pytest.approx(1 / beam_arcsec2, rel=1e-5)


def test_radio_velocities_of_hydrogen(write):
    cards = linear("VELO-LSR", "m/s", -2e5, 1e4)
    header = made(sky(), **cards, RESTFREQ=1.420405752e9, VELREF=257, BUNIT="JY/BEAM")
    header.update(BMAJ=0.01, BMIN=0.01)
    cube = read_cube(write(fits.HDUList([fits.PrimaryHDU(NANS, header)])), GENERIC)
    velocity = -2e5 + 1e4 * np.arange(N)
    hydrogen_um = 299792458.0 / 1.420405752e9 * 1e6
    np.testing.assert_allclose(
        cube["wavelength"], hydrogen_um / (1 - velocity / 299792458.0), rtol=1e-9
    )


@pytest.mark.parametrize("field", ["phangs-muse", "nirspec", "manga rss", "manga maps", "x1d"])
def test_files_of_surveys_with_a_reader(write, field):
    header = made(sky(cd=True), **linear("AWAV", cd=True), BUNIT="10**(-20)*erg/s/cm**2/Angstrom")
    if field == "phangs-muse":
        hdus = [primary(INSTRUME="MUSE", OBJECT="NGC0628")]
        hdus += [image("DATA", NANS, header), image("STAT", ERROR**2, header)]
        cube = read_cube(write(fits.HDUList(hdus)), ReadSettings())
        np.testing.assert_allclose(cube["wavelength"], air_to_vacuum_um(ANGSTROM / 1e4))
        np.testing.assert_allclose(cube["error"], ERROR, rtol=1e-6)
        return
    if field == "nirspec":
        science = made(sky(), **linear("WAVE", "um", 1.66, 0.0004), BUNIT="MJy/sr")
        cards = {"TELESCOP": "JWST", "INSTRUME": "NIRSPEC", "GRATING": "G235H"}
        gap = NANS.copy()
        gap[10:15] = np.nan  # between the detectors
        hdus = [primary(**cards, FILTER="F170LP"), image("SCI", gap, science)]
        hdus += [image("ERR", ERROR), image("DQ", MASK.astype(np.uint32)), image("WMAP", ERROR)]
        cube = read_cube(write(fits.HDUList(hdus)), ReadSettings())
        assert (cube.attrs["instrument"], cube.attrs["band"]) == ("NIRSpec/IFU", "g235h-f170lp")
        assert cube["bad"].values[10:15].all()
        assert int(cube["bad"].sum()) == 5 * N_Y * N_X + 1
        return
    found = {
        "manga rss": (
            [primary(PLATEIFU="1-1"), image("FLUX", FLUX[0])],
            "no image of the expected",
        ),
        "manga maps": ([primary(PLATEIFU="1-1"), image("SPX_MFLUX", FLUX[0])], "expected FLUX"),
        "x1d": (
            [primary(TELESCOP="JWST", INSTRUME="MIRI"), image("EXTRACT1D", FLUX[0, 0])],
            "expected SCI",
        ),
    }[field]
    with pytest.raises(DataError, match=rf"cube\.fits: .*{found[1]}"):
        read_cube(write(fits.HDUList(found[0])), ReadSettings())


@pytest.mark.parametrize(
    ("cards", "words"),
    [
        ({"BUNIT": "K"}, "Brightness temperatures"),
        ({"BUNIT": "ADU"}, "Counts have to be calibrated"),
        ({"BUNIT": "counts/s"}, "Counts have to be calibrated"),
        ({"BUNIT": "Jy/beam"}, "expected BMAJ and BMIN"),
        ({"BUNIT": fits.card.UNDEFINED}, "flux_unit in .read.generic."),
        ({"CDELT1": fits.card.UNDEFINED}, "no celestial coordinates; expected CTYPE, CRVAL"),
        ({"CRVAL2": fits.card.UNDEFINED}, "no celestial coordinates; expected CTYPE, CRVAL"),
        ({"CTYPE1": fits.card.UNDEFINED}, "Unmatched celestial axes"),
        ({"CUNIT3": fits.card.UNDEFINED}, "wavelength_unit in .read.generic."),
        ({"CDELT3": fits.card.UNDEFINED}, "CDELT3 .* is not a number"),
    ],
)
def test_what_a_header_does_not_say_is_one_clear_error(write, cards, words):
    header = made(sky(), **linear("WAVE"), BUNIT="Jy/pixel")
    header.update(cards)
    path = write(fits.HDUList([fits.PrimaryHDU(FLUX, header)]))
    with pytest.raises(DataError, match=rf"cube\.fits: .*{words}") as caught:
        read_cube(path, GENERIC)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["1e+16 erg/s/cm2/A", "10**17 erg/s/cm2/A/arcsec2", "1e20 Jy"])
def test_an_exponent_of_the_wrong_sign_is_warned_of(write, text):
    header = made(sky(), **linear("WAVE"), BUNIT=text)
    path = write(fits.HDUList([fits.PrimaryHDU(FLUX, header)]))
    with pytest.warns(SurveyWarning, match=r"cube\.fits: .* sign of its exponent"):
        read_cube(path, GENERIC)


@pytest.mark.parametrize("packed", ["named extensions", "primary image"])
def test_tile_compressed_cubes(write, packed):
    header = made(sky(), **linear("AWAV"), BUNIT="1e-16 erg/s/cm2/A")
    kept = {"compression_type": "GZIP_2", "quantize_level": 0}
    if packed == "named extensions":
        hdus = [primary(INSTRUME="MUSE")]
        hdus += [
            fits.CompImageHDU(values, header, name=name, **kept)
            for name, values in {"DATA": NANS, "STAT": ERROR**2}.items()
        ]
        path = write(fits.HDUList(hdus), "cube.fits.fz")
    else:
        header["INSTRUME"] = "AAOMEGA-SAMI"
        hdus = [fits.PrimaryHDU(), fits.CompImageHDU(NANS, header, **kept)]
        hdus += [fits.CompImageHDU(ERROR**2, name="VARIANCE", **kept)]
        path = write(fits.HDUList(hdus), "cube.fits.fz")
        # fpack marks the extension that was the primary image.
        with fits.open(path, mode="update", disable_image_compression=True) as file:
            file[1].header["ZSIMPLE"] = True
    cube = read_cube(path, ReadSettings())
    assert cube.attrs["reader"] == ("muse" if packed == "named extensions" else "sami")
    np.testing.assert_array_equal(cube["flux"], NANS)
    np.testing.assert_allclose(cube["error"], ERROR, rtol=1e-6)


def test_a_guess_asks_for_what_it_cannot_know(write):
    header = made(fits.Header(), CTYPE3="LAMBDA", CRPIX3=1.0, CRVAL3=6500.0, CDELT3=2.0)
    path = write(fits.HDUList([fits.PrimaryHDU(FLUX, header)]))
    guess = guess_generic(path, ReadSettings())
    assert guess.values == {"flux": 0, "wavelength_unit": "Angstrom"}
    asked = [question.split(" ")[0] for question in guess.questions]
    assert asked == ["wavelength_medium", "flux_unit", "spaxel_area_arcsec2"]
    assert "6500 to 6578 fit; nm or" in guess.toml()
    tomllib.loads(guess.toml())


def test_a_file_without_a_cube_has_no_guess(write):
    path = write(fits.HDUList([fits.PrimaryHDU(FLUX[0])]))
    with pytest.raises(DataError, match=r"cube\.fits: no cube in the file; expected .* three axes"):
        guess_generic(path, ReadSettings())
