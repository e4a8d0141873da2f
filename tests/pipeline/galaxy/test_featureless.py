"""Cubes in which all spectra are the same make one cluster, through the whole path."""

import numpy as np
import pytest
from astropy.io import fits

from catalogs.flags import GalaxyFlag
from catalogs.part_tables import read_part_table
from survey.config import build_settings
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.galaxy.target import Target

SHAPE = (300, 9, 9)
WAVELENGTH_UM = 12.3 + 0.0025 * np.arange(SHAPE[0])


def write(path, flux, error):
    primary = fits.PrimaryHDU()
    primary.header.update(TELESCOP="JWST", INSTRUME="MIRI", CHANNEL="3", BAND="SHORT")
    header = fits.Header()
    header.update(
        CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CTYPE3="WAVE", CUNIT1="deg", CUNIT2="deg",
        CUNIT3="um", CRPIX1=5.0, CRPIX2=5.0, CRPIX3=1.0, CRVAL1=150.0, CRVAL2=2.0,
        CRVAL3=WAVELENGTH_UM[0], CDELT1=-0.2 / 3600, CDELT2=0.2 / 3600, CDELT3=0.0025,
        BUNIT="MJy/sr",
    )  # fmt: skip
    images = [fits.ImageHDU(flux.astype("f4"), header, name="SCI")]
    images.append(fits.ImageHDU(error.astype("f4"), name="ERR"))
    fits.HDUList([primary, *images]).writeto(path)
    return path


def spectrum(rng):
    line = 50 * np.exp(-0.5 * ((WAVELENGTH_UM - 12.95) / 0.003) ** 2)
    return 100.0 + line + rng.normal(0.0, 1.0, SHAPE[0])


FLAT = np.ones(SHAPE)
RNG = np.random.default_rng(0)
SAME = np.broadcast_to(spectrum(RNG)[:, None, None], SHAPE)
CUBES = {
    "constant flux": (7 * FLAT, FLAT),
    "constant flux without errors": (7 * FLAT, 0 * FLAT),
    "a slope": (np.broadcast_to(WAVELENGTH_UM[:, None, None], SHAPE), FLAT),
    "identical spectra": (SAME, FLAT),
    "identical spectra of other brightness": (SAME * RNG.uniform(1, 5, SHAPE[1:]), FLAT),
    "identical spectra, rounded": (np.round(SAME), FLAT),
}


@pytest.mark.parametrize("name", CUBES)
def test_identical_spectra_are_one_cluster(tmp_path, name):
    path = write(tmp_path / "cube.fits", *CUBES[name])
    receipt = GalaxyRunner(Target("g", (path,), 0.01), build_settings({}), tmp_path).result()
    spaxels = read_part_table(receipt, "spaxels").to_pandas()
    assert len(spaxels) == SHAPE[1] * SHAPE[2]
    assert spaxels["cluster"].nunique() == 1
    clusters = read_part_table(receipt, "clusters").to_pandas()
    assert np.isfinite(clusters["flux_NeII_12.81"]).all()


def test_variances_given_as_errors_are_flagged_and_noted(tmp_path):
    sigma = np.geomspace(0.5, 4.0, 81).reshape(9, 9)
    flux = 100.0 + RNG.normal(0.0, 1.0, SHAPE) * sigma
    for name, error in (("errors", sigma), ("variances", sigma**2)):
        path = write(tmp_path / f"{name}.fits", flux, error * FLAT)
        runner = GalaxyRunner(Target(name, (path,), 0.01), build_settings({}), tmp_path)
        flags = read_part_table(runner.result(), "galaxies").to_pandas()["flags"].iloc[0]
        doubted = name == "variances"
        assert bool(flags & GalaxyFlag.ERRORS_DOUBTFUL) == doubted
        assert any("may be variances" in note for note in runner.notes) == doubted
