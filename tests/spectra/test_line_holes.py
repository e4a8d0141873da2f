"""A hole on a line is filled with what the spaxels beside it have measured there."""

import numpy as np
import pytest

from survey.config import PrepareSettings
from survey.spectra.prepare import prepare

SIDE, PLANES = 12, 300
WAVELENGTH_UM = 12.5 + 0.0025 * np.arange(PLANES)
PEAK = 150
Y, X = np.divmod(np.arange(SIDE * SIDE), SIDE)
ROW = 5 * SIDE + 5
BESIDE = [ROW - SIDE, ROW - 1, ROW + 1, ROW + SIDE]


@pytest.fixture
def cube():
    """A narrow line, 60 sigma or more high, on a source that falls off as the PSF does."""
    light = 1 + 9 * np.exp(-0.5 * ((Y - 5.2) ** 2 + (X - 5.4) ** 2) / 2.0**2)
    line = np.exp(-0.5 * ((np.arange(PLANES) - PEAK - 0.2) / 0.8) ** 2)
    clean = 50.0 * light[:, None] * (1 + 1.2 * line)
    flux = clean + np.random.default_rng(0).normal(size=clean.shape)
    return flux.astype(np.float32), np.zeros(flux.shape, dtype=bool), clean


def prepared(flux, bad, positions=(Y, X), **changes):
    return prepare(
        flux, np.ones_like(flux), bad, WAVELENGTH_UM, redshift=0.0, positions=positions,
        settings=PrepareSettings(**changes),
    )  # fmt: skip


@pytest.mark.parametrize("planes", [[PEAK], [PEAK - 1, PEAK], [PEAK - 1, PEAK, PEAK + 1]])
def test_a_hole_on_a_line_keeps_the_line(cube, planes):
    flux, bad, clean = cube
    bad[ROW, planes] = True
    flux[ROW, planes] = np.nan
    height = clean[ROW, PEAK] - clean[ROW, 0]
    filled = np.asarray(prepared(flux, bad).flux)[ROW, planes]
    assert np.abs(filled - clean[ROW, planes]).max() < 0.08 * height
    bridged = np.asarray(prepared(flux, bad, positions=None).flux)[ROW, planes]
    assert np.abs(bridged - clean[ROW, planes]).max() > 0.3 * height


def test_a_hole_in_the_continuum_is_bridged_by_a_straight_line(cube):
    flux, bad, _ = cube
    bad[:, 40:43] = np.random.default_rng(1).random((len(bad), 3)) < 0.3
    flux[bad] = 0.0
    with_neighbours, alone = prepared(flux, bad), prepared(flux, bad, positions=None)
    assert np.array_equal(with_neighbours.flux, alone.flux)


def test_a_hot_voxel_beside_a_hole_is_not_copied_into_it(cube):
    flux, bad, clean = cube
    bad[ROW, PEAK] = True
    for row in BESIDE:
        hot = flux.copy()
        hot[row, PEAK] = 1e5
        filled = np.asarray(prepared(hot, bad).flux)[ROW, PEAK]
        assert filled == pytest.approx(clean[ROW, PEAK], rel=0.08)


def test_a_hot_voxel_at_the_peak_of_a_line_does_not_cost_the_line(cube):
    flux, bad, clean = cube
    flux[ROW, PEAK] = 1e5
    result = prepared(flux, bad)
    assert result.n_impossible.sum() == 1
    window = slice(PEAK - 5, PEAK + 6)
    line = (np.asarray(result.flux)[ROW, window] - clean[ROW, 0]).sum()
    assert line == pytest.approx((clean[ROW, window] - clean[ROW, 0]).sum(), rel=0.05)


def test_holes_in_blocks_of_rows_are_filled_as_in_one(cube, monkeypatch):
    flux, bad, _ = cube
    bad |= np.random.default_rng(2).random(bad.shape) < 0.03
    flux[bad] = 0.0
    whole = prepared(flux, bad)
    monkeypatch.setattr("survey.spectra.fill.BLOCK_SAMPLES", 7 * PLANES)
    monkeypatch.setattr("survey.spectra.blocks.READ_SAMPLES", 20 * PLANES)
    blockwise = prepared(flux, bad)
    assert np.array_equal(whole.flux, blockwise.flux)
    assert not np.array_equal(whole.flux, prepared(flux, bad, positions=None).flux)
