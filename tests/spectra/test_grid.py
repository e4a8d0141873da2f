import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.errors import DataError
from survey.spectra.grid import (
    cell_widths,
    log_grid,
    resample,
    resampling_matrix,
    rest_wavelength,
    velocity_step_km_s,
    window_planes,
)

MRS_CH3_UM = 11.55 + 0.0025 * np.arange(2572)


def test_a_line_observed_at_its_redshift_is_at_its_rest_wavelength():
    assert rest_wavelength(np.array([12.81355 * 1.016317]), 0.016317) == pytest.approx(12.81355)


@pytest.mark.parametrize("redshift", [np.nan, -1.0, -2.0])
def test_an_unknown_redshift_is_refused(redshift):
    with pytest.raises(DataError, match="redshift") as caught:
        rest_wavelength(MRS_CH3_UM, redshift)
    assert "--redshift" in caught.value.advice


def test_a_window_holds_exactly_the_planes_inside():
    chosen = MRS_CH3_UM[window_planes(MRS_CH3_UM, (12.0, 13.0))]
    outside = np.setdiff1d(MRS_CH3_UM, chosen)
    assert chosen[0] >= 12.0
    assert chosen[-1] <= 13.0
    assert not ((outside >= 12.0) & (outside <= 13.0)).any()


def test_without_a_window_every_plane_is_taken():
    assert len(MRS_CH3_UM[window_planes(MRS_CH3_UM, None)]) == len(MRS_CH3_UM)


def test_a_channel_window_is_used_as_far_as_redshift_leaves_it_covered():
    rest_um = rest_wavelength(MRS_CH3_UM, 0.016317)
    planes = window_planes(rest_um, (11.55, 17.98))
    assert rest_um[planes][0] == pytest.approx(11.55, abs=0.0025)
    assert planes.stop == len(rest_um)


@pytest.mark.parametrize("window", [(9.0, 13.0), (16.0, 21.0), (5.0, 6.0), (13.0, 12.0)])
def test_a_window_that_is_not_covered_is_refused_with_both_ranges(window):
    with pytest.raises(DataError, match="does not cover") as caught:
        window_planes(MRS_CH3_UM, window)
    assert f"{window[0]:g} to {window[1]:g}" in caught.value.expected
    assert "11.5500 to 17.9775" in caught.value.found


def test_six_samples_of_the_mrs_grid_are_360_km_s_at_12_5_um_and_265_at_17():
    step = velocity_step_km_s(MRS_CH3_UM)
    assert 6 * np.interp(12.5, MRS_CH3_UM, step) == pytest.approx(360, abs=1)
    assert 6 * np.interp(17.0, MRS_CH3_UM, step) == pytest.approx(265, abs=1)


def test_steps_of_a_log_grid_are_equal_in_velocity():
    grid = log_grid(11.55, 17.98, 50.0)
    assert velocity_step_km_s(grid) == pytest.approx(50.0)
    assert grid[0] == 11.55
    assert 17.98 * (1 - 50 / 2.9e5) < grid[-1] <= 17.98


def test_resampling_a_log_grid_onto_its_own_log_grid_changes_nothing():
    native = log_grid(0.36, 1.03, 69.0)
    step = float(np.median(velocity_step_km_s(native)))
    target = log_grid(native[0], native[-1], step)
    weights, coverage = resampling_matrix(native, target)
    flux = np.random.default_rng(1).normal(size=(3, len(native)))
    assert len(target) == len(native)
    assert coverage == pytest.approx(1.0, abs=1e-6)
    assert resample(flux, weights) == pytest.approx(flux, abs=1e-6)


@given(
    centre_um=st.floats(12.0, 17.0),
    width_um=st.floats(0.002, 0.02),
    step_km_s=st.floats(20.0, 120.0),
)
def test_resampling_conserves_the_flux_of_a_line(centre_um, width_um, step_km_s):
    line = np.exp(-0.5 * ((MRS_CH3_UM - centre_um) / width_um) ** 2)[None]
    target = log_grid(MRS_CH3_UM[0], MRS_CH3_UM[-1], step_km_s)
    weights, _ = resampling_matrix(MRS_CH3_UM, target)
    before = line @ cell_widths(MRS_CH3_UM)
    after = resample(line, weights) @ cell_widths(target)
    # Cells of a log grid are bounded by means, not by geometric means, of their centres.
    assert after == pytest.approx(before, rel=2e-4)


def test_a_constant_stays_constant_under_resampling_also_beside_dropped_planes():
    usable = np.ones(len(MRS_CH3_UM), dtype=bool)
    usable[1000:1011] = False
    target = log_grid(MRS_CH3_UM[0], MRS_CH3_UM[-1], 50.0)
    weights, coverage = resampling_matrix(MRS_CH3_UM, target, usable)
    resampled = resample(np.full((1, len(MRS_CH3_UM)), 7.0), weights)[0]
    gap = (target > MRS_CH3_UM[1001]) & (target < MRS_CH3_UM[1009])
    assert resampled[coverage > 0] == pytest.approx(7.0)
    assert coverage[gap] == pytest.approx(0.0)
    assert coverage[:900] == pytest.approx(1.0)


def test_squared_weights_give_the_variance_of_resampled_noise():
    target = log_grid(MRS_CH3_UM[0], MRS_CH3_UM[-1], 150.0)
    weights, _ = resampling_matrix(MRS_CH3_UM, target)
    noise = np.random.default_rng(2).normal(size=(4000, len(MRS_CH3_UM)))
    predicted = weights.power(2).sum(axis=1)
    assert resample(noise, weights).var(axis=0) == pytest.approx(predicted, rel=0.15)


def test_single_precision_spectra_stay_single_precision():
    weights, _ = resampling_matrix(MRS_CH3_UM, log_grid(12.0, 17.0, 60.0))
    assert resample(np.ones((2, len(MRS_CH3_UM)), np.float32), weights).dtype == np.float32
