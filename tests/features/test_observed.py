"""Fluxes of observed spectra against independent measurements of them."""

import numpy as np
import pytest
from astropy.io import fits

from catalogs.reference import load_bands, load_lines, resolving_power
from survey.config import FeatureSettings
from survey.features.measure import measure_features

pytestmark = pytest.mark.real_data


def _measure(wavelength_um, spectrum, error, *, flux_unit, redshift, instrument="MIRI/MRS"):
    found = measure_features(
        wavelength_um / (1 + redshift),
        spectrum,
        error,
        flux_unit=flux_unit,
        lines=load_lines("optical" if instrument == "MUSE" else "mir"),
        bands=load_bands(),
        settings=FeatureSettings(),
        redshift=redshift,
        resolving_power=resolving_power(instrument, wavelength_um),
    )
    return {item.name: item for item in found}


def _vv114(shared_data, band):
    table = fits.getdata(shared_data / "mir_spectra" / f"VV114_MIRI_{band}_s1d.fits", 1)
    columns = (table[name].astype(float) for name in ("wavelength", "flux", "uncertainty"))
    return _measure(*columns, flux_unit="MJy", redshift=0.0202)


def _cube(path):
    with fits.open(path) as hdus:
        flux, error = hdus["SCI"].data.astype(float), hdus["ERR"].data.astype(float)
        header = hdus["SCI"].header
    plane = np.arange(flux.shape[0]) + 1 - header["CRPIX3"]
    good = np.isfinite(flux).mean(axis=0) > 0.9
    return header["CRVAL3"] + plane * header["CDELT3"], flux[:, good].T, error[:, good].T


def test_vv114_fluxes_are_those_of_independent_measurements(shared_data):
    short, long = _vv114(shared_data, "ch3_SHORT"), _vv114(shared_data, "ch3_LONG")
    neon, hydrogen = short["NeII_12.81"], short["H2_S2_12.28"]
    assert neon.detected
    assert 8.3e-17 < neon.flux < 8.7e-17
    assert hydrogen.detected
    assert 2.8e-18 < hydrogen.flux < 3.1e-18
    assert long["NeIII_15.56"].flux / neon.flux == pytest.approx(0.19, abs=0.01)
    assert short["PAH_12.7"].detected


def test_vv114_shows_no_neon_v_and_errors_larger_than_propagated(shared_data):
    found = _vv114(shared_data, "ch3_MEDIUM")
    assert found["NeV_14.32"].limit
    assert found["NeV_14.32"].error > 5 * found["NeV_14.32"].error_propagated


def test_ngc7469_star_forming_region_has_weak_neon_iii(shared_data):
    path = shared_data / "mir_spectra" / "NGC7469_reg1_0.4arcsec.dat"
    wavelength, flux, error = np.loadtxt(path).T[:3]
    keep = (wavelength > 11.5) & (wavelength < 18.0)
    # Rest-frame wavelengths in the file: the ratio does not depend on the redshift.
    found = _measure(wavelength[keep], flux[keep], error[keep], flux_unit="Jy", redshift=0.0)
    ratio = found["NeIII_15.56"].flux / found["NeII_12.81"].flux
    assert ratio == pytest.approx(0.09, abs=0.005)


def test_sulphur_is_seen_nearly_everywhere_in_ngc7469(shared_data):
    wavelength, flux, error = _cube(shared_data / "mrs" / "NGC7469_Level3_ch4-short_s3d.fits.gz")
    detected = [
        _measure(wavelength, *spaxel, flux_unit="MJy/sr", redshift=0.016317)["SIII_18.71"].detected
        for spaxel in zip(flux[::4], error[::4], strict=True)
    ]
    assert len(detected) > 140
    assert np.mean(detected) > 0.97


def test_a_star_has_no_emission_lines(shared_data):
    wavelength, flux, error = _cube(shared_data / "mrs" / "16CygB_Level3_ch4-short_s3d.fits.gz")
    detected = [
        line.detected
        for spaxel in zip(flux[::4], error[::4], strict=True)
        for line in _measure(wavelength, *spaxel, flux_unit="MJy/sr", redshift=0.0).values()
        if np.isfinite(line.flux)
    ]
    assert len(detected) > 1000
    assert np.mean(detected) < 0.02


def test_nitrogen_doublet_of_a478_has_its_atomic_ratio(shared_data):
    with fits.open(shared_data / "muse" / "A478_minicube.fits.gz") as hdus:
        flux, variance = (hdus[name].data[:, 10:30, 10:30] for name in ("DATA", "STAT"))
        header = hdus["DATA"].header
    plane = np.arange(flux.shape[0]) + 1 - header["CRPIX3"]
    vacuum_um = 1.000277e-4 * (header["CRVAL3"] + plane * header["CD3_3"])
    found = _measure(
        vacuum_um,
        np.nanmedian(flux, axis=(1, 2)),
        np.sqrt(np.nanmedian(variance, axis=(1, 2))) / 20,
        flux_unit="1e-20 erg / (Angstrom s cm2)",
        redshift=0.086,
        instrument="MUSE",
    )
    assert found["Halpha_6563"].detected
    assert found["NII_6583"].flux / found["NII_6548"].flux == pytest.approx(3.05, abs=0.3)
