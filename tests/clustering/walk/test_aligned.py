"""Spectra are shifted onto each other, and means of groups add up."""

import numpy as np
import pytest

from survey.clustering.walk.aligned import align_to_components
from survey.distances.noise import noise_energy

N, MAX_SHIFT = 80, 4


class OnDisk:
    """A table of rows that is not an array."""

    def __init__(self, rows):
        self._rows, self.shape, self.dtype = rows, rows.shape, rows.dtype

    def __getitem__(self, key):
        return self._rows[key].copy()


@pytest.fixture
def shifted(make_shape):
    """Spectra displaced by whole samples, with a little noise, and their displacements."""
    rng = np.random.default_rng(4)
    moved = rng.integers(-2, 3, N)
    spectra = np.stack([make_shape("ab"[i % 2], shift=s) for i, s in enumerate(moved)])
    return spectra + rng.normal(scale=0.02, size=spectra.shape), moved


def aligned_of(spectra):
    snr = np.full(N, 50.0)
    return align_to_components(spectra, MAX_SHIFT, snr=snr, energy=noise_energy(spectra))


def test_a_table_that_is_not_an_array_gives_the_same(shifted):
    spectra, _ = shifted
    here, there = aligned_of(spectra), aligned_of(OnDisk(spectra))
    assert np.array_equal(here.starts, there.starts)
    some = np.arange(0, N, 3)
    np.testing.assert_allclose(here.mean(some).values, there.mean(some).values)


def test_means_of_groups_add_up_and_subtract(shifted):
    aligned = aligned_of(shifted[0])
    left, right = np.arange(N // 2), np.arange(N // 2, N)
    whole = aligned.mean(np.arange(N))
    joined = aligned.mean(left) + aligned.mean(right)
    for found in (joined, whole):
        np.testing.assert_allclose(found.values, whole.values)
        assert found.snr == pytest.approx(whole.snr)
    rest = whole - aligned.mean(left)
    np.testing.assert_allclose(rest.values, aligned.mean(right).values)
    assert rest.n == len(right)


def test_spectra_that_are_all_alike_stay_where_they_are(make_shape):
    spectra = np.tile(make_shape("a"), (N, 1))
    assert (aligned_of(spectra).starts == MAX_SHIFT).all()
