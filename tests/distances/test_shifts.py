"""Shifts relative to a reference, and alignment by them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.distances.distances import shifted_distances
from survey.distances.shifts import align, best_shifts
from survey.errors import DataError


def line_spectrum(centre, n_samples=80):
    """A continuum with an emission line at a sample."""
    sample = np.arange(n_samples)
    return 1.0 + 0.01 * sample + np.exp(-0.5 * ((sample - centre) / 2) ** 2)


def test_a_line_to_the_blue_of_the_reference_is_a_positive_shift():
    reference = line_spectrum(40)
    spectra = np.array([line_spectrum(37), line_spectrum(40), line_spectrum(42)])
    assert best_shifts(spectra, reference, 6).tolist() == [3, 0, -2]


@given(
    starts=st.lists(st.integers(-7, 7), min_size=1, max_size=8),
    seed=st.integers(0, 99),
)
@settings(max_examples=30, deadline=None)
def test_displacements_are_found_and_undone(starts, seed):
    series = np.random.default_rng(seed).normal(size=140)
    reference = series[40:100]
    spectra = np.array([series[40 + start : 100 + start] for start in starts])
    shifts = best_shifts(spectra, reference, 7)
    assert shifts.tolist() == starts

    aligned = align(spectra, shifts)
    known = np.isfinite(aligned)
    assert (~known).sum(axis=1).tolist() == [abs(start) for start in starts]
    np.testing.assert_array_equal(aligned[known], np.broadcast_to(reference, aligned.shape)[known])


@given(st.floats(-5, 5))
@settings(max_examples=30, deadline=None)
def test_fractions_of_a_sample_are_found_and_undone(start):
    reference = line_spectrum(40)
    spectra = np.array([line_spectrum(40 - start)]) + 0.01 * start
    (shift,) = best_shifts(spectra, reference, 7, subsample=True)
    assert shift == pytest.approx(start, abs=0.05)
    (aligned,) = align(spectra, np.array([start]))
    middle = slice(12, -12)
    np.testing.assert_allclose(aligned[middle], reference[middle], atol=0.02)


def test_fractions_beside_the_largest_lag_and_without_a_shift_are_none():
    spectra = np.array([line_spectrum(33), line_spectrum(36.6)])
    reference = line_spectrum(40)
    assert best_shifts(spectra, reference, 3, subsample=True).tolist() == [3.0, 3.0]
    assert best_shifts(spectra[:, :40], reference[:40], 0, subsample=True).tolist() == [0.0, 0.0]


@given(st.floats(-3, 3))
def test_interpolation_keeps_a_constant_and_as_many_samples_as_a_whole_shift(shift):
    flat = np.full((1, 40), 7.0)
    aligned = align(flat, np.array([shift]))
    known = np.isfinite(aligned)
    np.testing.assert_allclose(aligned[known], 7.0)
    assert (~known).sum() == abs(round(shift))


def test_shifts_are_those_of_the_clustering_distance():
    rng = np.random.default_rng(1)
    spectra = np.array([line_spectrum(40 + offset) for offset in rng.integers(-5, 6, 30)])
    spectra += 0.1 * rng.normal(size=spectra.shape)
    shifts = best_shifts(spectra, spectra[0], 6)
    distances = shifted_distances(spectra, 6, engine="naive").condensed[:29]
    for spectrum, shift, distance in zip(spectra[1:], shifts[1:], distances, strict=True):
        k = np.arange(max(0, -shift), min(80, 80 - shift))
        overlap = np.sum((spectrum[k] - spectra[0, k + shift]) ** 2)
        assert 80 / len(k) * overlap == pytest.approx(distance, rel=1e-9)


def test_of_equally_good_shifts_the_smallest_is_taken():
    flat = np.ones((2, 30))
    assert best_shifts(flat, flat[0], 5).tolist() == [0, 0]


def test_many_spectra_are_handled_in_batches(monkeypatch):
    spectra = np.array([line_spectrum(40 + k % 5) for k in range(25)])
    whole = best_shifts(spectra, spectra[0], 6)
    monkeypatch.setattr("survey.distances.shifts.BATCH", 7)
    np.testing.assert_array_equal(best_shifts(spectra, spectra[0], 6), whole)


def test_aligning_keeps_precision_and_gaps():
    spectra = np.arange(12, dtype=np.float32).reshape(2, 6)
    spectra[0, 2] = np.nan
    aligned = align(spectra, np.array([1, -2]))
    assert aligned.dtype == np.float32
    nan = np.nan
    expected = [[nan, 0, 1, nan, 3, 4], [8, 9, 10, 11, nan, nan]]
    np.testing.assert_array_equal(aligned, expected)


@pytest.mark.parametrize(
    ("spectra", "reference", "max_shift", "message"),
    [
        (np.ones((2, 20)), np.ones(21), 3, "another grid"),
        (np.ones((2, 20)), np.full(20, np.nan), 3, "missing values"),
        (np.full((2, 20), np.nan), np.ones(20), 3, "missing values"),
        (np.ones((2, 20)), np.ones(20), 10, "shift does not fit"),
    ],
)
def test_incomparable_spectra_are_refused(spectra, reference, max_shift, message):
    with pytest.raises(DataError, match=message):
        best_shifts(spectra, reference, max_shift)
