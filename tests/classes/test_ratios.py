from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from catalogs.reference import packaged_reference
from survey.classes.ratios import (
    FeatureFluxes,
    Limit,
    Ratio,
    features_of,
    fluxes_from_columns,
    log_ratios,
    parse_ratios,
)
from survey.errors import ConfigError, DataError
from tests.classes.simulated import packaged_set

positive_fluxes = arrays(np.float64, (4, 3), elements=st.floats(1e-22, 1e-12))
limits = arrays(np.bool_, (4, 3))


def made_of(flux: np.ndarray, limit: np.ndarray | None = None, relative: float = 0.1):
    error = relative * np.abs(flux)
    limit = np.zeros(flux.shape, bool) if limit is None else limit
    return FeatureFluxes(("A", "B", "C"), flux, error, ~limit, flux)


@given(positive_fluxes, limits)
def test_turning_a_ratio_over_changes_its_sign_and_the_side_of_its_limit(flux, limit) -> None:
    ratios = log_ratios(made_of(flux, limit), parse_ratios([("A", "B"), ("B", "A")]))
    np.testing.assert_allclose(ratios.value[:, 0], -ratios.value[:, 1], atol=1e-12)
    np.testing.assert_array_equal(ratios.error[:, 0], ratios.error[:, 1])
    turned = {0: 0, Limit.UPPER: Limit.LOWER, Limit.LOWER: Limit.UPPER, Limit.BOTH: Limit.BOTH}
    assert [turned[k] for k in ratios.limit[:, 0].tolist()] == ratios.limit[:, 1].tolist()


@given(positive_fluxes, st.floats(1e-6, 1e6))
def test_ratios_know_no_units_and_chain(flux, factor) -> None:
    chain = parse_ratios([("A", "B"), ("B", "C"), ("A", "C")])
    value = log_ratios(made_of(flux), chain).value
    np.testing.assert_allclose(log_ratios(made_of(flux * factor), chain).value, value, atol=1e-9)
    np.testing.assert_allclose(value[:, 0] + value[:, 1], value[:, 2], atol=1e-9)


def test_errors_are_the_scatter_of_repeated_measurements() -> None:
    truth = np.array([3.0, 5.0, 1.0])
    rng = np.random.default_rng(0)
    repeated = made_of(truth * (1 + 0.03 * rng.normal(size=(20_000, 3))), relative=0.03)
    ratios = log_ratios(repeated, parse_ratios([("A", "B"), ("A+B", "C")]))
    np.testing.assert_allclose(ratios.value.std(axis=0), ratios.error.mean(axis=0), rtol=0.03)


def test_limits_say_on_which_side_the_ratio_lies_and_two_say_nothing() -> None:
    limit = np.array([[above, below, False] for above, below in product([False, True], repeat=2)])
    ratios = log_ratios(made_of(np.full((4, 3), 2.0), limit), parse_ratios([("A", "B")]))
    assert ratios.limit[:, 0].tolist() == [Limit.NONE, Limit.LOWER, Limit.UPPER, Limit.BOTH]
    assert np.isfinite(ratios.value[:, 0]).tolist() == [True, True, True, False]
    assert np.isfinite(ratios.error[:, 0]).tolist() == [True, False, False, False]


def test_what_is_not_positive_or_not_measured_has_no_ratio() -> None:
    flux = np.array([[1.0, 0.0, 1.0], [1.0, -2.0, 1.0], [np.nan, 1.0, 1.0]])
    ratios = log_ratios(FeatureFluxes(("A", "B", "C"), flux, flux, flux > -9, flux), [AB])
    assert np.isnan(ratios.value).all()
    assert np.isnan(ratios.error).all()
    assert (ratios.limit == Limit.NONE).all()


AB = Ratio(("A",), ("B",))


def test_a_sum_with_a_limit_in_it_is_a_limit() -> None:
    limit = np.array([[False, True, False]])
    ratios = log_ratios(made_of(np.array([[6.0, 4.0, 1.0]]), limit), parse_ratios([("A+B", "C")]))
    assert ratios.names == ("A+B/C",)
    assert ratios.value[0, 0] == pytest.approx(1.0)
    assert ratios.limit[0, 0] == Limit.UPPER


def test_a_ratio_has_the_limit_of_what_is_not_detected_and_the_flux_of_what_is() -> None:
    fluxes = FeatureFluxes(
        ("A", "B"),
        flux=np.array([[9.0, 10.0], [-0.5, 10.0]]),
        error=np.ones((2, 2)),
        detected=np.array([[True, True], [False, True]]),
        limit=np.array([[12.0, 13.0], [2.5, 13.0]]),
    )
    ratios = log_ratios(fluxes, [AB])
    np.testing.assert_allclose(ratios.value[:, 0], np.log10([0.9, 0.25]))
    assert ratios.limit[:, 0].tolist() == [Limit.NONE, Limit.UPPER]


def test_what_was_not_measured_is_not_a_limit() -> None:
    nothing = np.array([[np.nan, 1.0, 1.0]])
    fluxes = FeatureFluxes(("A", "B", "C"), nothing, nothing, nothing > 0, nothing)
    assert fluxes.is_limit.tolist() == [[False, False, False]]
    assert log_ratios(fluxes, [AB]).limit.tolist() == [[Limit.NONE]]


def test_twelve_features_make_sixty_six_ratios() -> None:
    ratios = packaged_set("ch3-pairs")
    assert len(features_of(ratios)) == 12
    assert len({ratio.name for ratio in ratios}) == 66


@pytest.mark.parametrize("name", ["ch3-pairs", "ch3", "ch3-short-pairs", "ch3-short", "ch4"])
def test_packaged_ratios_are_of_catalogued_features_within_their_channel(name: str) -> None:
    middle = {line.name: line.wavelength_um for line in packaged_reference().lines_of("mir")}
    middle |= {
        band.name: float(np.mean(band.integration_um)) for band in packaged_reference().bands
    }
    low, high = packaged_reference().window(name.removesuffix("-pairs"))
    for feature in features_of(packaged_set(name)):
        assert low < middle[feature] < high, feature


def test_every_packaged_ratio_is_of_catalogued_features() -> None:
    known = {line.name for line in packaged_reference().lines} | {
        band.name for band in packaged_reference().bands
    }
    for name in packaged_reference().ratio_sets:
        assert set(features_of(packaged_set(name))) <= known


def test_the_subsets_contain_the_ratios_of_the_papers_diagrams() -> None:
    assert packaged_set("ch3")[0].name == "NeIII_15.56/NeII_12.81"
    assert {ratio.name for ratio in packaged_set("ch4")} == {
        "OIV_25.89/SIII_18.71",
        "NeV_24.32/SIII_18.71",
    }
    pairs = {frozenset((r.numerator, r.denominator)) for r in packaged_set("ch3-pairs")}
    assert {frozenset((r.numerator, r.denominator)) for r in packaged_set("ch3")} <= pairs


def test_fluxes_are_collected_from_catalog_columns() -> None:
    columns = {
        f"{prefix}_{name}": np.array([value, value + 1])
        for prefix, value in (("flux", 1.0), ("err", 2.0), ("detected", 0), ("limit", 3.0))
        for name in ("A", "B")
    }
    fluxes = fluxes_from_columns(columns, ("B", "A"))
    assert fluxes.features == ("B", "A")
    assert fluxes.flux.tolist() == [[1, 1], [2, 2]]
    assert fluxes.detected.tolist() == [[False, False], [True, True]]
    assert fluxes.limit.tolist() == [[3, 3], [4, 4]]


def test_a_ratio_of_a_feature_not_measured_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="expected Z"):
        log_ratios(made_of(np.ones((1, 3))), parse_ratios([("A", "Z")]))


@pytest.mark.parametrize("rows", [[], [("A", "B"), ("A", "B")], [("A", "A+B")]])
def test_sets_of_ratios_that_make_no_sense_are_refused(rows) -> None:
    with pytest.raises(ConfigError, match="is not valid"):
        parse_ratios(rows)
