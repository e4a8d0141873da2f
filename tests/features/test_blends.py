"""Lines that blend: divided truly where both are there, whole where one is alone."""

import numpy as np
import pytest

from catalogs.reference import packaged_reference
from survey.config import FeatureSettings
from survey.features import blends
from survey.features.measurements import measure_features
from survey.features.spectrum import observed_spectrum

LIGHT_KM_S = 299792.458

HUMPHREYS = {"HI_7-6_12.37": 4e-9, "HI_11-8_12.39": 1.5e-9}
NEON = {"NeV_14.32": 8e-9, "ClII_14.37": 3e-9}
OXYGEN = {"OIV_25.89": 4e-9, "FeII_25.99": 1.5e-9}
SULPHUR = {"SII_6716": 3e-7, "SII_6731": 2e-7}
HYDROGEN = {"NII_6548": 2e-7, "Halpha_6563": 1e-6, "NII_6583": 6e-7}


def _measure_blend(truth, seed, *, galaxy_fwhm_km_s=200.0, continuum_snr=100.0):
    """Lines of given flux (W/m2/sr) above a flat f_lambda of 1e-6 (optical 1e-3) W/m2/um/sr."""
    optical = any(line.name in truth for line in packaged_reference().lines_of("optical"))
    instrument = "MUSE" if optical else "MIRI/MRS"
    wavelength = np.arange(0.64, 0.69, 1.25e-4) if optical else np.arange(11.6, 27.5, 0.003)
    level = 1e-3 if optical else 1e-6
    power = packaged_reference().resolving_power(instrument, wavelength)
    spectrum = np.full(wavelength.shape, level)
    for line in packaged_reference().lines:
        centre = line.wavelength_um
        instrument_km_s = LIGHT_KM_S / np.interp(centre, wavelength, power)
        sigma = centre * np.hypot(instrument_km_s, galaxy_fwhm_km_s) / LIGHT_KM_S / 2.3548
        gaussian = np.exp(-(((wavelength - centre) / sigma) ** 2) / 2)
        spectrum += truth.get(line.name, 0.0) / sigma / np.sqrt(2 * np.pi) * gaussian
    noise = np.random.default_rng(seed).normal(0, level / continuum_snr, wavelength.size)
    observed = observed_spectrum(
        wavelength,
        spectrum + noise,
        np.full(wavelength.shape, level / continuum_snr),
        flux_unit="W / (m2 um sr)",
        redshift=0.0,
        resolving_power=power,
    )
    lines = packaged_reference().lines_of("optical" if optical else "mir")
    no_stars = FeatureSettings(stellar_absorption=False)
    found = measure_features(observed, lines, (), no_stars)
    return {item.name: item for item in found}


@pytest.mark.parametrize("galaxy_fwhm_km_s", [80.0, 220.0])
@pytest.mark.parametrize(
    "truth",
    [HUMPHREYS, NEON, OXYGEN, SULPHUR, HYDROGEN],
    ids=["Hu alpha", "[Ne V]", "[O IV]", "[S II]", "H alpha"],
)
def test_blended_lines_get_their_own_flux(truth, galaxy_fwhm_km_s):
    pulls = []
    for seed in range(12):
        found = _measure_blend(truth, seed, galaxy_fwhm_km_s=galaxy_fwhm_km_s)
        for name, flux in truth.items():
            item = found[name]
            assert item.detected
            assert item.fitted
            assert item.blended
            pulls.append((item.flux - flux) / item.error)
    assert 0.6 < np.std(pulls) < 1.4
    assert abs(np.mean(pulls)) < 0.6


def test_the_division_conserves_the_flux():
    found = _measure_blend(HUMPHREYS, 0, continuum_snr=1000)
    total = sum(found[name].flux for name in HUMPHREYS)
    assert total == pytest.approx(sum(HUMPHREYS.values()), rel=0.01)


def test_the_ratio_of_nitrogen_lines_is_that_of_the_truth():
    ratios = []
    for seed in range(12):
        found = _measure_blend(HYDROGEN, seed)
        ratios.append(found["NII_6583"].flux / found["NII_6548"].flux)
    assert np.mean(ratios) == pytest.approx(3, rel=0.02)


@pytest.mark.parametrize(
    ("alone", "absent"),
    [("HI_7-6_12.37", "HI_11-8_12.39"), ("NeV_14.32", "ClII_14.37"), ("OIV_25.89", "FeII_25.99")],
)
def test_a_line_alone_keeps_all_its_flux_and_its_neighbour_gets_a_limit(alone, absent):
    truth = {alone: 8e-9}
    for seed in range(8):
        found = _measure_blend(truth, seed)
        line, neighbour = found[alone], found[absent]
        assert line.flux == pytest.approx(truth[alone], abs=3.5 * line.error)
        assert not line.fitted
        assert not line.blended
        assert not neighbour.detected
        assert neighbour.fitted
        assert abs(neighbour.flux) < 3.5 * neighbour.error
        assert neighbour.error < 2 * line.error


def test_neighbours_of_lines_are_hardly_ever_invented():
    invented = [
        found[name].detected
        for seed in range(30)
        for found in [_measure_blend({"HI_7-6_12.37": 8e-9, "NeV_14.32": 2e-8}, seed)]
        for name in ("HI_11-8_12.39", "ClII_14.37", "NaVI_14.40")
    ]
    assert np.mean(invented) < 0.05


def test_nothing_blends_in_a_spectrum_without_lines():
    found = _measure_blend({}, 0)
    names = (*HUMPHREYS, *NEON, *OXYGEN)
    assert all(not found[name].detected for name in names)
    assert not any(found[name].blended for name in names)


@pytest.mark.parametrize("seed", range(4))
def test_a_faint_line_that_moves_otherwise_than_a_bright_neighbour_is_below_its_limit(
    with_lines, observe, measure, monkeypatch, seed
):
    """Gas of low ionisation in a disc, beside the broad lines of a nucleus."""
    truth = 2e-9
    nucleus = with_lines({"NeV_14.32": 2e-7, "NaVI_14.40": 3e-9}, galaxy_fwhm_km_s=420.0)
    disc = with_lines(
        {"ClII_14.37": truth}, galaxy_fwhm_km_s=60.0, velocities_km_s={"ClII_14.37": -180.0}
    )
    spectrum = observe(nucleus + disc - with_lines({}), seed, continuum_snr=200.0, fringe=0.0)
    item = measure(*spectrum)["ClII_14.37"]
    assert not item.detected
    assert item.limit > 2 * truth
    monkeypatch.setattr(blends, "OTHER_MOTIONS_KM_S", ())
    assert measure(*spectrum)["ClII_14.37"].limit < truth  # as if all moved alike
