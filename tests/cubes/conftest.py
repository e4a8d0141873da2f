"""Small FITS cubes in the layouts of the observatories, and the observed ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits

from survey.config import ReadSettings
from survey.cubes.dataset import build_cube
from survey.cubes.registry import read_cube

N_WAVE, N_Y, N_X = 20, 6, 5
STEP_UM = 0.0025
START_UM = 11.55


def _sky_header(
    *, ra: float = 150.0, dec: float = -32.5, angle_deg: float = 25.0, spaxel_arcsec: float = 0.2
) -> fits.Header:
    """Celestial cards of a rotated s3d cube: positive CDELT1, the mirror image in PC."""
    cos, sin = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    header = fits.Header()
    header["WCSAXES"] = 3
    for axis, (kind, value, pixel) in enumerate(
        [("RA---TAN", ra, 3.0), ("DEC--TAN", dec, 3.5)], start=1
    ):
        header[f"CTYPE{axis}"] = kind
        header[f"CUNIT{axis}"] = "deg"
        header[f"CRVAL{axis}"] = value
        header[f"CRPIX{axis}"] = pixel
        header[f"CDELT{axis}"] = spaxel_arcsec / 3600
    header["PC1_1"], header["PC1_2"] = -cos, sin
    header["PC2_1"], header["PC2_2"] = sin, cos
    header["RADESYS"] = "ICRS"
    return header


@pytest.fixture(scope="session")
def sky_header() -> Callable[..., fits.Header]:
    """Make the celestial header of a rotated s3d cube."""
    return _sky_header


@pytest.fixture
def s3d() -> fits.HDUList:
    """A tiny MIRI/MRS s3d cube, one voxel of it flagged and NaN."""
    rng = np.random.default_rng(1)
    flux = rng.normal(100.0, 1.0, (N_WAVE, N_Y, N_X)).astype(np.float32)
    flags = np.zeros(flux.shape, np.uint32)
    flux[4, 1, 2] = np.nan
    flags[4, 1, 2] = 513
    header = _sky_header()
    header.update(CTYPE3="WAVE", CUNIT3="um", CRPIX3=1.0, CRVAL3=START_UM, CDELT3=STEP_UM)
    header.update(PC3_3=1.0, BUNIT="MJy/sr")
    primary = fits.PrimaryHDU()
    primary.header.update(
        TELESCOP="JWST", INSTRUME="MIRI", CHANNEL="3", BAND="SHORT", TARGNAME="NGC 0000"
    )
    return fits.HDUList(
        [
            primary,
            fits.ImageHDU(flux, header, name="SCI"),
            fits.ImageHDU(np.full(flux.shape, 1.0, np.float32), name="ERR"),
            fits.ImageHDU(flags, name="DQ"),
        ]
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write HDUs under a name in a temporary folder."""

    def write_hdus(hdus: fits.HDUList, name: str = "cube.fits", **options: bool) -> Path:
        path = tmp_path / name
        hdus.writeto(path, overwrite=True, **options)
        return path

    return write_hdus


@pytest.fixture
def make_cube() -> Callable[..., xr.Dataset]:
    """Build a cube of random spectra in the common form, with blank corners."""

    def make(n_wave: int = N_WAVE, n_y: int = N_Y, n_x: int = N_X, seed: int = 0) -> xr.Dataset:
        rng = np.random.default_rng(seed)
        flux = rng.normal(10.0, 1.0, (n_wave, n_y, n_x)).astype(np.float32)
        flux[:, 0, 0] = flux[:, -1, -1] = np.nan
        flux[n_wave // 2, 1, 1] = np.nan
        return build_cube(
            flux,
            rng.uniform(0.5, 1.5, flux.shape).astype(np.float32),
            (),
            START_UM + STEP_UM * np.arange(n_wave),
            header=_sky_header(),
            flux_unit="MJy/sr",
            instrument="MIRI/MRS",
            band="ch3-short",
            file="synthetic",
        )

    return make


@pytest.fixture(scope="session")
def ngc7469(shared_data: Path) -> dict[str, xr.Dataset]:
    """The three sub-bands of channel 4."""
    return {
        band: read_cube(
            shared_data / f"mrs/NGC7469_Level3_ch4-{band}_s3d.fits.gz",
            ReadSettings(),
            redshift=0.016317,
        )
        for band in ("short", "medium", "long")
    }
