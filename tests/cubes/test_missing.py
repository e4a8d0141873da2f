"""What every reader takes for missing data, by the table of rules."""

import json

import numpy as np
import pytest
from astropy.io import fits

from catalogs.reference.missing_data import EVERY_READER, MissingRule, missing_data
from survey.config import GenericReaderSettings, ReadSettings
from survey.cubes.missing import FlagImage, find_missing
from survey.cubes.registry import READERS, read_cube

SHAPE = (6, 4, 5)


def counts(cube):
    return {name: number for name, number in json.loads(cube.attrs["missing"]).items() if number}


def test_every_reader_has_rules_with_a_source():
    assert {reader.name for reader in READERS} | {EVERY_READER} <= set(missing_data())
    assert all(len(entry.source) > 20 for entry in missing_data().values())


def cube_file(sky_header, primary, extensions, cards=()):
    header = sky_header()
    header.update(CTYPE3="WAVE", CUNIT3="um", CRPIX3=1.0, CRVAL3=0.65, CDELT3=0.0002)
    header.update(BUNIT="1e-17 erg/s/cm2/A", **dict(cards))
    hdus = [fits.PrimaryHDU()]
    hdus[0].header.update(primary)
    for name, values in extensions.items():
        hdus.append(fits.ImageHDU(values, header if not hdus[1:] else None, name=name))
    return fits.HDUList(hdus)


def flux():
    return np.random.default_rng(0).normal(10.0, 1.0, SHAPE).astype(np.float32)


def flags(dtype=np.int32, **marked):
    """Zeros with `value=(plane, y, x)` marked, as v512=(1, 2, 3)."""
    image = np.zeros(SHAPE, dtype)
    for value, place in marked.items():
        image[place] = int(value[1:])
    return image


WAVE = 6500.0 + 2.0 * np.arange(SHAPE[0])
CASES = {
    "jwst": (
        {"TELESCOP": "JWST", "INSTRUME": "NIRSPEC"},
        {"SCI": flux(), "ERR": flux(), "DQ": flags(v1=(0, 0, 0), v512=(1, 1, 1), v513=(2, 2, 2),
                                                   v4=(3, 3, 3), v2097152=(4, 0, 1))},
        {"DQ bit 0, DO_NOT_USE": 2, "DQ bit 9, NON_SCIENCE": 2},
        3,
    ),
    "muse": (
        {"INSTRUME": "MUSE"},
        {"DATA": flux(), "STAT": flux(), "DQ": flags(v1=(0, 0, 0), v1073741824=(1, 1, 1))},
        {"DQ is not 0": 2},
        2,
    ),
    "manga": (
        {"PLATEIFU": "8485-1901"},
        {"FLUX": flux(), "IVAR": 1 - flags(np.float32, v1=(5, 0, 1)), "WAVE": WAVE,
         "MASK": flags(v2=(0, 0, 0), v1024=(1, 1, 1), v1027=(2, 2, 2))},
        {"MASK bit 10, DONOTUSE": 2, "IVAR is not positive": 1},
        3,
    ),
    "manga-dap": (
        {"PLATEIFU": "8485-1901", "DAPFRMT": "LOGCUBE"},
        {"FLUX": flux(), "IVAR": 1 + flags(np.float32), "WAVE": WAVE,
         "MASK": flags(v1=(0, 0, 0), v4=(1, 1, 1), v64=(2, 2, 2), v1024=(3, 3, 3))},
        {"MASK bit 0, IGNORED": 1, "MASK bit 2, FLUXINVALID": 1},
        2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_flags_and_weights_mean_what_the_table_says(sky_header, write, name):
    primary, extensions, expected, n_bad = CASES[name]
    cube = read_cube(write(cube_file(sky_header, primary, extensions)), ReadSettings())
    assert counts(cube) == expected
    assert int(cube["bad"].sum()) == int(cube["n_bad"].sum()) == n_bad


@pytest.mark.parametrize("name", ["sami", "irs"])
def test_cubes_without_flags_have_nan(sky_header, write, name):
    marks = {"sami": {"INSTRUME": "AAOMEGA-SAMI"}, "irs": {"TELESCOP": "Spitzer"}}[name]
    values = flux()
    values[1, 2, 3] = np.nan
    header = cube_file(sky_header, {}, {"A": values})["A"].header
    header.update(marks, SOFTWARE="CUBISM")
    if name == "irs":
        header.update(CRVAL3=6.5)
    cube = read_cube(write(fits.HDUList([fits.PrimaryHDU(values, header)])), ReadSettings())
    assert cube.attrs["reader"] == name
    assert counts(cube) == {"flux is not a finite number": 1}


def test_weights_of_zero_bits_and_values_of_the_generic_reader(sky_header, write):
    values = flux()
    values[0, 0, 0] = -999.0
    weight = np.ones(SHAPE, np.float32)
    weight[1, 1, 1], weight[2, 1, 1] = 0.0, np.nan
    extensions = {"SCI": values, "W": weight, "M": flags(v8=(3, 1, 1), v2=(4, 1, 1))}
    path = write(cube_file(sky_header, {}, extensions))

    def read(**changes):
        settings = GenericReaderSettings(
            error="W", error_is="inverse-variance", mask="M", missing_values=(-999.0,), **changes
        )
        return read_cube(path, ReadSettings(reader="generic", generic=settings))

    others = {"W is not positive": 2, "flux is -999": 1}
    assert counts(read()) == others | {"M is not 0": 2}
    assert counts(read(mask_bits=(3, 5))) == others | {"M bit 3": 1}


def test_integers_with_a_blank_value_have_no_data_there(sky_header, write):
    header = cube_file(sky_header, {}, {"A": flux()})["A"].header
    stored = np.full(SHAPE, 1000, np.int16)
    stored[2, 3, 1] = -32768
    hdu = fits.PrimaryHDU(stored, header)
    hdu.header.update(BLANK=-32768, BSCALE=0.01, BZERO=5.0)
    path = write(fits.HDUList([hdu]))
    cube = read_cube(path, ReadSettings(generic=GenericReaderSettings(flux=0)))
    assert np.argwhere(cube["bad"].values).tolist() == [[2, 3, 1]]
    np.testing.assert_allclose(cube["flux"].values[~cube["bad"].values], 15.0)


def test_the_planes_of_flags_turn_round_with_those_of_the_flux(sky_header, write):
    hdus = cube_file(sky_header, {"INSTRUME": "MUSE"}, {"DATA": flux(), "DQ": flags(v1=(0, 0, 0))})
    hdus["DATA"].header.update(CRVAL3=0.651, CDELT3=-0.0002)
    bad = read_cube(write(hdus), ReadSettings())["bad"].values
    assert np.argwhere(bad).tolist() == [[SHAPE[0] - 1, 0, 0]]


def test_a_rule_needs_an_image_if_it_looks_at_one():
    with pytest.raises(ValueError, match="extension"):
        MissingRule("a", "bit")
    with pytest.raises(ValueError, match="no such test"):
        MissingRule("a", "sometimes")


def test_the_count_of_pieces_is_that_of_the_whole(monkeypatch):
    values = flux()
    values[0], values[:, 1, 2], values[3, 0, 0] = 0.0, 0.0, np.inf
    flag = FlagImage.of_mask(flags(v1=(2, 2, 2)))
    whole = find_missing(values, None, [flag])
    monkeypatch.setattr("survey.cubes.missing.SLAB_VOXELS", 25)
    pieces = find_missing(values, None, [flag])
    assert whole.counts == pieces.counts
    assert whole.counts["flux is 0 in a whole spaxel or plane"] == 20 + 5
    np.testing.assert_array_equal(whole.bad, pieces.bad)
    np.testing.assert_array_equal(whole.n_bad, np.asarray(whole.bad).sum(axis=0))
