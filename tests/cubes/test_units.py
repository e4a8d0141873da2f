import pytest
from astropy import units as u

from survey.cubes.units import flux_unit, parse_unit
from survey.errors import DataError

# As written by the pipelines: MUSE, SAMI, GMOS, MaNGA, MIRI, CALIFA-like.
WRITTEN = {
    "10**(-20)*erg/s/cm**2/Angstrom": 1e-20 * u.erg / u.s / u.cm**2 / u.AA,
    "10**(-16) erg /s /cm**2 /angstrom /pixel": 1e-16 * u.erg / u.s / u.cm**2 / u.AA,
    "erg/cm2/s/A/arcsec2": u.erg / u.s / u.cm**2 / u.AA / u.arcsec**2,
    "1E-17 erg/s/cm^2/Ang/spaxel": 1e-17 * u.erg / u.s / u.cm**2 / u.AA,
    "MJy/sr": u.MJy / u.sr,
    "10^-16 erg/s/cm2/Angstrom": 1e-16 * u.erg / u.s / u.cm**2 / u.AA,
    "ergs/s/cm^2/A": u.erg / u.s / u.cm**2 / u.AA,
    "ERG/S/CM2/A": u.erg / u.s / u.cm**2 / u.AA,
    "ERGS/S/CM**2/ANGSTROM": u.erg / u.s / u.cm**2 / u.AA,
    "1E-16 ERG/S/CM2/ANGSTROM": 1e-16 * u.erg / u.s / u.cm**2 / u.AA,
    "10**(-20) ergs/sec/cm**2/Angstrom": 1e-20 * u.erg / u.s / u.cm**2 / u.AA,
    "erg sec^-1 cm^-2 A^-1": u.erg / u.s / u.cm**2 / u.AA,
    "FLAM16": 1e-16 * u.erg / u.s / u.cm**2 / u.AA,
    "FLAM": u.erg / u.s / u.cm**2 / u.AA,
    "MJY/SR": u.MJy / u.sr,
    "JY": u.Jy,
    "mJy/arcsec2": u.mJy / u.arcsec**2,
    "mJy": u.mJy,
    "W/M2/UM": u.W / u.m**2 / u.um,
    "x10^-16 erg/s/cm2/A": 1e-16 * u.erg / u.s / u.cm**2 / u.AA,
    "erg.s**(-1).cm**(-2).angstrom**(-1)": u.erg / u.s / u.cm**2 / u.AA,
    "W/m2/micron/sr": u.W / u.m**2 / u.um / u.sr,
    "(10**(-20)*erg/s/cm**2/Angstrom)": 1e-20 * u.erg / u.s / u.cm**2 / u.AA,
    "[erg/s/cm2/A]": u.erg / u.s / u.cm**2 / u.AA,
    "(1e-17) erg/s/cm2/A": 1e-17 * u.erg / u.s / u.cm**2 / u.AA,
    "1x10^-16 erg/s/cm2/A": 1e-16 * u.erg / u.s / u.cm**2 / u.AA,
    "E-17 erg/s/cm2/A": 1e-17 * u.erg / u.s / u.cm**2 / u.AA,
    "10^{-17} erg s^{-1} cm^{-2} A^{-1}": 1e-17 * u.erg / u.s / u.cm**2 / u.AA,
    "MJy/ster": u.MJy / u.sr,
    "1E-17 erg/s/cm^2/Ang per spaxel": 1e-17 * u.erg / u.s / u.cm**2 / u.AA,
    "mJY": u.mJy,
    "MJY": u.MJy,
}


@pytest.mark.parametrize("text", WRITTEN)
def test_units_of_the_pipelines_are_understood(text):
    found = u.Unit(flux_unit(text, file="cube.fits"))
    assert (1 * found).to_value(u.Unit(WRITTEN[text])) == pytest.approx(1)


@pytest.mark.parametrize("text", ["DN/s", "erg/s/cm2", "electron", "K", "Angstrom", "mag"])
def test_other_quantities_are_no_flux(text):
    with pytest.raises(DataError, match=r"cube\.fits: the flux has a wrong unit.*MJy/sr"):
        flux_unit(text, file="cube.fits")


@pytest.mark.parametrize("text", ["", "  ", "flux", "counts per hour", "mjy"])
def test_no_unit_at_all_comes_with_advice(text):
    with pytest.raises(DataError, match=r"flux_unit in \[read.generic\]"):
        flux_unit(text, file="cube.fits")


@pytest.mark.parametrize("text", ["A", "Ang", "angstrom", "Angstroms", "ANGSTROM"])
def test_every_spelling_of_angstrom_is_a_length(text):
    assert parse_unit(text, file="cube.fits", what="axis") == u.AA


@pytest.mark.parametrize("text", ["(10**(-20)*erg/s/cm**2/Angstrom)**2", "[1e-20 erg/s/cm2/A]^2"])
def test_variances_have_the_unit_of_the_flux_squared(text):
    flux = 1e-20 * u.erg / u.s / u.cm**2 / u.AA
    assert (1 * parse_unit(text, file="", what="error")).to_value(flux**2) == pytest.approx(1)


@pytest.mark.parametrize("text", ["W m-2 Hz-1 sr-1", "erg/s/cm2/Hz"])
def test_units_without_a_factor_are_no_reason_for_a_warning(text, recwarn):
    assert flux_unit(text, file="cube.fits")
    assert not recwarn.list
