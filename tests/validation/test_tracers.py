"""Maps beside clusters: the statistics are the published ones, and the null is of whole maps."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import kruskal, spearmanr
from sklearn.metrics import adjusted_mutual_info_score

from catalogs.validation.columns import NOT_TESTABLE
from catalogs.validation.tracer_columns import CONCENTRIC, MAY_BE_CHANCE, RELATED, SHIFTS
from survey.validation.tracers.association import (
    adjusted_mutual_information,
    correlation,
    eta_squared,
    ranks,
)
from survey.validation.tracers.line_fit import Points, robust_line
from survey.validation.tracers.measure import (
    ClusteredField,
    profile_of,
    trace_classes,
    trace_values,
    trace_velocities,
)

SIZE, CENTRE = 24, (11.5, 11.5)
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE]
RADIUS = np.hypot(ROWS - CENTRE[0], COLUMNS - CENTRE[1])
INSIDE = RADIUS < 12


def smooth(rng: np.random.Generator, scale: float = 3.0) -> np.ndarray:
    """A random field without edges."""
    field = gaussian_filter(rng.normal(size=(SIZE + 40, SIZE + 40)), scale)[20:-20, 20:-20]
    return field / field.std()


def in_parts(field: np.ndarray, k: int) -> np.ndarray:
    """Classes 1..k of equal area."""
    return np.digitize(field, np.quantile(field[INSIDE], np.linspace(0, 1, k + 1)[1:-1])) + 1


def field_of(labels: np.ndarray, shift: np.ndarray | None = None) -> ClusteredField:
    y, x = np.nonzero(INSIDE)
    own = np.full(len(y), np.nan) if shift is None else shift[y, x]
    return ClusteredField(y, x, labels[y, x].astype(np.int32), CENTRE, own, own)


def test_adjusted_mutual_information_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    for k, m in ((2, 3), (5, 2), (13, 4)):
        first = rng.integers(1, k + 1, 300)
        second = np.where(rng.random(300) < 0.5, np.minimum(first, m), rng.integers(1, m + 1, 300))
        expected = adjusted_mutual_info_score(first, second)
        assert adjusted_mutual_information(first, second) == pytest.approx(expected, abs=1e-12)
        assert adjusted_mutual_information(first, first) == pytest.approx(1.0)


def test_eta_squared_of_ranks_is_the_statistic_of_kruskal_and_wallis():
    rng = np.random.default_rng(2)
    labels = rng.integers(1, 5, 200)
    values = np.round(rng.normal(size=200) + labels / 3, 1)  # with ties
    groups = [values[labels == label] for label in range(1, 5)]
    expected = kruskal(*groups).statistic / (len(values) - 1)
    assert eta_squared(labels, ranks(values)) == pytest.approx(expected)


def test_correlation_of_ranks_is_that_of_spearman():
    rng = np.random.default_rng(3)
    first = np.round(rng.normal(size=100), 1)
    second = first + rng.normal(size=100)
    found = correlation(ranks(first), ranks(second))
    assert found == pytest.approx(spearmanr(first, second).statistic)


def test_a_line_is_found_although_a_fifth_of_the_points_are_wrong():
    rng = np.random.default_rng(4)
    y, x = np.nonzero(INSIDE)
    true = rng.uniform(-100, 100, len(y))
    seen = 0.8 * true + 12 + rng.normal(0, 5, len(y))
    seen[rng.random(len(y)) < 0.2] += 300
    line = robust_line(Points(true, seen, y, x, np.zeros(len(y), int)), rng)
    assert line.slope == pytest.approx(0.8, abs=3 * line.slope_err)
    assert line.slope_err < 0.05
    assert line.intercept == pytest.approx(12, abs=5)
    assert line.scatter == pytest.approx(5, rel=0.5)


def test_a_line_within_groups_ignores_their_zeros():
    rng = np.random.default_rng(5)
    y, x = np.nonzero(INSIDE)
    group = (x // 6).astype(int)
    true = rng.uniform(-50, 50, len(y))
    seen = 0.9 * true - 200.0 * group + rng.normal(0, 3, len(y))
    line = robust_line(Points(true, seen, y, x, group), rng)
    assert line.slope == pytest.approx(0.9, abs=0.05)
    assert np.isnan(line.intercept)
    assert line.scatter == pytest.approx(3, rel=0.3)


def test_unrelated_smooth_maps_are_seldom_related_but_nearly_always_if_spaxels_are_shuffled():
    rng = np.random.default_rng(6)
    moved, shuffled = 0, 0
    for _ in range(20):
        labels, classes = in_parts(smooth(rng), 4), in_parts(smooth(rng), 3)
        found = trace_classes(
            field_of(labels),
            np.where(INSIDE, classes, np.nan),
            draws=39,
            seed=int(rng.integers(99)),
        )
        moved += found.p_value <= 0.05
        own, other = labels[INSIDE], classes[INSIDE]
        chance = [adjusted_mutual_information(own, rng.permutation(other)) for _ in range(39)]
        shuffled += found.value > max(chance)
    assert moved <= 4
    assert shuffled >= 16


def test_a_map_of_the_same_regions_is_related_at_the_floor_of_the_p_value():
    rng = np.random.default_rng(7)
    base = smooth(rng)
    labels = in_parts(base, 4)
    noisy = np.where(INSIDE, in_parts(base + 0.3 * rng.normal(size=base.shape), 3), np.nan)
    of_classes = trace_classes(field_of(labels), noisy, draws=199)
    of_values = trace_values(
        field_of(labels), np.where(INSIDE, np.exp(3 * base), np.nan), draws=199
    )
    for found in (of_classes, of_values):
        assert found.outcome == RELATED
        assert found.p_value == 1 / 200
        assert len(found.null) == 199
        assert "at most 0.005" in found.meaning
    assert of_values.value > 0.85


def test_ranks_make_a_flux_and_its_logarithm_one_tracer():
    rng = np.random.default_rng(8)
    labels, flux = in_parts(smooth(rng), 3), np.exp(2 * smooth(rng))
    first = trace_values(field_of(labels), flux, draws=19)
    second = trace_values(field_of(labels), np.log(flux), draws=19)
    assert first.value == pytest.approx(second.value)
    assert first.p_value == second.p_value


def test_rings_and_a_map_with_the_same_centre_are_no_more_than_concentric():
    rng = np.random.default_rng(9)
    rings = in_parts(RADIUS, 3)
    round_map = -RADIUS + 0.5 * smooth(rng, 1.0)
    found = trace_values(field_of(rings), np.where(INSIDE, round_map, np.nan), draws=199)
    assert found.outcome == CONCENTRIC
    assert found.p_value <= 0.05 < found.p_rotation
    assert "centre" in found.meaning


def test_what_cannot_be_compared_says_why():
    rng = np.random.default_rng(10)
    labels = in_parts(smooth(rng), 3)
    few = np.full((SIZE, SIZE), np.nan)
    few[10:12, 10:13] = [[1, 2, 1], [2, 1, 2]]
    cases = {
        "6 clustered spaxels": trace_classes(field_of(labels), few),
        "1 class": trace_classes(field_of(labels), np.ones((SIZE, SIZE))),
        "one cluster": trace_values(field_of(np.ones_like(labels)), smooth(rng)),
        "constant": trace_values(field_of(labels), np.ones((SIZE, SIZE))),
    }
    for words, found in cases.items():
        assert found.outcome == NOT_TESTABLE
        assert words in found.meaning
        assert np.isnan(found.p_value)


def test_velocities_within_clusters_are_compared_without_the_zeros_of_the_clusters():
    rng = np.random.default_rng(11)
    velocity = 100 * (COLUMNS - CENTRE[1]) / SIZE + 60 * smooth(rng)
    labels = in_parts(smooth(rng), 3)
    zero = np.array([0, 500.0, -300.0, 80.0])[labels]
    seen = 0.8 * velocity + zero + rng.normal(0, 4, velocity.shape)
    found = {
        one.compared: one for one in trace_velocities(field_of(labels, seen), velocity, draws=49)
    }
    within = found[SHIFTS]
    assert within.outcome == RELATED
    assert within.line is not None
    assert within.line.slope == pytest.approx(0.8, abs=0.05)
    assert within.line.scatter == pytest.approx(4, rel=0.4)


def test_shifts_that_are_all_zero_in_a_cluster_say_nothing_of_it():
    rng = np.random.default_rng(12)
    velocity = 60 * smooth(rng)
    labels = in_parts(smooth(rng), 3)
    seen = np.where(labels == 1, 0.0, velocity)
    found = trace_velocities(field_of(labels, seen), velocity, draws=19)[-1]
    assert found.n_cluster == 2
    assert found.line is not None
    assert found.line.slope == pytest.approx(1.0)


def test_an_unrelated_map_may_be_chance_and_says_so():
    rng = np.random.default_rng(13)
    found = trace_values(field_of(in_parts(smooth(rng), 3)), smooth(rng), draws=99)
    assert found.outcome == MAY_BE_CHANCE
    assert "unrelated maps" in found.meaning


def test_the_profile_counts_every_covered_spaxel_once():
    rng = np.random.default_rng(14)
    labels = in_parts(smooth(rng), 4)
    codes = np.where(ROWS < 12, in_parts(smooth(rng), 2), np.nan)
    rows = profile_of(field_of(labels), codes, ("one", "two"))
    assert sum(row["n_spaxel"] for row in rows) == (INSIDE & (ROWS < 12)).sum()
    for label in range(1, 5):
        shares = [row["share"] for row in rows if row["cluster"] == label]
        assert not shares or sum(shares) == pytest.approx(1)
