"""A simulated survey: its counts are those of its truth, and nothing of the truth leaks."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from survey.errors import ConfigError
from survey.latents.grid import Grid
from survey.latents.xray.acis import acis_channels, acis_grid, acis_like_response, acis_sigma_kev
from survey.latents.xray.fold import fold
from survey.latents.xray.responses import read_arf, read_response
from survey.latents.xray.simulate import SimulatedXray, class_names, simulate_xray
from survey.latents.xray.simulate.observation import (
    background_rate,
    variability_index,
    varying,
    vignetting,
)


@pytest.fixture(scope="module")
def survey() -> SimulatedXray:
    return simulate_xray(400, seed=7)


def test_counts_scatter_about_the_truth_as_poisson_does(survey: SimulatedXray) -> None:
    truth = survey.truth
    mean = truth.expected + truth.expected_background
    pull = (survey.spectra.values - mean) / np.sqrt(mean)
    often = mean > 5
    assert often.sum() > 5000
    assert pull[often].mean() == pytest.approx(0.0, abs=0.05)
    assert pull[often].var() == pytest.approx(1.0, abs=0.05)


def test_the_background_region_tells_the_background_without_bias(survey: SimulatedXray) -> None:
    found = survey.spectra.background.sum(axis=1)
    expected = survey.truth.expected_background.sum(axis=1)
    assert found.sum() == pytest.approx(expected.sum(), rel=0.02)


def test_counts_cover_the_range_evenly_in_the_logarithm(survey: SimulatedXray) -> None:
    total = survey.truth.expected.sum(axis=1)
    assert total.min() >= 40 - 1e-9
    assert total.max() <= 20_000 + 1e-9
    assert 500 < np.median(total) < 1600


def test_all_classes_occur_about_equally(survey: SimulatedXray) -> None:
    one_each = dict(zip(survey.spectra.sources, survey.truth.classes, strict=True))
    number = Counter(one_each.values())
    assert set(number) == set(class_names())
    assert max(number.values()) - min(number.values()) <= 1


def test_detections_of_a_source_share_its_class_and_differ_in_the_rest(
    survey: SimulatedXray,
) -> None:
    spectra, truth = survey.spectra, survey.truth
    assert 0.3 < len(set(spectra.sources)) / len(spectra) < 0.7
    for source in set(spectra.sources):
        rows = spectra.sources == source
        assert len(set(truth.classes[rows])) == 1
        assert len(set(truth.variability[rows])) == 1
        assert len(set(truth.off_axis_arcmin[rows])) == rows.sum()


def test_names_and_redshifts_of_the_spectra_tell_nothing(survey: SimulatedXray) -> None:
    assert np.isnan(survey.spectra.redshift).all()
    text = " ".join(survey.spectra.ids)
    assert not any(name in text for name in class_names())


def test_a_seed_makes_the_same_survey_and_a_longer_one_begins_with_it(
    survey: SimulatedXray,
) -> None:
    again = simulate_xray(60, seed=7)
    assert np.array_equal(again.spectra.values, survey.spectra.values[:60])
    assert np.array_equal(again.truth.n_h_1e22, survey.truth.n_h_1e22[:60])
    assert not np.array_equal(simulate_xray(60, seed=8).spectra.values, again.spectra.values)


def test_a_few_classes_and_another_grid_may_be_asked_for() -> None:
    grid = Grid(np.linspace(0.5, 7.0, 31), "keV")
    few = simulate_xray(20, seed=1, grid=grid, classes=["NS", "CV"])
    assert set(few.truth.classes) == {"NS", "CV"}
    assert few.spectra.values.shape == (20, 30)
    with pytest.raises(ConfigError, match="QSO"):
        simulate_xray(5, seed=1, classes=["QSO"])
    with pytest.raises(ConfigError, match="nothing"):
        simulate_xray(0, seed=1)
    with pytest.raises(ConfigError, match="no response"):
        simulate_xray(5, seed=1, responses=[])


def test_classes_differ_as_they_are_known_to(survey: SimulatedXray) -> None:
    truth, grid = survey.truth, survey.spectra.grid
    hard = truth.expected[:, grid.within(2.0, 8.0)].sum(axis=1) / truth.expected.sum(axis=1)
    mean = {name: hard[truth.classes == name].mean() for name in class_names()}
    assert mean["HMXB"] > mean["CV"] > mean["LM-STAR"]
    assert mean["YSO"] > mean["HM-STAR"]
    index = {name: truth.variability_index[truth.classes == name].mean() for name in class_names()}
    assert index["YSO"] > index["NS"]


def test_the_variability_index_grows_with_variability_and_with_counts() -> None:
    rng = np.random.default_rng(0)

    def mean(counts: float, rms: float) -> float:
        return float(np.mean([variability_index(counts, rms, rng) for _ in range(200)]))

    # Of a constant source the chance is evenly distributed: its -log10 has a mean of 0.43.
    assert mean(1000, 0.0) == pytest.approx(0.43, abs=0.12)
    assert mean(100, 0.5) < mean(1000, 0.5)
    assert mean(1000, 0.1) < mean(1000, 0.5)


def test_fluxes_vary_with_the_rms_asked_for() -> None:
    factor = varying(0.5, 200_000, np.random.default_rng(0))
    assert factor.mean() == pytest.approx(1.0, abs=0.01)
    assert factor.std() == pytest.approx(0.5, abs=0.02)


def test_far_off_axis_there_is_less_area_and_more_background() -> None:
    energy = np.array([1.5, 6.4])
    area = vignetting(energy, np.array([0.0, 10.0]))
    np.testing.assert_allclose(area[0], 1.0)
    assert (area[1] < 1).all()
    assert area[1, 1] < area[1, 0]  # hard photons are lost first
    rate = background_rate(acis_grid(), np.array([0.0, 10.0])).sum(axis=1)
    assert rate[1] > 10 * rate[0]


def test_the_grid_is_of_whole_channels() -> None:
    for channels_per_bin in (1, 2, 4, 8):
        grid = acis_grid(channels_per_bin)
        assert len(grid) * channels_per_bin == 512
        nearest = np.abs(acis_channels().edges[:, None] - grid.edges).min(axis=0)
        assert nearest.max() < 1e-9
    with pytest.raises(ConfigError, match="divisor of 512"):
        acis_grid(3)


def test_the_analytic_response_counts_every_photon_it_has_area_for() -> None:
    response = acis_like_response()
    photons = response.energies.widths * response.energies.centres**-1.7
    area = np.asarray(response.matrix.sum(axis=1)).ravel()
    assert fold(response, photons).sum() == pytest.approx(photons @ area)
    assert area.max() == pytest.approx(600, rel=0.02)
    line = np.zeros(len(response.energies))
    line[response.energies.within(5.895, 5.9051)] = 1.0
    counts = fold(response, line)
    centre = counts @ response.channels.centres / counts.sum()
    width = np.sqrt(counts @ (response.channels.centres - centre) ** 2 / counts.sum())
    assert width == pytest.approx(acis_sigma_kev(np.array([5.9]))[0], rel=0.02)
    assert 0.1 < width * 2.355 < 0.2  # FWHM in keV at the calibration line of iron


@pytest.mark.real_data
def test_the_analytic_area_is_like_the_observed_ones(shared_data: Path) -> None:
    response = acis_like_response()
    area = np.asarray(response.matrix.sum(axis=1)).ravel()
    probe = np.linspace(0.8, 7.0, 40)
    ratios = []
    for path in sorted((shared_data / "xray").glob("*arf*")):
        observed = read_arf(path)
        there = np.interp(probe, observed.energies.centres, observed.area_cm2)
        ratio = np.interp(probe, response.energies.centres, area) / there
        ratios.append(ratio / np.median(ratio))
    assert len(ratios) == 6
    typical = np.exp(np.mean(np.log(ratios), axis=0))
    assert typical.min() > 0.7
    assert typical.max() < 1.4


@pytest.mark.real_data
def test_sources_can_be_seen_through_observed_responses(shared_data: Path) -> None:
    folder = shared_data / "xray"
    names = ("acisf02779_001N001_r0004", "acisf04938_000N002_r0043")
    responses = [
        read_response(folder / f"{name}_rmf3.fits.gz", folder / f"{name}_arf3.fits.gz")
        for name in names
    ]
    through = simulate_xray(60, seed=7, responses=responses)
    plain = simulate_xray(60, seed=7)
    assert np.array_equal(through.truth.n_h_1e22, plain.truth.n_h_1e22)
    np.testing.assert_allclose(through.truth.expected.sum(axis=1), plain.truth.expected.sum(axis=1))
    assert not np.allclose(through.truth.expected, plain.truth.expected)
