"""Windows as wide as the lines are."""

import numpy as np
import pytest

from catalogs.reference import packaged_reference
from survey.config import FeatureSettings
from survey.features.measurements import measure_features
from survey.features.spectrum import INTRINSIC_FWHM_KM_S, observed_spectrum
from survey.features.width import USUAL_WIDTH, find_width

TRUTH = {
    "H2_S2_12.28": 2e-9,
    "NeII_12.81": 6e-8,
    "NeV_14.32": 1e-8,
    "ClII_14.37": 2e-9,
    "NeIII_15.56": 3e-8,
    "H2_S1_17.03": 5e-9,
}
REALISATIONS = 24


@pytest.fixture
def width_of(wavelength_um):
    def find(spectrum, error, **options):
        observed = observed_spectrum(
            wavelength_um, spectrum, error, flux_unit="MJy/sr", redshift=0.0,
            resolving_power=packaged_reference().resolving_power("MIRI/MRS", wavelength_um),
        )  # fmt: skip
        return find_width(observed, packaged_reference().lines_of("mir"), **options)

    return find


@pytest.mark.parametrize("fwhm_km_s", [100.0, 200.0, 350.0, 500.0, 800.0])
def test_the_width_is_that_of_the_gas(with_lines, observe, width_of, fwhm_km_s):
    for seed in range(6):
        width = width_of(*observe(with_lines(TRUTH, galaxy_fwhm_km_s=fwhm_km_s), seed))
        assert width.measured_km_s == pytest.approx(fwhm_km_s, abs=5)
        assert width.n_lines >= 2
        assert width.intrinsic_km_s == pytest.approx(max(fwhm_km_s, INTRINSIC_FWHM_KM_S), abs=5)
        assert not width.broad


def test_windows_are_never_narrower_than_usual_nor_wider_than_the_limit(
    with_lines, observe, width_of
):
    observed = observe(with_lines(TRUTH, galaxy_fwhm_km_s=500), 0)
    assert width_of(*observed, limit_km_s=400.0).intrinsic_km_s == 400.0
    assert width_of(*observed, limit_km_s=100.0).intrinsic_km_s == INTRINSIC_FWHM_KM_S
    assert width_of(*observed, limit_km_s=400.0).broad == set(), "by a fourth: 5% are lost"
    assert "NeII_12.81" in width_of(*observed, limit_km_s=300.0).broad


@pytest.mark.parametrize("fwhm_km_s", [350.0, 500.0, 700.0])
def test_fluxes_of_broad_lines_are_right_and_so_are_their_errors(
    with_lines, observe, measure, fwhm_km_s
):
    spectrum = with_lines(TRUTH, galaxy_fwhm_km_s=fwhm_km_s)
    ratios, pulls = {name: [] for name in TRUTH}, {name: [] for name in TRUTH}
    detected = []
    for seed in range(REALISATIONS):
        for name, item in measure(*observe(spectrum, seed), bands=()).items():
            if name not in TRUTH:
                if np.isfinite(item.flux):
                    detected.append(item.detected)
            elif item.detected:
                ratios[name].append(item.flux / TRUTH[name])
                pulls[name].append((item.flux - TRUTH[name]) / item.error)
    for name in TRUTH:
        assert len(ratios[name]) > 0.8 * REALISATIONS, name
        assert np.median(ratios[name]) == pytest.approx(1, abs=0.05), name
    assert 0.8 < np.std(np.concatenate([np.array(p) - np.mean(p) for p in pulls.values()])) < 1.25
    assert np.mean(detected) < 0.02, "wide windows find no lines that are not there"


def test_in_windows_of_the_usual_width_broad_lines_lose_flux_even_if_they_are_bright(
    with_lines, measure
):
    spectrum = with_lines(TRUTH, galaxy_fwhm_km_s=500)
    cut, whole = (measure(spectrum, **how)["NeII_12.81"] for how in ({"width": USUAL_WIDTH}, {}))
    assert cut.flux == pytest.approx(0.925 * TRUTH["NeII_12.81"], rel=0.03)
    assert whole.flux == pytest.approx(TRUTH["NeII_12.81"], rel=0.01)


def test_one_line_that_is_broader_than_the_others_is_marked(with_lines, observe, measure):
    quiet = dict(TRUTH, **{"NeIII_15.56": 0.0})
    spectrum = with_lines(quiet) + with_lines({"NeIII_15.56": 3e-8}, galaxy_fwhm_km_s=700)
    found = measure(*observe(spectrum - with_lines({}), 0))
    assert found["NeIII_15.56"].broad
    assert not found["NeII_12.81"].broad


def test_faint_lines_say_nothing_of_their_width(with_lines, observe, width_of):
    faint = {name: flux / 30 for name, flux in TRUTH.items()}
    assert width_of(*observe(with_lines(faint, galaxy_fwhm_km_s=500), 0)) == USUAL_WIDTH


def test_an_unresolved_doublet_is_not_taken_for_broad_gas():
    wavelength = np.arange(0.36, 0.40, 0.0001)
    spectrum = np.ones(wavelength.shape)
    for centre in (0.3727092, 0.3729875):
        spectrum += 20 * np.exp(-(((wavelength - centre) / 1.2e-4) ** 2) / 2)
    spectrum += 0.01 * np.random.default_rng(0).standard_normal(wavelength.size)
    observed = observed_spectrum(
        wavelength,
        spectrum,
        np.full(wavelength.shape, 0.01),
        flux_unit="W / (m2 um)",
        redshift=0.0,
        resolving_power=1800.0,
    )
    lines = packaged_reference().lines_of("optical")
    assert find_width(observed, lines) == USUAL_WIDTH
    found = measure_features(observed, lines, (), FeatureSettings())
    assert {item.name: item for item in found}["OII_3728"].detected
