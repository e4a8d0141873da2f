import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from survey.spectra.mask import bad_planes, fill_gaps, longest_gaps

MASKS = arrays(bool, st.tuples(st.integers(1, 8), st.integers(2, 40)))


def longest_run(row):
    return max((len(run) for run in "".join("01"[int(b)] for b in row).split("0")), default=0)


def test_planes_at_a_seam_are_dropped_and_no_others():
    bad = np.zeros((100, 50), dtype=bool)
    bad[:, 20:23] = True
    bad[:30, 40] = True
    assert np.flatnonzero(bad_planes(bad, 0.5)).tolist() == [20, 21, 22]


def test_blank_corners_condemn_no_plane():
    bad = np.zeros((100, 50), dtype=bool)
    bad[:70] = True
    assert not bad_planes(bad, 0.1).any()


def test_the_ragged_border_condemns_no_plane():
    bad = np.zeros((100, 50), dtype=bool)
    bad[60:, :30] = True
    assert not bad_planes(bad, 0.1).any()


def test_planes_without_any_data_are_dropped_though_most_are_blank():
    bad = np.ones((40, 100), dtype=bool)
    bad[:, 10:40] = False
    assert np.flatnonzero(~bad_planes(bad, 0.5)).tolist() == list(range(10, 40))


def test_every_plane_of_a_blank_cube_is_bad():
    assert bad_planes(np.ones((5, 8), dtype=bool), 0.5).all()


@given(MASKS)
def test_longest_gap_is_that_of_a_walk_along_the_row(bad):
    assert longest_gaps(bad).tolist() == [longest_run(row) for row in bad]


@given(MASKS, st.integers(0, 2**32 - 1))
@settings(max_examples=200)
def test_gaps_are_filled_as_by_numpy_interp_row_by_row(bad, seed):
    rng = np.random.default_rng(seed)
    wavelength_um = np.cumsum(rng.uniform(0.1, 1.0, bad.shape[1]))
    flux = np.where(bad, np.nan, rng.normal(size=bad.shape))
    filled = flux.copy()
    fill_gaps(filled, bad, wavelength_um)
    for row, holes, before in zip(filled, bad, flux, strict=True):
        if holes.all():
            assert np.isnan(row).all()
        else:
            expected = np.interp(wavelength_um, wavelength_um[~holes], before[~holes])
            np.testing.assert_allclose(row, expected, rtol=1e-12, atol=1e-12)


def test_good_samples_are_untouched_to_the_bit():
    rng = np.random.default_rng(3)
    flux = rng.normal(size=(20, 100)).astype(np.float32)
    bad = rng.random(flux.shape) < 0.1
    filled = flux.copy()
    fill_gaps(filled, bad, np.arange(100.0))
    assert np.array_equal(filled[~bad], flux[~bad])
    assert filled.dtype == np.float32
