"""Whatever the cards of the axes hold, a cube is read or refused with one error of ours."""

import contextlib
import warnings

import numpy as np
import pytest
from astropy.io import fits

from survey.config import GenericReaderSettings, ReadSettings
from survey.cubes.registry import read_cube
from survey.errors import DataError
from tests.cubes.mutations import layouts, mutated

VALUES = (None, "", 0, -1, 5, 1e308, 1e-300, "abc", "WAVE-TAB", "VELO-F2V", "FELO-HEL", "AWAV-GRI")
VALUES += ("LOGLAM", "FREQ", "ZOPT", "WAVE-LOG", "ln(Angstrom)", "log", "Hz")
SPECTRAL = ("CTYPE3", "CUNIT3", "CRPIX3", "CRVAL3", "CDELT3", "PC3_3", "CD3_3", "CNAME3")
SPECTRAL += ("PS3_0", "PS3_1", "RESTFRQ", "RESTWAV", "VELREF", "DC-FLAG")
CELESTIAL = ("CTYPE1", "CTYPE2", "CUNIT1", "CRVAL1", "CDELT1", "CD1_1", "PC1_2", "PC001001")
CELESTIAL += ("CROTA2", "EPOCH", "EQUINOX", "PV2_1", "WCSAXES")
GENERIC = ReadSettings(reader="generic", generic=GenericReaderSettings(flux=0))


@pytest.mark.parametrize("keyword", [*SPECTRAL, *CELESTIAL, "BUNIT"])
def test_any_value_of_any_card_is_read_or_a_data_error(sky_header, write, keyword):
    flux = np.ones((20, 6, 5), np.float32)
    for value in VALUES:
        header = sky_header()
        header.update(CTYPE3="WAVE", CUNIT3="Angstrom", CRPIX3=1.0, CRVAL3=6500.0, CDELT3=2.0)
        header.update(BUNIT="MJy/sr")
        header[keyword] = value
        path = write(fits.HDUList([fits.PrimaryHDU(flux, header)]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.suppress(DataError):
                wavelength_um = read_cube(path, GENERIC)["wavelength"].values
                assert (wavelength_um > 0.09).all()
                assert (wavelength_um < 1000).all()


@pytest.mark.parametrize("layout", layouts())
def test_any_damage_to_headers_is_read_or_an_error_that_says_file_expected_and_found(
    layout, tmp_path
):
    """A few of the mutations of `tests/benchmarks/fuzz_headers.py`."""
    settings = ReadSettings(generic=GenericReaderSettings(flux=0))
    content, path, errors = layouts()[layout], tmp_path / "cube.fits", []
    for number in range(30):
        path.write_bytes(mutated(content, np.random.default_rng([7, number])))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read_cube(path, settings)
            except DataError as error:
                errors.append(error)
    assert len(errors) > 10
    for error in errors:
        assert error.file == str(path)
        assert error.expected, error
        assert error.found, error
