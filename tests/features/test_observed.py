"""Fluxes of observed spectra against independent measurements of them."""

import numpy as np
import pytest
from astropy.io import fits

from catalogs.reference import packaged_reference
from survey.config import FeatureSettings
from survey.features.measurements import measure_features
from survey.features.spectrum import observed_spectrum
from survey.features.velocity import find_velocity

pytestmark = pytest.mark.real_data


def _observed(wavelength_um, spectrum, error, flux_unit, redshift, instrument):
    return observed_spectrum(
        wavelength_um / (1 + redshift),
        spectrum,
        error,
        flux_unit=flux_unit,
        redshift=redshift,
        resolving_power=packaged_reference().resolving_power(instrument, wavelength_um),
    )


def _lines(instrument):
    return packaged_reference().lines_of("optical" if instrument == "MUSE" else "mir")


def _velocity(*columns, flux_unit, redshift, instrument="MIRI/MRS"):
    observed = _observed(*columns, flux_unit, redshift, instrument)
    return find_velocity(observed, _lines(instrument))


def _measure(*columns, flux_unit, redshift, instrument="MIRI/MRS", velocity_km_s=0.0, **options):
    observed = _observed(*columns, flux_unit, redshift, instrument).displaced(velocity_km_s)
    found = measure_features(
        observed, _lines(instrument), packaged_reference().bands, FeatureSettings(), **options
    )
    return {item.name: item for item in found}


def _vv114_spectrum(shared_data, band):
    table = fits.getdata(shared_data / "mir_spectra" / f"VV114_MIRI_{band}_s1d.fits", 1)
    return tuple(table[name].astype(float) for name in ("wavelength", "flux", "uncertainty"))


def _vv114(shared_data, band, **options):
    spectrum = _vv114_spectrum(shared_data, band)
    return _measure(*spectrum, flux_unit="MJy", redshift=0.0202, **options)


@pytest.fixture(scope="module")
def a478(shared_data):
    """Vacuum wavelengths, flux and variance of the middle of the nebula."""
    with fits.open(shared_data / "muse" / "A478_minicube.fits.gz") as hdus:
        flux, variance = (hdus[name].data[:, 10:30, 10:30] for name in ("DATA", "STAT"))
        header = hdus["DATA"].header
    plane = np.arange(flux.shape[0]) + 1 - header["CRPIX3"]
    return 1.000277e-4 * (header["CRVAL3"] + plane * header["CD3_3"]), flux, variance


def _median_spectrum(a478, rows=slice(None)):
    wavelength, flux, variance = a478
    flux, variance = flux[:, rows], variance[:, rows]
    error = np.sqrt(np.nanmedian(variance, axis=(1, 2)) / flux[0].size)
    return wavelength, np.nanmedian(flux, axis=(1, 2)), error


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
    assert abs(hydrogen.flux - 2.95e-18) < hydrogen.error
    assert long["NeIII_15.56"].flux / neon.flux == pytest.approx(0.19, abs=0.01)
    assert short["PAH_12.7"].detected


def test_vv114_shows_no_neon_v_and_errors_larger_than_propagated(shared_data):
    found = _vv114(shared_data, "ch3_MEDIUM")
    assert not found["NeV_14.32"].detected
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


def test_nitrogen_doublet_of_a478_has_its_atomic_ratio(a478):
    found = _measure(
        *_median_spectrum(a478),
        flux_unit="1e-20 erg / (Angstrom s cm2)",
        redshift=0.086,
        instrument="MUSE",
    )
    assert found["Halpha_6563"].detected
    assert found["NII_6583"].flux / found["NII_6548"].flux == pytest.approx(3.05, abs=0.15)


@pytest.mark.parametrize("rows", [slice(0, 10), slice(10, 20), slice(None)])
def test_a_redshift_that_is_off_does_not_cost_a478_its_lines(a478, rows):
    muse = {
        "flux_unit": "1e-20 erg / (Angstrom s cm2)",
        "redshift": 0.088,
        "instrument": "MUSE",
    }
    spectrum = _median_spectrum(a478, rows)
    lost = _measure(*spectrum, **muse, search_km_s=0)
    assert lost["NII_6583"].snr < 0
    velocity = _velocity(*spectrum, **muse)
    assert velocity.found
    assert velocity.n_lines >= 6
    assert -650 < velocity.velocity_km_s < -550
    saved = _measure(*spectrum, **muse, velocity_km_s=velocity.velocity_km_s)
    assert saved["Halpha_6563"].snr > 30, "what stars absorb under it is known to 2% of it"
    assert saved["NII_6583"].flux / saved["NII_6548"].flux == pytest.approx(3.05, abs=0.1)


@pytest.mark.parametrize(
    ("band", "name", "expected_km_s"),
    [("ch3_LONG", "H2_S1_17.03", 452), ("ch2_MEDIUM", "H2_S3_9.66", 414)],
)
def test_lines_of_vv114_with_a_wrong_wavelength_are_found_and_flagged(
    shared_data, band, name, expected_km_s
):
    lost = _vv114(shared_data, band, search_km_s=0)[name]
    line = _vv114(shared_data, band)[name]
    assert lost.snr * lost.error < 0.2 * line.flux
    assert line.displaced
    # Centres of Gaussians fitted to these lines by themselves.
    assert line.velocity_km_s == pytest.approx(expected_km_s, abs=10)
    assert line.snr > 8


def test_the_velocity_of_vv114_is_that_of_its_lines_that_are_right(shared_data):
    bands = [_vv114_spectrum(shared_data, f"ch3_{band}") for band in ("SHORT", "MEDIUM", "LONG")]
    starts = [-np.inf, *(band[0][-1] for band in bands[:-1])]
    beyond = [band[0] > start for band, start in zip(bands, starts, strict=True)]
    joined = [
        np.concatenate([band[column][keep] for band, keep in zip(bands, beyond, strict=True)])
        for column in range(3)
    ]
    arguments = {"flux_unit": "MJy", "redshift": 0.0202}
    velocity = _velocity(*joined, **arguments)
    assert velocity.found
    assert abs(velocity.velocity_km_s) < 60
    found = _measure(*joined, **arguments, velocity_km_s=velocity.velocity_km_s)
    displaced = [item.name for item in found.values() if item.displaced]
    assert displaced == ["H2_S1_17.03"]
    assert found["NeIII_15.56"].velocity_km_s == pytest.approx(67, abs=10)
