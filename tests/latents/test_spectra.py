"""Sets of spectra: what they refuse, and what rows, joining and rebinning keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from survey.errors import DataError
from survey.latents.grid import Grid, overlap
from survey.latents.spectra import SpectrumSet, concatenate

FINE = Grid(np.linspace(0.5, 8.5, 41), "keV")
COARSE = Grid(np.array([0.7, 1.5, 2.0, 5.0, 7.9]), "keV")


def counted(counts: np.ndarray, **changes: object) -> SpectrumSet:
    rng = np.random.default_rng(1)
    given: dict = {
        "grid": FINE,
        "kind": "counts",
        "background_counts": rng.poisson(2.0, counts.shape),
        "background_scale": rng.uniform(0.1, 0.2, counts.shape),
        "exposure_s": np.full(len(counts), 1e4),
    }
    return SpectrumSet(counts, **(given | changes))


def measured(values: np.ndarray, **changes: object) -> SpectrumSet:
    given: dict = {"grid": FINE, "kind": "flux", "ivar": np.ones(values.shape)}
    return SpectrumSet(values, **(given | changes))


COUNTS = arrays(np.int64, (3, 40), elements=st.integers(0, 50))
MASKS = arrays(np.bool_, (3, 40))


@given(COUNTS, MASKS)
def test_what_is_masked_is_zero_and_counts_for_nothing(
    counts: np.ndarray, mask: np.ndarray
) -> None:
    values = np.where(mask, counts, np.nan)
    spectra = counted(values, mask=mask)
    assert (spectra.values[~mask] == 0).all()
    assert (spectra.background[~mask] == 0).all()
    assert np.array_equal(spectra.totals, np.where(mask, counts, 0).sum(axis=1))


def test_arrays_of_a_set_cannot_be_changed_and_are_its_own() -> None:
    values = np.ones((2, 40))
    spectra = counted(values)
    values[0, 0] = 7
    assert spectra.values[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        spectra.values[0, 0] = 7


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("values", np.ones((2, 39))),
        ("values", np.full((2, 40), 0.5)),
        ("values", np.full((2, 40), -1.0)),
        ("values", np.full((2, 40), np.nan)),
        ("mask", np.ones((2, 40))),
        ("mask", np.ones((1, 40), bool)),
        ("ids", ["a", "a"]),
        ("sources", ["a"]),
        ("redshift", np.zeros(3)),
        ("kind", "magnitudes"),
        ("frame", "moving"),
        ("ivar", np.ones((2, 40))),
        ("exposure_s", np.array([1.0, 0.0])),
        ("background_counts", np.full((2, 40), 0.5)),
        ("background_counts", None),
        ("background_scale", np.full((2, 40), -0.1)),
        ("background_scale", np.full((2, 40), np.inf)),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    values = value if field == "values" else np.ones((2, 40))
    changes = {} if field == "values" else {field: value}
    with pytest.raises(DataError, match=field):
        counted(np.asarray(values), **changes)


@pytest.mark.parametrize("ivar", [None, np.zeros((2, 40)), np.full((2, 40), np.nan)])
def test_flux_needs_inverse_variances(ivar: object) -> None:
    with pytest.raises(DataError, match="ivar"):
        measured(np.ones((2, 40)), ivar=ivar)


@given(COUNTS, MASKS, st.permutations(range(3)))
def test_rows_taken_apart_and_joined_are_the_set(
    counts: np.ndarray, mask: np.ndarray, order: list[int]
) -> None:
    spectra = counted(counts, mask=mask, ids=["a", "b", "c"], sources=["x", "x", "y"])
    joined = concatenate([spectra.rows([i]) for i in order])
    whole = spectra.rows(order)
    for name in ("values", "mask", "background", "exposure_s", "ids", "sources"):
        assert np.array_equal(getattr(joined, name), getattr(whole, name)), name


def test_a_mask_and_numbers_take_the_same_rows() -> None:
    spectra = counted(np.arange(120).reshape(3, 40))
    assert list(spectra.rows([True, False, True]).ids) == list(spectra.rows([0, 2]).ids)
    assert len(spectra.rows([])) == 0


def test_joining_needs_one_grid_and_different_names() -> None:
    spectra = counted(np.ones((2, 40)))
    with pytest.raises(DataError, match="ids"):
        concatenate([spectra, spectra])
    with pytest.raises(DataError, match="grid"):
        concatenate([spectra, spectra.rebinned(COARSE)])
    with pytest.raises(DataError, match="sets"):
        concatenate([])


def test_joined_sets_without_background_get_none() -> None:
    bare = SpectrumSet(np.ones((1, 40)), FINE, "counts", ids=["bare"])
    both = concatenate([bare, counted(np.ones((1, 40)), ids=["other"])])
    assert both.background[0].sum() == 0
    assert both.background[1].sum() > 0
    assert np.isnan(both.exposure_s[0])


@given(COUNTS)
def test_rebinning_counts_keeps_every_count_and_the_expected_background(counts: np.ndarray) -> None:
    spectra = counted(counts)
    coarse = spectra.rebinned(COARSE)
    inside = spectra.grid.within(0.7, 7.9)
    assert np.array_equal(coarse.totals, counts[:, inside].sum(axis=1))
    np.testing.assert_allclose(
        coarse.background.sum(axis=1), spectra.background[:, inside].sum(axis=1), rtol=1e-12
    )


@given(COUNTS, MASKS)
def test_a_coarse_bin_of_counts_is_usable_if_all_in_it_is(
    counts: np.ndarray, mask: np.ndarray
) -> None:
    coarse = counted(counts, mask=mask).rebinned(COARSE)
    for bin_, (low, high) in enumerate(zip(COARSE.edges, COARSE.edges[1:], strict=False)):
        assert np.array_equal(coarse.mask[:, bin_], mask[:, FINE.within(low, high)].all(axis=1))


def test_counts_cannot_go_into_narrower_bins() -> None:
    fine = Grid(np.linspace(0.5, 8.5, 81), "keV")
    with pytest.raises(DataError, match="narrower"):
        counted(np.ones((1, 40))).rebinned(fine)


@given(arrays(np.float64, (2, 40), elements=st.floats(-10, 10)))
def test_rebinning_flux_keeps_its_integral(values: np.ndarray) -> None:
    grid = Grid(np.array([0.5, 1.13, 2.0, 4.77, 8.5]), "keV")
    coarse = measured(values).rebinned(grid)
    np.testing.assert_allclose(coarse.values @ grid.widths, values @ FINE.widths, atol=1e-9)


def test_the_mean_of_independent_bins_has_their_variance() -> None:
    spectra = measured(np.ones((1, 40)), ivar=np.full((1, 40), 4.0))
    coarse = spectra.rebinned(Grid(FINE.edges[::4], "keV"))
    np.testing.assert_allclose(coarse.ivar, 16.0)


def test_masked_flux_does_not_enter_a_mean() -> None:
    values = np.where(np.arange(40) % 4 == 0, np.nan, 3.0)[None]
    spectra = measured(values, mask=np.isfinite(values))
    coarse = spectra.rebinned(Grid(FINE.edges[::4], "keV"))
    np.testing.assert_allclose(coarse.values, 3.0)
    assert coarse.mask.all()
    assert not spectra.rebinned(Grid(FINE.edges[::4], "keV"), min_usable=0.9).mask.any()


def test_a_range_keeps_the_bins_in_it() -> None:
    part = counted(np.ones((2, 40))).between(1.0, 2.0)
    assert part.values.shape == (2, 5)
    assert part.grid.edges[0] == pytest.approx(0.9)
    with pytest.raises(DataError, match="no bin"):
        part.between(20.0, 30.0)


@pytest.mark.parametrize("edges", [[1.0], [[1.0, 2.0]], [2.0, 1.0], [1.0, 1.0], [0.0, np.nan]])
def test_edges_that_make_no_bins_are_refused(edges: object) -> None:
    with pytest.raises(DataError):
        Grid(np.array(edges), "keV")


def test_grids_from_centres_have_those_centres_where_even() -> None:
    centres = np.linspace(11.5, 13.0, 7)
    np.testing.assert_allclose(Grid.from_centres(centres, "um").centres, centres)


def test_energies_and_wavelengths_do_not_overlap() -> None:
    with pytest.raises(DataError, match="units"):
        overlap(FINE, Grid(FINE.edges, "um"))
