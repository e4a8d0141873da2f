"""Bright sources are piled up as photons that arrive at random in frames are."""

import numpy as np
import pytest

from survey.latents.xray.acis import acis_channels, piled_fraction
from survey.latents.xray.simulate import simulate_xray
from survey.latents.xray.simulate.pile_up import (
    frame_of,
    photons_per_frame,
    piled,
    piled_share,
    places_of,
)

KEPT = 0.5
CHANNELS = 400


def by_dice(photons: float, frames: int) -> tuple[np.ndarray, float]:
    """Events of a two-line source, frame by frame: their spectrum, and the share of several."""
    rng = np.random.default_rng(1)
    number = rng.poisson(photons, frames)
    number = number[number > 0]
    number = number[rng.uniform(size=len(number)) < KEPT ** (number - 1.0)]
    energy = 50 * number + 40 * rng.binomial(number, 0.5)
    energy = energy[energy < CHANNELS]
    return np.bincount(energy, minlength=CHANNELS) / len(energy), float((number > 1).mean())


@pytest.mark.parametrize("photons", [0.05, 0.5, 1.2])
def test_spectra_are_those_of_photons_thrown_into_frames(photons: float) -> None:
    lines = np.zeros(CHANNELS)
    lines[[50, 90]] = 1.0
    thrown, several = by_dice(photons, 1_000_000)
    np.testing.assert_allclose(piled(lines, photons), thrown, atol=0.008)
    assert piled_share(photons) == pytest.approx(several, abs=0.005)


def test_the_photons_of_a_frame_are_found_from_its_events() -> None:
    for photons in (0.01, 0.3, 1.0):
        events = np.exp(-photons) * np.expm1(KEPT * photons) / KEPT
        assert photons_per_frame(events) == pytest.approx(photons, rel=1e-6)
    assert photons_per_frame(0.0) == 0.0
    assert photons_per_frame(0.9) == pytest.approx(2 * np.log(2)), "no more can be counted"


def test_sources_off_the_axis_and_those_too_bright_for_the_camera_pile_up_less() -> None:
    assert places_of(0.0) == 1.0
    assert places_of(8.0) > 20
    assert frame_of(0.001, 1.0) == pytest.approx(3.2)
    assert frame_of(100.0, 1.0) == pytest.approx(0.4)


def test_bright_simulated_sources_are_piled_up_harder_and_faint_ones_are_as_they_were() -> None:
    with_it, without = (simulate_xray(160, seed=7, piled_up=on) for on in (True, False))
    share, grid = with_it.truth.pile_up, with_it.spectra.grid
    assert not without.truth.pile_up.any()
    assert 0.05 < share.max() < 0.5
    faint = share < 0.01
    assert faint.mean() > 0.5
    np.testing.assert_array_equal(with_it.spectra.values[faint], without.spectra.values[faint])
    totals = [one.truth.expected.sum(axis=1) for one in (with_it, without)]
    np.testing.assert_allclose(*totals)
    mean = [one.truth.expected @ grid.centres / total for one, total in zip(
        (with_it, without), totals, strict=True)]  # fmt: skip
    soft = (share > 0.03) & (mean[1] < 2.5)
    assert soft.sum() > 3
    assert (mean[0] > mean[1])[soft].all()


def test_the_estimate_of_pile_up_finds_those_that_are() -> None:
    truth = simulate_xray(160, seed=7).truth
    on_axis = truth.off_axis_arcmin < 2
    events = truth.expected.sum(axis=1) / exposures(160)
    estimate = np.array(
        [piled_fraction(rate, frame) for rate, frame in zip(events, truth.frame_s, strict=True)]
    )
    bright = truth.pile_up > 0.02
    assert (estimate[bright] >= truth.pile_up[bright] * 0.9).all(), "an upper limit"
    near = on_axis & bright
    assert near.sum() > 1
    assert (estimate[near] < 4 * truth.pile_up[near] + 0.02).all()


def exposures(number: int) -> np.ndarray:
    return simulate_xray(number, seed=7, grid=acis_channels()).spectra.exposure_s
