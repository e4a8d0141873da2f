"""Distances strip by strip: the same matrix, with only two strips at hand."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import squareform

from survey.distances.distances import shifted_distances
from survey.distances.noise import without_noise
from survey.distances.strips import (
    MIN_STRIP,
    StripDistances,
    mean_spectrum,
    rectangle_bytes,
    strip_length,
    strip_pairs,
    subtract_noise,
    write_rectangle,
)
from survey.errors import DataError


def random_spectra(n_spectra, n_samples, seed=0):
    """A sloping continuum with a displaced emission line, and noise."""
    rng = np.random.default_rng(seed)
    sample = np.arange(n_samples)
    centre = n_samples / 2 + rng.uniform(-4, 4, (n_spectra, 1))
    line = rng.uniform(0.5, 2, (n_spectra, 1)) * np.exp(-0.5 * ((sample - centre) / 3) ** 2)
    return 3.0 + 0.5 * sample / n_samples + line + 0.05 * rng.normal(size=(n_spectra, n_samples))


def condensed_by_strips(spectra, max_shift, rows, **options):
    """The whole matrix from rectangles; spectra are only read by slices."""
    blocks = (spectra[start : start + rows] for start in range(0, len(spectra), rows))
    strips = StripDistances(mean_spectrum(blocks), max_shift, **options)
    condensed = np.full(len(spectra) * (len(spectra) - 1) // 2, np.nan, strips.dtype)
    n_at_limit = n_pairs = 0
    for pair in strip_pairs(len(spectra), rows):
        right = None if pair.is_diagonal else spectra[pair.second]
        rectangle = strips.rectangle(spectra[pair.first], right)
        assert rectangle.n_pairs == pair.n_pairs
        write_rectangle(condensed, len(spectra), pair, rectangle.values)
        n_at_limit += rectangle.n_at_limit
        n_pairs += rectangle.n_pairs
    return condensed, n_at_limit / n_pairs


@pytest.mark.parametrize("engine", ["naive", "gemm", "fft"])
@pytest.mark.parametrize("rows", [1, 70, 129, 300, 1000])
def test_strips_give_the_distances_of_the_whole(engine, rows):
    spectra = random_spectra(12 if rows == 1 else 300, 90)
    whole = shifted_distances(spectra, 5, engine=engine, dtype="float64")
    condensed, at_limit = condensed_by_strips(spectra, 5, rows, engine=engine, dtype="float64")
    np.testing.assert_allclose(condensed, whole.condensed, rtol=1e-10, atol=1e-12)
    assert at_limit == whole.at_limit_fraction


@given(
    n_spectra=st.integers(2, 150),
    n_samples=st.integers(1, 120),
    rows=st.integers(1, 160),
    shift_fraction=st.floats(0, 1),
)
def test_in_single_precision_strips_differ_from_the_whole_by_rounding(
    n_spectra, n_samples, rows, shift_fraction
):
    max_shift = int(shift_fraction * min(8, (n_samples - 1) // 2))
    spectra = random_spectra(n_spectra, n_samples).astype(np.float32)
    whole = shifted_distances(spectra, max_shift, dtype="float32").condensed
    condensed, _ = condensed_by_strips(spectra, max_shift, max(rows, n_spectra // 8))
    assert condensed.dtype == np.float32
    np.testing.assert_allclose(condensed, whole, rtol=0, atol=1e-5 * (np.median(whole) + 0.1))


def test_threads_do_not_change_a_rectangle():
    spectra = random_spectra(300, 80)
    mean = mean_spectrum([spectra])
    alone = StripDistances(mean, 4).rectangle(spectra[:200], spectra[200:])
    together = StripDistances(mean, 4, threads=3).rectangle(spectra[:200], spectra[200:])
    np.testing.assert_array_equal(alone.values, together.values)
    assert alone.n_at_limit == together.n_at_limit


def test_a_strip_with_itself_is_symmetric_with_nothing_on_the_diagonal():
    spectra = random_spectra(300, 40)
    values = StripDistances(mean_spectrum([spectra]), 3).rectangle(spectra).values
    np.testing.assert_array_equal(values, values.T)
    assert not values.diagonal().any()


def test_noise_is_subtracted_from_a_rectangle_as_from_the_condensed_matrix():
    spectra = random_spectra(50, 40)
    condensed = shifted_distances(spectra, 3, dtype="float32").condensed
    energy = np.random.default_rng(1).uniform(0, 0.6, 50) * np.median(condensed)
    expected = squareform(without_noise(condensed, energy))
    within_noise = condensed < squareform(np.add.outer(energy, energy), checks=False)
    assert 0.05 < within_noise.mean() < 0.95
    square = squareform(condensed)
    rectangle = square[:20, 20:].copy()
    subtract_noise(rectangle, energy[:20], energy[20:])
    np.testing.assert_array_equal(rectangle, expected[:20, 20:])
    subtract_noise(square, energy)
    np.testing.assert_array_equal(square, expected)


@given(n_spectra=st.integers(2, 60), rows=st.integers(1, 60))
def test_strip_pairs_cover_every_pair_of_spectra_once_dearest_first(n_spectra, rows):
    pairs = strip_pairs(n_spectra, rows)
    seen = np.zeros((n_spectra, n_spectra), int)
    for pair in pairs:
        seen[pair.first, pair.second] += 1
    np.testing.assert_array_equal(np.triu(seen), np.triu(np.ones_like(seen)))
    costs = [pair.n_pairs for pair in pairs]
    assert costs == sorted(costs, reverse=True)
    assert sum(costs) == n_spectra * (n_spectra - 1) // 2


@given(
    n_spectra=st.integers(1, 10**6),
    n_samples=st.integers(20, 5000),
    memory=st.floats(1e6, 1e11),
)
def test_strips_are_as_long_as_memory_allows(n_spectra, n_samples, memory):
    rows = strip_length(n_spectra, n_samples, 6, memory)
    assert 1 <= rows <= n_spectra
    assert rows == 1 or rectangle_bytes(rows, n_samples, 6) <= memory


def test_a_gigabyte_is_enough_for_strips_of_efficient_length_of_a_muse_cube():
    assert strip_length(90_000, 3_700, 6, 2**30) >= MIN_STRIP


def test_memory_is_what_was_projected():
    rows, n_samples = 600, 700
    spectra = random_spectra(2 * rows, n_samples).astype(np.float32)
    strips = StripDistances(mean_spectrum([spectra]), 6)
    tracemalloc.start()
    strips.rectangle(spectra[:rows], spectra[rows:])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    given_spectra = spectra.nbytes
    projected = rectangle_bytes(rows, n_samples, 6) - given_spectra
    assert 0.7 * projected < peak < 1.3 * projected


@pytest.mark.parametrize("side", [0, 1])
def test_unusable_spectra_are_refused_on_either_side(side):
    spectra = [np.ones((3, 20)), np.ones((4, 20))]
    spectra[side][1, 2] = np.nan
    with pytest.raises(DataError, match="missing values"):
        StripDistances(np.ones(20), 2).rectangle(*spectra)
