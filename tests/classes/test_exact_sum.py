import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from survey.classes.exact_sum import UNIT, ExactSum

values = arrays(np.float64, (7, 3), elements=st.floats(-1, 1) | st.just(np.nan))


def summed(rows: np.ndarray) -> ExactSum:
    total = ExactSum.of(rows[0])
    for row in rows[1:]:
        total = total + ExactSum.of(row)
    return total


@given(values, st.permutations(range(7)), st.integers(1, 6))
def test_sums_are_the_same_in_any_order_and_portions(rows, order, cut) -> None:
    whole, turned = summed(rows), rows[list(order)]
    portions = summed(turned[:cut]) + summed(turned[cut:])
    for name in ("total", "squares", "count"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(portions, name))


@given(arrays(np.float64, (50, 2), elements=st.floats(-1, 1)))
def test_mean_and_standard_deviation_are_those_of_the_values(rows) -> None:
    total = summed(rows)
    np.testing.assert_allclose(total.mean, rows.mean(axis=0), atol=1 / UNIT)
    np.testing.assert_allclose(
        total.std, rows.std(axis=0, ddof=1), atol=1e-3 / np.sqrt(UNIT) + 1e-6
    )


def test_missing_values_do_not_count() -> None:
    total = summed(np.array([[0.5, np.nan], [np.nan, np.nan], [0.25, np.nan]]))
    assert total.count.tolist() == [2, 0]
    assert total.mean[0] == 0.375
    assert np.isnan(total.mean[1])
    assert np.isnan(total.std[1])
