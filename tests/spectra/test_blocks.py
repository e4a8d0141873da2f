"""Spectra that are read and written in pieces come to what they are in memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.clustering.profiles import cluster_profiles, shifts_to_medoids, stacked_snr
from survey.config import PrepareSettings
from survey.distances.noise import noise_energy
from survey.spectra import blocks as rows_module
from survey.spectra.blocks import row_blocks
from survey.spectra.mask import bad_planes
from survey.spectra.prepare import prepare
from survey.spectra.psf.profiles import RoundProfile

WAVELENGTH_UM = 12.0 + 0.0025 * np.arange(300)
WIDER = RoundProfile(np.linspace(2.0, 2.3, 300))


class Pieces:
    """A table that gives and takes no more than a few rows, or columns, at a time."""

    most = 60

    def __init__(self, values):
        self.values = values
        self.shape, self.dtype = values.shape, values.dtype

    def __getitem__(self, key):
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        part = self.values[rows][:, columns]
        if isinstance(rows, slice):
            assert part.size <= self.most * max(self.shape), "too much at once"
        return part.copy()

    def __setitem__(self, key, values):
        assert len(values) <= self.most
        self.values[key] = values

    def keep(self, kept):
        return Pieces(self.values[: len(kept)][kept])


def allocate(name, shape, dtype):
    return Pieces(np.full(shape, np.nan, dtype))


@pytest.fixture
def small_pieces(monkeypatch):
    for module in ("fill", "prepare", "psf.correct"):
        monkeypatch.setattr(f"survey.spectra.{module}.BLOCK_SAMPLES", 7 * 300)
    monkeypatch.setattr(rows_module, "READ_SAMPLES", 20 * 300)
    monkeypatch.setattr("survey.distances.noise._BLOCK_SAMPLES", 20 * 300)


@pytest.fixture(scope="module")
def voxels():
    rng = np.random.default_rng(3)
    n = 150
    line = np.exp(-0.5 * ((WAVELENGTH_UM - 12.4) / 0.004) ** 2)
    level = rng.uniform(1, 60, (n, 1))
    flux = (level * (1 + rng.uniform(0, 3, (n, 1)) * line) + rng.normal(size=(n, 300))).astype("f4")
    bad = rng.random(flux.shape) < 0.01
    bad[:, 250:253] = True
    bad[:10] = True
    bad[20, 100:120] = True
    flux[30] = -0.1
    return flux, np.full_like(flux, 0.5), bad


@pytest.mark.parametrize(
    "options",
    [
        {"shift_samples": 6},
        {"shift_km_s": 200.0},
        {"window_um": (12.1, 12.6)},
        {"settings": PrepareSettings(normalise="continuum-removed")},
        {"settings": PrepareSettings(normalise="line-masked"), "line_mask_um": ((12.39, 12.41),)},
        {"settings": PrepareSettings(snr_min=0.0)},
        {"settings": PrepareSettings(psf="subtract"), "psf": WIDER},
        {"settings": PrepareSettings(psf="match"), "psf": WIDER},
    ],
    ids=lambda options: str(options)[:60],
)
@pytest.mark.usefixtures("small_pieces")
def test_spectra_prepared_in_pieces_are_those_prepared_in_memory(voxels, options):
    options = {"settings": PrepareSettings(), **options}
    options["positions"] = np.divmod(np.arange(len(voxels[0])), 6)
    whole = prepare(*voxels, WAVELENGTH_UM, redshift=0.0, **options)
    pieces = [Pieces(table) for table in voxels]
    made = prepare(*pieces, WAVELENGTH_UM, redshift=0.0, allocate=allocate, **options)
    assert 50 < whole.flux.shape[0] < 140
    for name in ("spectra", "flux"):
        np.testing.assert_array_equal(getattr(made, name).values, getattr(whole, name))
    for name in (
        "noise",
        "snr",
        "scale",
        "filled",
        "spaxels",
        "is_compared",
        "mean_flux",
        "outcome",
    ):
        np.testing.assert_array_equal(getattr(made, name), getattr(whole, name))
    np.testing.assert_array_equal(made.brightness, whole.flux.mean(axis=1))
    np.testing.assert_array_equal(made.dropped_planes, whole.dropped_planes)


@pytest.mark.usefixtures("small_pieces")
def test_clusters_of_spectra_in_pieces_are_described_like_those_in_memory(voxels, monkeypatch):
    monkeypatch.setattr("survey.clustering.profiles._READ_SAMPLES", 20 * 300)
    monkeypatch.setattr("survey.clustering.profiles._BLOCK_SAMPLES", 40 * 100)
    given = prepare(*voxels, WAVELENGTH_UM, redshift=0.0, settings=PrepareSettings())
    n = len(given.spaxels)
    labels = 1 + np.arange(n) % 3
    medoids = np.array([3, 4, 5])
    flux, spectra = Pieces(given.flux), Pieces(given.spectra)
    shifts = shifts_to_medoids(given.spectra, labels, medoids, 4)
    np.testing.assert_array_equal(shifts_to_medoids(spectra, labels, medoids, 4), shifts)
    np.testing.assert_array_equal(noise_energy(spectra), noise_energy(given.spectra))
    np.testing.assert_allclose(stacked_snr(flux, labels), stacked_snr(given.flux, labels), 1e-4)
    y, x = np.divmod(np.arange(n), 12)
    options = {"scale": given.scale, "noise": given.noise, "y": y, "x": x}
    options["bridged"] = given.bridged
    whole = cluster_profiles(given.flux, labels, shifts, **options)
    made = cluster_profiles(flux, labels, shifts, **options)
    for name in ("median", "error", "std", "mean", "weighted_mean", "sum", "sum_error"):
        np.testing.assert_array_equal(getattr(made, name), getattr(whole, name))


@given(seed=st.integers(0, 1000), limit=st.floats(0, 1), samples=st.integers(1, 500))
def test_planes_are_condemned_by_all_spaxels_however_they_are_read(seed, limit, samples):
    rng = np.random.default_rng(seed)
    bad = rng.random((30, 20)) < rng.uniform(0, 1, 20)
    whole = bad_planes(bad, limit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_module, "READ_SAMPLES", samples)
        np.testing.assert_array_equal(bad_planes(bad, limit), whole)


@given(n=st.integers(0, 50), columns=st.integers(1, 9), samples=st.integers(1, 60))
def test_blocks_cover_all_rows_once(n, columns, samples):
    blocks = list(row_blocks((n, columns), samples))
    assert [row for block in blocks for row in range(block.start, block.stop)] == list(range(n))
    assert all((b.stop - b.start) * columns <= max(samples, columns) for b in blocks)
