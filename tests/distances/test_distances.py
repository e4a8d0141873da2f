"""Shift-minimised distances: the engines against the definition, and the laws they obey."""

import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import squareform

from survey.distances import distances as distances_module
from survey.distances.distances import shifted_distances
from survey.distances.engines.fft import BlockTransform, best_transform_size
from survey.distances.strips import StripDistances
from survey.errors import DataError

FAST_ENGINES = ("gemm", "fft")
ENGINES = ("naive", *FAST_ENGINES)

# Largest error in units of the median distance, and of a pair's squared norms about the mean.
TOLERANCE = {"float64": 1e-9, "float32": 1e-4}
NORM_TOLERANCE = {"float64": 1e-13, "float32": 2e-6}


def random_spectra(n_spectra, n_samples, seed=0):
    """A sloping continuum with a displaced emission line, and noise."""
    rng = np.random.default_rng(seed)
    sample = np.arange(n_samples)
    centre = n_samples / 2 + rng.uniform(-4, 4, (n_spectra, 1))
    line = rng.uniform(0.5, 2, (n_spectra, 1)) * np.exp(-0.5 * ((sample - centre) / 3) ** 2)
    noise = 0.05 * rng.normal(size=(n_spectra, n_samples))
    return 3.0 + 0.5 * sample / n_samples + line + noise


def by_definition(spectra, max_shift):
    """The formula in plain loops, with the lag that wins."""
    n_spectra, n_samples = spectra.shape
    nearest, winners = [], []
    for i in range(n_spectra):
        for j in range(i + 1, n_spectra):
            values = {}
            for lag in range(-max_shift, max_shift + 1):
                pairs = [(k, k + lag) for k in range(n_samples) if 0 <= k + lag < n_samples]
                total = sum((spectra[i, k] - spectra[j, m]) ** 2 for k, m in pairs)
                values[lag] = n_samples / len(pairs) * total
            winners.append(min(values, key=values.get))
            nearest.append(values[winners[-1]])
    return np.array(nearest), np.array(winners)


def windows_of(series, starts, n_samples):
    """Spectra that are displaced copies of one another."""
    return np.array([series[start : start + n_samples] for start in starts])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("max_shift", [0, 1, 4])
def test_engines_compute_the_definition(engine, max_shift):
    spectra = random_spectra(7, 30)
    nearest, winners = by_definition(spectra, max_shift)
    result = shifted_distances(spectra, max_shift, engine=engine)
    np.testing.assert_allclose(result.condensed, nearest, rtol=1e-10)
    at_limit = np.mean(np.abs(winners) == max_shift) if max_shift else 0.0
    assert result.at_limit_fraction == pytest.approx(at_limit)


@given(
    engine=st.sampled_from(FAST_ENGINES),
    dtype=st.sampled_from(sorted(TOLERANCE)),
    n_spectra=st.integers(2, 150),
    n_samples=st.integers(1, 160),
    shift_fraction=st.floats(0, 1),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_engines_agree_with_naive_for_any_shape(
    engine, dtype, n_spectra, n_samples, shift_fraction, seed
):
    max_shift = int(shift_fraction * min(10, (n_samples - 1) // 2))
    spectra = random_spectra(n_spectra, n_samples, seed)
    naive = shifted_distances(spectra, max_shift, engine="naive", dtype="float64").condensed
    fast = shifted_distances(spectra, max_shift, engine=engine, dtype=dtype).condensed
    assert fast.dtype == dtype
    scale = np.median(naive) + 1e-4
    np.testing.assert_allclose(fast, naive, rtol=0, atol=TOLERANCE[dtype] * scale)


@pytest.mark.real_data
@pytest.mark.parametrize("engine", FAST_ENGINES)
@pytest.mark.parametrize("dtype", sorted(TOLERANCE))
@pytest.mark.parametrize("max_shift", [0, 6])
def test_engines_agree_with_naive_on_real_spectra(ngc7469_spectra, engine, dtype, max_shift):
    naive = shifted_distances(ngc7469_spectra, max_shift, engine="naive", dtype="float64")
    fast = shifted_distances(ngc7469_spectra, max_shift, engine=engine, dtype=dtype)
    error = np.abs(fast.condensed - naive.condensed)
    assert error.max() <= TOLERANCE[dtype] * np.median(naive.condensed)
    # Relative to each distance itself. In single precision this fails for one pair in 5,000:
    # spectra far from the mean and 1,000 times nearer to each other.
    relative = error / naive.condensed
    assert np.mean(relative > TOLERANCE[dtype]) <= (0 if dtype == "float64" else 2e-4)
    # What rounding is proportional to, for every pair: the distances from the mean spectrum.
    norms = np.sum((ngc7469_spectra - ngc7469_spectra.mean(axis=0)) ** 2, axis=1)
    first, second = np.triu_indices(len(norms), 1)
    assert np.all(error <= NORM_TOLERANCE[dtype] * (norms[first] + norms[second]))
    assert fast.at_limit_fraction == pytest.approx(naive.at_limit_fraction, abs=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
@given(seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_reordering_the_spectra_reorders_the_distances(engine, seed):
    spectra = random_spectra(70, 60, seed)
    order = np.random.default_rng(seed).permutation(len(spectra))
    square = squareform(shifted_distances(spectra, 5, engine=engine).condensed)
    reordered = squareform(shifted_distances(spectra[order], 5, engine=engine).condensed)
    np.testing.assert_allclose(reordered, square[np.ix_(order, order)], rtol=1e-10)


@pytest.mark.parametrize("engine", ENGINES)
@given(factor=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_scaled_spectra_have_distances_scaled_by_the_square(engine, factor, seed):
    spectra = random_spectra(20, 60, seed)
    plain = shifted_distances(spectra, 5, engine=engine).condensed
    scaled = shifted_distances(factor * spectra, 5, engine=engine).condensed
    np.testing.assert_allclose(scaled, factor**2 * plain, rtol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("max_shift", [0, 6])
def test_identical_spectra_have_no_distance_and_none_is_negative(engine, max_shift):
    spectra = np.repeat(random_spectra(10, 90), 9, axis=0)
    square = squareform(shifted_distances(spectra, max_shift, engine=engine).condensed)
    same = np.arange(90)[:, None] // 9 == np.arange(90) // 9
    assert square.min() >= 0
    assert square[same].max() < 1e-12 * square[~same].min()


@pytest.mark.parametrize("engine", ENGINES)
@given(
    starts=st.lists(st.integers(0, 5), min_size=2, max_size=6),
    n_samples=st.integers(20, 120),
    seed=st.integers(0, 99),
)
@settings(max_examples=15, deadline=None)
def test_displaced_copies_have_no_distance(engine, starts, n_samples, seed):
    series = np.random.default_rng(seed).normal(size=200)
    copies = windows_of(series, starts, n_samples)
    result = shifted_distances(copies, 5, engine=engine)
    assert result.condensed.max() < 1e-12 * n_samples


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("displacement", "fraction"), [(4, 0.0), (5, 1.0), (-5, 1.0)])
def test_only_displacements_by_the_largest_shift_are_at_the_limit(engine, displacement, fraction):
    series = np.random.default_rng(0).normal(size=100)
    copies = windows_of(series, (10, 10 + displacement), 60)
    result = shifted_distances(copies, 5, engine=engine)
    assert result.at_limit_fraction == fraction


@pytest.mark.parametrize("engine", ENGINES)
def test_pairs_for_which_every_shift_is_as_good_are_not_at_the_limit(engine):
    assert shifted_distances(np.ones((4, 30)), 3, engine=engine).at_limit_fraction == 0


@pytest.mark.parametrize("engine", FAST_ENGINES)
def test_a_bright_common_continuum_costs_no_precision_in_float32(engine):
    spectra = 1000.0 + random_spectra(80, 300)
    exact = shifted_distances(spectra, 6, engine="naive", dtype="float64").condensed
    centred = shifted_distances(spectra, 6, engine=engine, dtype="float32").condensed
    assert np.abs(centred - exact).max() < 1e-4 * np.median(exact)

    # The same expansion about zero instead of the mean spectrum has lost everything.
    single = spectra.astype(np.float32)
    norms = np.sum(single**2, axis=1)
    expanded = norms[:, None] + norms - 2 * single @ single.T
    unshifted = shifted_distances(spectra, 0, engine="naive", dtype="float64").condensed
    error = expanded[np.triu_indices(80, 1)] - unshifted
    assert np.abs(error).max() > np.median(unshifted)


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_do_not_change_the_result(engine):
    spectra = random_spectra(300, 80)
    alone = shifted_distances(spectra, 4, engine=engine)
    together = shifted_distances(spectra, 4, engine=engine, threads=3)
    np.testing.assert_array_equal(alone.condensed, together.condensed)
    assert alone.at_limit_fraction == together.at_limit_fraction


@pytest.mark.parametrize("engine", FAST_ENGINES)
def test_no_square_matrix_is_ever_held(engine):
    spectra = random_spectra(2500, 30)
    tracemalloc.start()
    result = shifted_distances(spectra, 2, engine=engine, dtype="float64")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    square = 8 * len(spectra) ** 2
    assert result.condensed.nbytes < peak < 0.95 * square


def test_auto_takes_products_without_shifts_and_fourier_blocks_with_them():
    spectra = random_spectra(4, 500)
    assert shifted_distances(spectra, 0).engine == "gemm"
    assert shifted_distances(spectra, 6).engine == "fft"
    assert shifted_distances(spectra[:, :20], 1).engine == "gemm"


def test_auto_takes_single_precision_for_many_spectra(monkeypatch):
    spectra = random_spectra(6, 40)
    assert shifted_distances(spectra, 2).dtype == "float64"
    monkeypatch.setattr(distances_module, "MAX_FLOAT64_SPECTRA", 5)
    many = shifted_distances(spectra, 2)
    assert many.dtype == "float32"
    assert many.condensed.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.int64, ">f4"])
def test_spectra_of_any_real_type_are_taken(dtype):
    spectra = (100 * random_spectra(5, 40)).astype(dtype)
    result = shifted_distances(spectra, 2).condensed
    exact = shifted_distances(spectra.astype(np.float64), 2).condensed
    np.testing.assert_allclose(result, exact, rtol=1e-9)


@pytest.mark.parametrize("max_shift", [0, 1, 3, 6, 20])
@pytest.mark.parametrize("n_samples", [50, 2400])
def test_block_transform_correlates_a_block_with_the_segment_around_it(n_samples, max_shift):
    transform = BlockTransform(best_transform_size(n_samples, max_shift), max_shift)
    rng = np.random.default_rng(0)
    block, segment = rng.normal(size=transform.block), rng.normal(size=transform.size)

    def halves(values):
        cosines, sines = transform.waves(len(values))
        first, last = np.split(values, 2)
        return cosines @ (first + last[::-1]), sines @ (first - last[::-1])

    (a, b), (c, d) = halves(block), halves(segment)
    real = np.concatenate([a[:1] * c[:1], b[:1] * d[:1], (a * c + b * d)[1:]])
    imaginary = (a * d - b * c)[1:]
    even, odd = transform.inverse(np.ones(max_shift + 1))
    even = np.concatenate([group.T @ real for group in even])[-max_shift - 1 :]
    odd = np.concatenate([group.T @ imaginary for group in odd])[-max_shift - 1 :]
    correlation = np.correlate(segment, block, mode="valid")
    np.testing.assert_allclose(even + odd, correlation[max_shift:], atol=1e-12)
    np.testing.assert_allclose(even - odd, correlation[max_shift::-1], atol=1e-12)


@given(
    dtype=st.sampled_from(sorted(TOLERANCE)),
    n_spectra=st.integers(2, 120),
    n_samples=st.integers(3, 700),
    max_shift=st.integers(0, 17),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_fourier_blocks_agree_with_one_product_per_lag_to_rounding(
    dtype, n_spectra, n_samples, max_shift, seed
):
    max_shift = min(max_shift, (n_samples - 1) // 2)
    spectra = random_spectra(n_spectra, n_samples, seed)
    by_lag = shifted_distances(spectra, max_shift, engine="gemm", dtype="float64")
    by_block = shifted_distances(spectra, max_shift, engine="fft", dtype=dtype)
    norms = np.sum((spectra - spectra.mean(axis=0)) ** 2, axis=1)
    first, second = np.triu_indices(n_spectra, 1)
    scale = (norms[first] + norms[second]) * n_samples / (n_samples - max_shift)
    error = np.abs(by_block.condensed - by_lag.condensed)
    assert np.all(error <= {"float64": 1e-14, "float32": 1e-6}[dtype] * scale)


@given(
    n_left=st.integers(1, 300),
    n_right=st.integers(1, 300),
    n_samples=st.integers(1, 120),
    shift_fraction=st.floats(0, 1),
)
@settings(max_examples=40, deadline=None)
def test_fourier_blocks_of_two_sides_have_the_nearest_lag_of_the_definition(
    n_left, n_right, n_samples, shift_fraction
):
    max_shift = int(shift_fraction * min(9, (n_samples - 1) // 2))
    spectra = random_spectra(n_left + n_right, n_samples)
    left, right = spectra[:n_left], spectra[n_left:]
    mean = spectra.mean(axis=0)
    found = {
        engine: StripDistances(mean, max_shift, engine=engine, dtype="float64").rectangle(
            left, right
        )
        for engine in ("naive", "fft")
    }
    np.testing.assert_allclose(
        found["fft"].values, found["naive"].values, rtol=1e-10, atol=1e-12 * n_samples
    )
    assert found["fft"].n_at_limit == found["naive"].n_at_limit


ON_ANOTHER_PROCESSOR = """
import sys
import numpy as np
from survey.distances.distances import shifted_distances
from survey.distances.engines.fft_kernel import VECTOR_BYTES
spectra = np.load(sys.argv[1])
found = [shifted_distances(spectra, 6, engine="fft", dtype=t) for t in ("float32", "float64")]
np.savez(sys.argv[2], *(result.condensed for result in found), bytes=VECTOR_BYTES)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("features", "vector"), [("", 16), ("+avx,+avx2,+fma", 32)])
def test_processors_with_narrower_vectors_find_the_same(tmp_path, features, vector):
    spectra = random_spectra(70, 300)
    np.save(tmp_path / "spectra.npy", spectra)
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": features,
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }
    command = [sys.executable, "-c", ON_ANOTHER_PROCESSOR]
    files = [str(tmp_path / name) for name in ("spectra.npy", "found.npz")]
    subprocess.run([*command, *files], env=environment, check=True)
    found = np.load(tmp_path / "found.npz")
    assert found["bytes"] == vector
    exact = shifted_distances(spectra, 6, engine="naive", dtype="float64").condensed
    np.testing.assert_allclose(found["arr_0"], exact, rtol=1e-5)
    np.testing.assert_allclose(found["arr_1"], exact, rtol=1e-12)


@pytest.mark.parametrize(
    ("spectra", "max_shift", "message"),
    [
        (np.full((3, 20), np.nan), 2, "missing values.*3 of 3"),
        (np.array([[1.0, 2.0], [np.inf, 0.0]]), 0, "missing values.*1 of 2"),
        (np.ones((1, 20)), 2, "too few spectra"),
        (np.ones(20), 2, "rows of a table"),
        (np.ones((3, 20)), 10, "shift does not fit"),
        (np.ones((3, 20)), -1, "shift does not fit"),
        (np.ones((3, 0)), 0, "shift does not fit"),
    ],
)
def test_unusable_spectra_are_refused(spectra, max_shift, message):
    with pytest.raises(DataError, match=message):
        shifted_distances(spectra, max_shift)
