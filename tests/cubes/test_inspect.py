import numpy as np
import pytest

from survey.config import ReadSettings
from survey.cubes.inspect import inspect_cube


@pytest.mark.real_data
def test_the_summary_of_an_mrs_cube(shared_data):
    path = shared_data / "mrs/NGC7469_Level3_ch4-short_s3d.fits.gz"
    found = inspect_cube(path, ReadSettings(), redshift=0.016317)
    assert (found.reader, found.instrument, found.sub_band) == ("jwst", "MIRI/MRS", "ch4-short")
    assert found.shape == (542, 27, 25)
    assert found.range_um == pytest.approx((17.703, 20.949), abs=1e-5)
    assert found.step_um == pytest.approx((0.006, 0.006), rel=1e-4)
    assert found.step_km_s == pytest.approx((101.6, 85.9), abs=0.1)
    assert found.bad_fraction == pytest.approx(0.128, abs=0.001)
    assert found.spaxel_arcsec == pytest.approx(0.35, abs=1e-4)
    assert found.n_spaxel == 604
    assert "SIII_18.71" in found.lines
    assert "OIV_25.89" not in found.lines


@pytest.mark.real_data
def test_lines_move_into_the_range_with_the_redshift(shared_data):
    path = shared_data / "muse/A478_minicube.fits.gz"
    found = inspect_cube(path, ReadSettings(), redshift=0.086)
    assert {"Hbeta_4861", "Halpha_6563"} <= set(found.lines)
    assert "Halpha_6563" not in inspect_cube(path, ReadSettings(), redshift=0.5).lines


def test_without_a_redshift_nothing_is_said_about_lines(s3d, write):
    found = inspect_cube(write(s3d), ReadSettings())
    assert found.lines is None
    assert found.pah_bands is None
    assert np.isnan(found.redshift)


def test_bands_are_listed_when_their_whole_window_is_inside(s3d, write):
    s3d["SCI"].header.update(CRVAL3=12.0, CDELT3=0.1)
    path = write(s3d)
    assert "PAH_12.7" in inspect_cube(path, ReadSettings(), redshift=0.0).pah_bands
    # The window ends at 13.05 micron, the cube then at 12.99.
    assert "PAH_12.7" not in inspect_cube(path, ReadSettings(), redshift=0.07).pah_bands


@pytest.mark.real_data
def test_what_is_missing_is_counted_by_rule(shared_data):
    path = shared_data / "mrs/NGC7469_Level3_ch4-short_s3d.fits.gz"
    found = inspect_cube(path, ReadSettings(), redshift=0.016317)
    n_bad = round(found.bad_fraction * np.prod(found.shape))
    # Facts of the file: its DQ is 0 or 513, and its flux is NaN where it is 513.
    for name in ("DQ bit 0, DO_NOT_USE", "DQ bit 9, NON_SCIENCE", "flux is not a finite number"):
        assert found.missing[name] == n_bad
    assert found.missing["flux is 0 in a whole spaxel or plane"] == 0
