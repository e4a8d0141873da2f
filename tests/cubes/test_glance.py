"""The size of a cube from its header."""

import pytest

from survey.config import ReadSettings
from survey.cubes.axes.cube_shape import cube_shape
from survey.cubes.registry import read_cube


@pytest.mark.real_data
@pytest.mark.parametrize(
    "name",
    [
        "mrs/16CygB_Level3_ch4-short_s3d.fits.gz",
        "muse/A478_minicube.fits.gz",
        "sami/209807_A_sectors_blue.fits.gz",
        "irs/NGC7023_IRS_SL.fits",
    ],
)
def test_a_glance_tells_the_shape_that_the_reader_finds(shared_data, name):
    path = shared_data / name
    assert cube_shape(path) == read_cube(path, ReadSettings())["flux"].shape


@pytest.mark.real_data
def test_what_is_no_cube_has_no_shape(tmp_path, shared_data):
    page = tmp_path / "page.fits"
    page.write_text("not found")
    cut = tmp_path / "cut.fits.gz"
    cut.write_bytes((shared_data / "mrs/16CygB_Level3_ch4-short_s3d.fits.gz").read_bytes()[:2000])
    spectrum = next((shared_data / "mir_spectra").glob("*_s1d.fits"))
    for path in (page, cut, spectrum, tmp_path / "absent.fits"):
        assert cube_shape(path) is None
