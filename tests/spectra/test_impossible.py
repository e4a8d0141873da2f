"""Impossible voxels are found, and lines of any source are not: in observed and simulated cubes."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
from scipy.special import erf

from survey.config import PrepareSettings, ReadSettings
from survey.cubes.registry import read_cube
from survey.simulate.archive import simulate_archive
from survey.spectra.constants import FWHM_PER_SIGMA
from survey.spectra.impossible import Neighbours, SpaxelGrid, impossible_voxels
from survey.spectra.noise import spectral_noise
from survey.spectra.prepare import prepare

OBSERVED = {
    "NGC 7469 short": "mrs/NGC7469_Level3_ch4-short_s3d.fits.gz",
    "NGC 7469 long": "mrs/NGC7469_Level3_ch4-long_s3d.fits.gz",
    "16 Cyg B": "mrs/16CygB_Level3_ch4-short_s3d.fits.gz",
    "A478": "muse/A478_minicube.fits.gz",
    "SAMI 209807": "sami/209807_A_sectors_red.fits.gz",
}
SHARPNESS = {
    "MRS": (2.5, 1.7),
    "a narrow line of an undersampled source": (1.0, 1.5),
    "an undersampled line of a narrow source": (1.5, 1.0),
    "one spaxel and one plane wide": (1.0, 1.0),
    "a source inside one spaxel": (0.6, 2.2),
    "one spaxel alone": (0.0, 2.2),
}
"""FWHM of the PSF in spaxels and of the line in planes; no PSF at all for zero."""


@dataclass(frozen=True)
class Spectra:
    """A cube as a table, with the places of its rows."""

    flux: np.ndarray
    bad: np.ndarray
    y: np.ndarray
    x: np.ndarray

    @cached_property
    def noise(self):
        return spectral_noise(self.flux, ~self.bad)

    def impossible(self, flux=None, bad=None):
        flux, bad = self.flux if flux is None else flux, self.bad if bad is None else bad
        whole = slice(0, len(flux))
        beside = Neighbours(SpaxelGrid(self.y, self.x), flux, bad, 0, flux, bad)
        return set(zip(*impossible_voxels(flux, bad, whole, beside), strict=True))


def as_spectra(cube):
    bad = cube["bad"].values
    y, x = np.nonzero(bad.mean(axis=0) < 0.3)
    return Spectra(cube["flux"].values[:, y, x].T.copy(), bad[:, y, x].T.copy(), y, x)


@pytest.fixture(scope="module", params=OBSERVED)
def observed(request, shared_data):
    return as_spectra(read_cube(shared_data / OBSERVED[request.param], ReadSettings()))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A nucleus, a cone and clumps at S/N 100, with lines of several hundred sigma."""
    folder = tmp_path_factory.mktemp("simulated")
    simulate_archive(folder, 1, size=(24, 24), window=(12.4, 13.4), seed=11, snr=100.0)
    (path,) = folder.rglob("*_s3d.fits")
    return as_spectra(read_cube(path, ReadSettings()))


def injected_line(spectra, row, plane, amplitude, widths, rng):
    """The flux with the line of an unresolved source of so many sigma in its brightest voxel."""

    def sampled(distance, fwhm):
        if not fwhm:
            return (np.rint(distance) == 0).astype(float)
        edges = np.array([distance - 0.5, distance + 0.5]) * FWHM_PER_SIGMA / fwhm / np.sqrt(2)
        return np.diff(erf(edges), axis=0)[0]

    of_psf, of_line = widths
    dy, dx, dk = rng.uniform(-0.5, 0.5, 3) * (of_psf > 0)
    image = sampled(spectra.y - spectra.y[row] - dy, of_psf)
    image *= sampled(spectra.x - spectra.x[row] - dx, of_psf)
    profile = sampled(np.arange(spectra.flux.shape[1]) - plane - dk, of_line)
    line = np.outer(image / image.max(), profile / profile.max())
    return (spectra.flux + amplitude * spectra.noise[row] * line).astype(np.float32)


def random_voxels(spectra, count, rng):
    rows = rng.integers(0, len(spectra.flux), count)
    planes = rng.integers(0, spectra.flux.shape[1], count)
    good = ~spectra.bad[rows, planes]
    return rows[good], planes[good]


@pytest.mark.real_data
def test_of_observed_cubes_at_most_a_voxel_is_taken_for_impossible(observed):
    assert len(observed.impossible()) <= 1


@pytest.mark.real_data
@pytest.mark.parametrize("sigma", [300.0, -300.0, 1e5, np.inf])
def test_hot_dead_and_sentinel_voxels_are_found_and_nothing_else(observed, sigma):
    rng = np.random.default_rng(1)
    rows, planes = random_voxels(observed, 200, rng)
    flux = observed.flux.copy()
    flux[rows, planes] += np.float32(1e30) if np.isinf(sigma) else sigma * observed.noise[rows]
    wanted = set(zip(rows, planes, strict=True))
    found = observed.impossible(flux)
    # At the red end of channel 4 the noise is ten times that of the whole spectrum.
    least = 0.9 if abs(sigma) < 1e3 else 0.98
    assert len(found & wanted) >= least * len(wanted)
    assert len(found - wanted) <= 3


@pytest.mark.real_data
def test_hot_voxels_among_holes_are_found(observed):
    rng = np.random.default_rng(2)
    bad = observed.bad | (rng.random(observed.bad.shape) < 0.05)
    flux = np.where(bad, 0.0, observed.flux).astype(np.float32)
    rows, planes = random_voxels(observed, 200, rng)
    rows, planes = rows[~bad[rows, planes]], planes[~bad[rows, planes]]
    flux[rows, planes] += 1e3 * observed.noise[rows]
    found = observed.impossible(flux, bad)
    assert len(found & set(zip(rows, planes, strict=True))) >= 0.95 * len(rows)


@pytest.mark.real_data
@pytest.mark.parametrize("widths", SHARPNESS.values(), ids=SHARPNESS)
def test_a_line_of_100_sigma_is_never_touched_in_observed_cubes(observed, widths):
    rng = np.random.default_rng(3)
    before = observed.impossible()
    for row, plane in zip(*random_voxels(observed, 25, rng), strict=True):
        flux = injected_line(observed, row, plane, 100.0, widths, rng)
        assert observed.impossible(flux) <= before


@pytest.mark.parametrize("widths", SHARPNESS.values(), ids=SHARPNESS)
def test_a_line_of_100_sigma_is_never_touched_in_simulated_cubes(simulated, widths):
    rng = np.random.default_rng(4)
    assert not simulated.impossible()
    for row, plane in zip(*random_voxels(simulated, 25, rng), strict=True):
        assert not simulated.impossible(injected_line(simulated, row, plane, 100.0, widths, rng))


def test_a_hot_voxel_on_a_strong_line_is_masked_and_the_line_is_not(simulated):
    peak = simulated.flux[:, 1:-1].max(axis=0).argmax() + 1
    continuum = np.median(simulated.flux, axis=1)
    amplitude = simulated.flux[:, peak] - continuum
    row = int(amplitude.argmax())
    assert amplitude[row] > 100 * simulated.noise[row]
    for plane in (peak - 1, peak, peak + 1):
        flux = simulated.flux.copy()
        flux[row, plane] += 20 * amplitude[row]
        assert simulated.impossible(flux) == {(row, plane)}


def test_two_hot_voxels_side_by_side_on_the_sky_are_both_found(simulated):
    row = int(np.flatnonzero((simulated.y == 12) & (simulated.x == 12))[0])
    flux = simulated.flux.copy()
    flux[[row, row + 1], 100] += 1e4 * simulated.noise[[row, row + 1]]
    assert simulated.impossible(flux) == {(row, 100), (row + 1, 100)}


@pytest.mark.parametrize("plane", [0, 1, 2, -3, -2, -1])
def test_hot_voxels_at_the_ends_of_a_spectrum_are_found(simulated, plane):
    flux = simulated.flux.copy()
    flux[40, plane] += 1e4 * simulated.noise[40]
    assert simulated.impossible(flux) == {(40, plane % flux.shape[1])}


def test_rows_in_blocks_give_what_all_rows_give_and_read_only_neighbours(simulated):
    rng = np.random.default_rng(5)
    rows, planes = random_voxels(simulated, 60, rng)
    flux = simulated.flux.copy()
    flux[rows, planes] += 1e3 * simulated.noise[rows]
    # A bright line in the first row of a block, whose part on the sky is in the block before.
    at_edge = int(np.flatnonzero(simulated.y == 12)[0])
    read = []

    class OnDisk:
        shape, dtype = flux.shape, flux.dtype

        def __init__(self, table):
            self.table = table

        def __getitem__(self, key):
            read.append(key.stop - key.start)
            return self.table[key].copy()

    grid, found = SpaxelGrid(simulated.y, simulated.x), set()
    for start in range(0, len(flux), at_edge):
        block = slice(start, min(start + at_edge, len(flux)))
        here, bad = flux[block], simulated.bad[block]
        beside = Neighbours(grid, OnDisk(flux), OnDisk(simulated.bad), start, here, bad)
        r, k = impossible_voxels(here, bad, block, beside)
        found |= set(zip(start + r, k, strict=True))
    assert found == simulated.impossible(flux)
    assert read
    assert max(read) <= 24 + 2


def test_without_places_only_numbers_too_large_for_a_flux_are_masked(simulated):
    flux = simulated.flux.copy()
    flux[40, 50] += 1e4 * simulated.noise[40]
    flux[41, 60:64] = 1e30
    r, k = impossible_voxels(flux, simulated.bad, slice(0, len(flux)))
    assert list(zip(r, k, strict=True)) == [(41, plane) for plane in range(60, 64)]


def test_a_spectrum_without_noise_has_no_impossible_voxels():
    wavelength = np.arange(300.0)
    flux = (50 + 20 * np.exp(-0.5 * ((wavelength - 150) / 2) ** 2)) * np.ones((40, 1))
    y, x = np.divmod(np.arange(40), 8)
    spectra = Spectra(flux.astype(np.float32), np.zeros(flux.shape, bool), y, x)
    assert not spectra.impossible()
    zeros = Spectra(np.zeros_like(spectra.flux), spectra.bad, y, x)
    assert not zeros.impossible()


@pytest.mark.parametrize("shift", [{"shift_samples": 6}, {"shift_km_s": 300.0}])
def test_preparation_masks_counts_and_bridges_them_on_either_grid(simulated, shift):
    wavelength_um = np.linspace(12.4, 13.4, simulated.flux.shape[1])
    hot = simulated.flux.copy()
    rows, planes = [30, 200, 201], [100, 50, 300]
    hot[rows, planes] = 1e30

    def prepared(flux, **changes):
        return prepare(
            flux, np.ones_like(flux), simulated.bad, wavelength_um, redshift=0.0,
            settings=PrepareSettings(**changes), positions=(simulated.y, simulated.x), **shift,
        )  # fmt: skip

    clean, found = prepared(simulated.flux), prepared(hot)
    assert clean.n_impossible.sum() == 0
    assert np.flatnonzero(found.n_impossible).tolist() == rows
    assert np.array_equal(found.spaxels, clean.spaxels)
    difference = np.abs(np.asarray(found.flux) - np.asarray(clean.flux)) / clean.noise[:, None]
    assert difference.max() < 10
    # Not masked, they make the noise of their spectra, and these are left out.
    assert len(prepared(hot, mask_impossible=False).spaxels) == len(clean.spaxels) - len(rows)
