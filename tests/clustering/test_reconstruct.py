import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.clustering.reconstruct import reconstruct
from survey.distances.shifts import align
from survey.spectra.grid import cell_widths

WAVELENGTH_UM = np.cumsum(np.linspace(0.002, 0.003, 200)) + 12.0


def galaxy(seed=0, n=30, k=3):
    rng = np.random.default_rng(seed)
    medians = 5.0 + rng.normal(size=(k, 200)).cumsum(axis=1) * 0.1
    labels = rng.integers(1, k + 1, n)
    shifts = rng.integers(-6, 7, n)
    return np.abs(medians) + 0.1, labels, shifts, rng.uniform(1, 1000, n), rng


@given(st.integers(0, 500))
def test_the_integrated_flux_of_every_spaxel_is_preserved(seed):
    medians, labels, shifts, brightness, rng = galaxy(seed)
    flux = brightness[:, None] * (1.0 + 0.3 * rng.normal(size=(30, 200)))
    model, residual = reconstruct(flux, labels, medians, shifts, WAVELENGTH_UM)
    widths = cell_widths(WAVELENGTH_UM)
    assert model @ widths == pytest.approx(flux @ widths, rel=1e-12)
    assert residual @ widths == pytest.approx(0.0, abs=1e-9 * brightness.max())
    assert model + residual == pytest.approx(flux)


def test_spaxels_made_of_shifted_cluster_shapes_are_reproduced_inside_the_shifts():
    medians, labels, shifts, brightness, _ = galaxy()
    flux = brightness[:, None] * align(medians[labels - 1], -shifts)
    beyond = np.isnan(flux)
    flux[beyond] = (brightness[:, None] * medians[labels - 1])[beyond]
    model, _ = reconstruct(flux, labels, medians, shifts, WAVELENGTH_UM)
    assert model[:, 6:-6] == pytest.approx(flux[:, 6:-6], rel=0.02)
    unshifted = shifts == 0
    assert model[unshifted] == pytest.approx(flux[unshifted])


def test_aligning_the_model_gives_the_shape_of_the_cluster():
    medians, labels, shifts, brightness, _ = galaxy()
    flux = brightness[:, None] * np.ones(200)
    model, _ = reconstruct(flux, labels, medians, shifts, WAVELENGTH_UM)
    aligned = align(model, shifts)
    shape = medians[labels - 1]
    ratio = aligned / shape
    assert np.nanmax(np.nanstd(ratio[:, 6:-6], axis=1) / np.nanmean(ratio, axis=1)) < 1e-9


def test_single_precision_cubes_are_reconstructed_in_single_precision():
    medians, labels, shifts, brightness, _ = galaxy()
    flux = (brightness[:, None] * np.ones(200)).astype(np.float32)
    model, residual = reconstruct(flux, labels, medians, shifts, WAVELENGTH_UM)
    assert model.dtype == residual.dtype == np.float32
