from dataclasses import replace

import numpy as np
import pytest

from survey.classes.predictors import (
    Measurements,
    Predictor,
    features_needed,
    predictor_values,
)
from survey.errors import DataError

NEON = Predictor(("NeIII",), ("NeII",), 0.03)
WIDTH = Predictor(("PAH",), ("continuum",), 0.003)
SLOPE = Predictor(("slope_alpha",), ())
SUM = Predictor(("SII_a", "SII_b"), ("Ha",), 0.0)


def measured(features: str, flux, error, width=None, width_error=None) -> Measurements:
    """One cluster."""
    flux, error = np.array([flux], float), np.array([error], float)
    nothing = np.full_like(flux, np.nan)
    return Measurements(
        tuple(features.split()),
        flux,
        error,
        flux > 3 * error,
        nothing if width is None else np.array([width], float),
        nothing if width_error is None else np.array([width_error], float),
    )


def value(predictor: Predictor, given: Measurements) -> float:
    return float(predictor_values([predictor], given)[0, 0])


def test_a_quotient_is_the_logarithm_of_the_ratio_and_its_offset() -> None:
    assert value(NEON, measured("NeII NeIII", [10, 2], [1, 1])) == pytest.approx(np.log10(0.23))


def test_a_line_that_is_not_detected_counts_as_measured_and_not_as_its_limit() -> None:
    faint = measured("NeII NeIII", [10, 1], [1, 1])
    assert not faint.detected[0, 1]
    assert value(NEON, faint) == pytest.approx(np.log10(0.13))


def test_a_negative_numerator_counts_as_zero_before_the_offset_is_added() -> None:
    for flux in (-5.0, -0.1, 0.0):
        assert value(NEON, measured("NeII NeIII", [10, flux], [1, 2])) == pytest.approx(
            np.log10(0.03)
        )


def test_a_denominator_that_is_not_detected_makes_the_predictor_missing() -> None:
    assert np.isnan(value(NEON, measured("NeII NeIII", [2.9, 5], [1, 1])))
    assert np.isfinite(value(NEON, measured("NeII NeIII", [3.1, 5], [1, 1])))


def test_what_was_not_covered_makes_the_predictor_missing() -> None:
    assert np.isnan(value(NEON, measured("NeII NeIII", [10, np.nan], [1, np.nan])))


def test_an_equivalent_width_is_floored_too_and_missing_without_a_continuum() -> None:
    for width, expected in ((0.5, 0.503), (-0.2, 0.003)):
        given = measured("PAH", [1], [1], [width], [0.1])
        assert value(WIDTH, given) == pytest.approx(np.log10(expected))
    assert np.isnan(value(WIDTH, measured("PAH", [9], [1])))


def test_sums_are_sums_and_without_an_offset_nothing_has_no_logarithm() -> None:
    assert value(SUM, measured("SII_a SII_b Ha", [1, 2, 10], [0.1] * 3)) == pytest.approx(
        np.log10(0.3)
    )
    assert np.isnan(value(SUM, measured("SII_a SII_b Ha", [-1, 0, 10], [0.1] * 3)))


def test_the_slope_is_itself() -> None:
    given = measured("NeII", [1], [1])
    assert predictor_values([SLOPE], given, np.array([1.5]))[0, 0] == 1.5
    assert np.isnan(predictor_values([SLOPE], given)[0, 0])


def test_names_and_features_follow_from_the_terms() -> None:
    assert [each.name for each in (NEON, WIDTH, SLOPE, SUM)] == [
        "NeIII/NeII", "PAH/continuum", "slope_alpha", "SII_a+SII_b/Ha",
    ]  # fmt: skip
    assert features_needed([NEON, WIDTH, SLOPE, NEON]) == ("NeIII", "NeII", "PAH")


def test_features_that_were_not_measured_are_named() -> None:
    with pytest.raises(DataError, match="expected NeIII, PAH; found NeII"):
        predictor_values([NEON, WIDTH], measured("NeII", [1], [1]))


def test_draws_scatter_by_the_errors_and_a_width_moves_with_its_flux() -> None:
    n = 4000
    one = measured("NeII PAH", [10, 1], [1, 2], [0.1, 0.01], [0.01, 0.02])
    many = Measurements(
        one.features,
        *(np.repeat(getattr(one, name), n, axis=0)
          for name in ("flux", "error", "detected", "width", "width_error")),
    )  # fmt: skip
    drawn = many.draw(np.random.default_rng(0))
    np.testing.assert_allclose(drawn.flux.mean(axis=0), [10, 1], atol=0.15)
    np.testing.assert_allclose(drawn.flux.std(axis=0), [1, 2], rtol=0.05)
    np.testing.assert_allclose(drawn.width.std(axis=0), [0.01, 0.02], rtol=0.05)
    assert np.corrcoef(drawn.flux[:, 0], drawn.width[:, 0])[0, 1] > 0.999
    assert abs(np.corrcoef(drawn.flux.T)[0, 1]) < 0.06
    np.testing.assert_array_equal(drawn.detected, many.detected)


def test_a_drawn_denominator_is_at_least_its_own_error() -> None:
    given = measured("NeII NeIII", [4, 4], [1, 1])
    unlucky = replace(given, flux=np.array([[-2.0, 4.0]]))
    assert value(NEON, unlucky) == pytest.approx(np.log10(4.03))
