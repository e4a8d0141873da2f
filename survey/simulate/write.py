"""Writes simulated cubes as FITS files like those of JWST and MUSE, and their truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from catalogs.durable import replacing
from survey.simulate.galaxy import GalaxyModel, Region
from survey.simulate.instruments import MUSE
from survey.simulate.observation import Observation
from survey.simulate.truth import MIXED_BELOW, Truth
from survey.spectra.constants import LIGHT_UM_S

MISSING = 1 << 30
"""Of MUSE: no data."""

_MJY_TO_1E20_PER_ANGSTROM = 1e6 * 1e-23 * LIGHT_UM_S * 1e-4 * 1e20
"""MJy at one micron in 1e-20 erg/s/cm2/Angstrom; falls with the square of the wavelength."""

DO_NOT_USE = 1
NON_SCIENCE = 512


def write_simulated_cube(
    path: Path,
    flux: NDArray[np.float32],
    error: NDArray[np.float32],
    depth: NDArray[np.floating],
    *,
    model: GalaxyModel,
    observation: Observation,
    seed: int,
) -> None:
    """Write a file as of the instrument; voxels whose flux is NaN are flagged as in observed cubes.

    Parameters
    ----------
    flux, error : (wavelength, y, x) arrays
        In MJy/sr.
    depth : (y, x) array
        Exposures per spaxel, written as the weight map.
    """
    if observation.mode.instrument == MUSE:
        _write(path, *_muse_cube(flux, error, model, observation, seed))
        return
    bad = np.isnan(flux)
    quality = np.where(bad, DO_NOT_USE | NON_SCIENCE, 0).astype(np.uint32)
    weight = np.where(bad, 0, depth).astype(np.float32)
    error = np.where(bad, np.float32(np.nan), error)
    science = fits.ImageHDU(flux, _science_header(model, observation), name="SCI")
    _write(
        path,
        fits.PrimaryHDU(header=_primary_header(path, model, observation, seed)),
        science,
        fits.ImageHDU(error, fits.Header({"BUNIT": "MJy/sr", "ERRTYPE": "ERR"}), name="ERR"),
        fits.ImageHDU(quality, name="DQ"),
        fits.ImageHDU(weight, name="WMAP"),
    )


def _muse_cube(
    flux: NDArray[np.float32],
    error: NDArray[np.float32],
    model: GalaxyModel,
    observation: Observation,
    seed: int,
) -> list[fits.hdu.base.ExtensionHDU]:
    """Flux, variance and flags; wavelengths in vacuum, as CTYPE3 says."""
    primary = fits.PrimaryHDU()
    primary.header.update(
        ORIGIN="SIMULATED", INSTRUME="MUSE", TELESCOP="ESO-VLT-U4", OBJECT=model.name,
        RA=model.ra_deg, DEC=model.dec_deg, SIMSEED=str(seed),
    )  # fmt: skip
    header = observation.header(model.ra_deg, model.dec_deg)
    header["CRVAL3"] *= 1e4
    header["CDELT3"] *= 1e4
    header["CUNIT3"] = "Angstrom"
    per_unit = observation.spaxel_sr * _MJY_TO_1E20_PER_ANGSTROM / observation.wavelength_um**2
    scale = per_unit.astype(np.float32)[:, None, None]
    bad = np.isnan(flux)
    unit = "10**(-20)*erg/s/cm**2/Angstrom"
    variance = np.where(bad, np.float32(np.nan), (error * scale) ** 2)
    return [
        primary,
        fits.ImageHDU(flux * scale, fits.Header({"BUNIT": unit}) + header, name="DATA"),
        fits.ImageHDU(variance, fits.Header({"BUNIT": f"({unit})**2"}) + header, name="STAT"),
        fits.ImageHDU(np.where(bad, MISSING, 0).astype(np.int32), header, name="DQ"),
    ]


def write_truth(
    path: Path,
    truth: Truth,
    *,
    model: GalaxyModel,
    observation: Observation,
    seed: int,
    noiseless: NDArray[np.float32] | None = None,
) -> None:
    """Write the truth of a cube: maps on the same spaxels, tables of components and lines."""
    spectral = observation.header(model.ra_deg, model.dec_deg)
    celestial = WCS(spectral).celestial.to_header()

    def image(name: str, data: NDArray[np.generic], unit: str = "", **cards: str) -> fits.ImageHDU:
        header = celestial.copy()
        header.update({"BUNIT": unit} if unit else {}, **cards)
        return fits.ImageHDU(data, header, name=name)

    lines = {f"LINE{number}": name for number, name in enumerate(truth.line_names, start=1)}
    hdus = [
        fits.PrimaryHDU(header=_truth_header(model, observation, seed)),
        image("TRUTH_MAP", truth.region),
        image("MIXED", truth.mixed.astype(np.uint8)),
        image("FRACTION", truth.fraction),
        image("VELOCITY", truth.velocity_km_s, "km/s"),
        image("SNR", truth.snr),
        image("LINE_FLUX", truth.line_flux, "W/m2", **lines),
        fits.BinTableHDU(truth.components, name="COMPONENTS"),
        fits.BinTableHDU(truth.lines, name="LINES"),
    ]
    if noiseless is not None:
        header = spectral.copy()
        header["BUNIT"] = "MJy/sr"
        hdus.append(fits.ImageHDU(noiseless, header, name="NOISELESS"))
    _write(path, *hdus)


def truth_path(cube_path: str | Path) -> Path:
    """Where the truth of a cube is written: `X_s3d.fits` has `X_truth.fits`."""
    path = Path(cube_path)
    return path.with_name(path.name.removesuffix(".fits").removesuffix("_s3d") + "_truth.fits")


def _primary_header(
    path: Path, model: GalaxyModel, observation: Observation, seed: int
) -> fits.Header:
    return fits.Header(
        [
            ("ORIGIN", "SIMULATED", "not an observation"),
            ("FILENAME", path.name),
            ("DATAMODL", "IFUCubeModel"),
            ("TELESCOP", "JWST"),
            ("TARGPROP", model.name),
            ("TARGNAME", model.name),
            ("TARG_RA", model.ra_deg, "[deg]"),
            ("TARG_DEC", model.dec_deg, "[deg]"),
            ("INSTRUME", "MIRI"),
            ("DETECTOR", "MIRIFULONG"),
            ("CHANNEL", observation.mode.name.removeprefix("ch")),
            ("BAND", observation.band),
            ("EXP_TYPE", "MIR_MRS"),
            ("SIMSEED", str(seed), "seed of noise and faults"),
        ]
    )


def _science_header(model: GalaxyModel, observation: Observation) -> fits.Header:
    header = fits.Header(
        [
            ("SRCTYPE", "EXTENDED"),
            ("BUNIT", "MJy/sr"),
            ("PIXAR_SR", observation.spaxel_sr, "[sr]"),
            ("PIXAR_A2", observation.spaxel_arcsec**2, "[arcsec2]"),
        ]
    )
    header.update(observation.header(model.ra_deg, model.dec_deg))
    return header


def _truth_header(model: GalaxyModel, observation: Observation, seed: int) -> fits.Header:
    return fits.Header(
        [
            ("GALAXY", model.name),
            ("REDSHIFT", model.redshift),
            ("SIMSEED", str(seed), "seed of noise and faults"),
            ("SNR", observation.snr, "continuum S/N per sample, median of the field"),
            ("ERRFACT", observation.noise_over_error, "true noise over written error"),
            ("MIXBELOW", MIXED_BELOW, "largest share of a mixed spaxel"),
            *((f"REGION{region.value}", region.name.lower()) for region in Region),
        ]
    )


def _write(path: Path, *hdus: fits.hdu.base.ExtensionHDU) -> None:
    with replacing(path) as unfinished:
        fits.HDUList(list(hdus)).writeto(unfinished)
