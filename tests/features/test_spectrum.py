"""What may be measured, and in which units."""

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest

from catalogs.flags import FeatureFlag, flag_names
from catalogs.reference import packaged_reference
from survey.config import FeatureSettings
from survey.errors import DataError
from survey.features.feature_tables import feature_columns
from survey.features.measurements import Measurement, measure_features
from survey.features.spectrum import line_flux_unit, observed_spectrum


@pytest.mark.parametrize(
    ("flux_unit", "expected"),
    [
        ("MJy/sr", "W / (m2 sr)"),
        ("Jy", "W / m2"),
        ("1e-20 erg / (Angstrom s cm2)", "W / m2"),
        ("1e-16 erg / (Angstrom s cm2 pix)", "W / (m2 pix)"),
        ("mJy / arcsec2", "W / (m2 arcsec2)"),
    ],
)
def test_line_fluxes_keep_the_area_of_their_spectrum(flux_unit, expected):
    assert u.Unit(line_flux_unit(flux_unit)) == u.Unit(expected)


@pytest.mark.parametrize("flux_unit", ["", "K", "m", "not a unit", "W / m2"])
def test_other_units_are_refused(flux_unit):
    with pytest.raises(DataError, match="flux density") as caught:
        line_flux_unit(flux_unit)
    assert caught.value.found == repr(flux_unit)


@pytest.mark.parametrize(
    ("wavelength", "flux"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0]),
        ([1.0, 3.0, 2.0], [1.0, 2.0, 3.0]),
        ([1.0, 2.0], [1.0, 2.0]),
        ([[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0]]),
    ],
    ids=["lengths differ", "not increasing", "too short", "two-dimensional"],
)
def test_arrays_that_are_no_spectrum_are_refused(wavelength, flux):
    with pytest.raises(DataError):
        observed_spectrum(wavelength, flux, flux, flux_unit="Jy", redshift=0, resolving_power=None)


def test_an_unknown_resolution_is_that_of_the_sampling():
    wavelength = np.linspace(5.0, 6.0, 21)
    spectrum = observed_spectrum(
        wavelength, wavelength, wavelength, flux_unit="Jy", redshift=0, resolving_power=None
    )
    assert spectrum.line_fwhm_um == pytest.approx(0.1, rel=0.01)


def test_planes_that_are_missing_make_no_sample_wider():
    wavelength = np.arange(12.0, 14.0, 0.0025)
    kept = (wavelength < 12.8) | (wavelength > 13.1)
    kept[50] = False
    unit = np.ones(kept.sum())
    spectrum = observed_spectrum(
        wavelength[kept], unit, unit, flux_unit="Jy", redshift=0,
        resolving_power=np.full(kept.sum(), 3000.0),
    )  # fmt: skip
    assert spectrum.good.sum() == kept.sum()
    widths = np.diff(spectrum.edges_um)[spectrum.good]
    assert widths.max() < 1.3 * 0.0025
    covered = spectrum.length_um(spectrum.good, np.array([12.7, 12.85]), np.array([12.75, 13.05]))
    assert covered == pytest.approx([0.05, 0.0], abs=0.003)


def test_a_line_beside_missing_planes_keeps_its_flux_and_one_among_them_is_not_measured(
    with_lines, measure, wavelength_um
):
    truth = {"NeII_12.81": 2e-8, "NeV_14.32": 1e-8}
    whole = measure(with_lines(truth))
    kept = np.abs(wavelength_um - 14.32) > 0.2
    kept &= ~((wavelength_um > 12.85) & (wavelength_um < 13.0))
    observed = observed_spectrum(
        wavelength_um[kept], with_lines(truth)[kept], np.full(kept.sum(), np.nan),
        flux_unit="MJy/sr", redshift=0.0,
        resolving_power=packaged_reference().resolving_power("MIRI/MRS", wavelength_um[kept]),
    )  # fmt: skip
    cut = measure_features(observed, packaged_reference().lines_of("mir"), (), FeatureSettings())
    found = {item.name: item for item in cut}
    assert found["NeII_12.81"].flux == pytest.approx(whole["NeII_12.81"].flux, rel=0.01)
    assert np.isnan(found["NeV_14.32"].flux)


NEON = Measurement("NeII_12.81", 1.0, 0.2, 0.1, 1.6, True, 3.0, 0.03, 0.01)


def test_columns_are_named_after_the_feature():
    assert feature_columns([NEON]) == {
        "flux_NeII_12.81": 1.0,
        "err_NeII_12.81": 0.2,
        "detected_NeII_12.81": True,
        "limit_NeII_12.81": 1.6,
        "quality_NeII_12.81": 0,
        "ew_NeII_12.81": 0.03,
        "ewerr_NeII_12.81": 0.01,
    }


def test_columns_tell_what_is_doubtful_and_where_a_line_is():
    item = replace(NEON, fitted=True, displaced=True, velocity_km_s=370.0)
    columns = feature_columns([item])
    assert flag_names("features", columns["quality_NeII_12.81"]) == ["fitted", "displaced"]
    assert columns["velocity_NeII_12.81"] == 370.0
    everything = replace(item, blended=True, edge=True, absorbed=True, broad=True, on_band=True)
    assert everything.quality == sum(FeatureFlag)
