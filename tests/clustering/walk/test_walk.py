"""The walk finds the shapes that are there, and nothing else that makes spectra differ."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from survey.clustering.geometry import edge_of_field
from survey.clustering.walk.aligned import MeanSpectrum
from survey.clustering.walk.split_tests import Rules, compare
from survey.clustering.walk.walk import EDGE_SPAXELS

N = 60


@given(snr=st.sampled_from([5, 10, 30, 100, 1000]), seed=st.integers(0, 2**31))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_alone_makes_one_cluster(make_shape, walk_over, snr, seed):
    assert walk_over([make_shape("a")] * N, snr, seed=seed).labels.max() == 0


@pytest.mark.parametrize("snr", [10, 30, 100])
def test_two_shapes_are_found_exactly(make_shape, walk_over, snr):
    truth = np.arange(N) % 2
    found = walk_over([make_shape("ab"[t]) for t in truth], snr)
    assert adjusted_rand_score(truth, found.labels) == 1.0
    accepted = [d for d in found.decisions if d.step == "split" and d.accepted]
    assert len(accepted) == 1
    assert sorted(accepted[0].difference.n) == [N // 2, N // 2]


@pytest.mark.parametrize(
    "spectra",
    [
        lambda shape, u: shape("a", shift=0.45 * u),
        lambda shape, u: shape("a", width=2.5 + 0.3 * u),
        lambda shape, u: shape("a") * (1.0 + 0.2 * u * np.linspace(-1, 1, 400)),
    ],
    ids=["sub-sample shift", "width", "smooth colour"],
)
def test_shift_width_and_colour_make_no_clusters(make_shape, walk_over, spectra):
    found = walk_over([spectra(make_shape, u) for u in np.linspace(-1, 1, N)], 60)
    assert found.labels.max() == 0


def test_a_velocity_field_of_whole_samples_makes_no_clusters(make_shape, walk_over):
    spectra = [make_shape("a", shift=s) for s in np.linspace(-3, 3, N)]
    assert walk_over(spectra, 40, max_shift=6).labels.max() == 0


def test_a_blend_of_two_clusters_is_no_cluster(make_shape, walk_over):
    share = np.repeat([1.0, 0.5, 0.0], N // 3)
    spectra = [s * make_shape("a") + (1 - s) * make_shape("b") for s in share]
    found = walk_over(spectra, 40)
    ends = np.flatnonzero(share != 0.5)
    assert found.labels.max() == 1
    assert adjusted_rand_score(share[ends], found.labels[ends]) == 1.0
    assert [d.reason for d in found.decisions if d.step == "blend"] == ["shape"]


def test_a_noisy_group_at_the_edge_is_no_cluster_and_one_inside_is(make_shape, walk_over):
    few = np.arange(N) >= N - 6
    spectra = [make_shape("b" if t else "a") for t in few]
    snr = np.where(few, 12.0, 60.0)
    assert walk_over(spectra, snr, at_edge=few).labels.max() == 0
    inside = walk_over(spectra, snr)
    assert adjusted_rand_score(few, inside.labels) == 1.0


def test_a_group_smaller_than_five_is_no_cluster(make_shape, walk_over):
    spectra = [make_shape("b" if i < 4 else "a") for i in range(N)]
    assert walk_over(spectra, 100).labels.max() == 0


def test_limits_join_the_most_alike_or_cut_the_tree(make_shape, walk_over):
    truth = np.arange(N) % 3
    spectra = [make_shape("acb"[t]) for t in truth]
    free = walk_over(spectra, 60)
    assert adjusted_rand_score(truth, free.labels) == 1.0
    two = walk_over(spectra, 60, limits=(None, 2))
    assert adjusted_rand_score(truth == 2, two.labels) == 1.0
    assert two.decisions[-1].reason == "limit"
    assert walk_over(spectra, 60, limits=(5, None)).labels.max() == 4


def test_every_decision_is_said_in_words(make_shape, walk_over):
    found = walk_over([make_shape("ab"[i % 2]) for i in range(N)], 30)
    assert found.decisions
    assert all(decision.sentence for decision in found.decisions)


@pytest.mark.parametrize("n", [2, 3, 9])
def test_a_handful_of_spaxels_is_one_cluster(make_shape, walk_over, n):
    assert walk_over([make_shape("ab"[i % 2]) for i in range(n)], 50).labels.max() == 0


def test_the_edge_of_the_field_is_three_spaxels_wide():
    y, x = np.mgrid[:9, :9]
    field = np.ones((9, 9), bool)
    field[4, 4] = False
    near = edge_of_field(field, EDGE_SPAXELS)
    assert np.array_equal(near, field)
    field[4, 4] = True
    near = edge_of_field(field, EDGE_SPAXELS)
    assert np.array_equal(near, np.maximum(np.abs(y - 4), np.abs(x - 4)) >= 2)


@pytest.mark.parametrize("snr", [20, 100])
def test_lines_that_differ_make_clusters_although_they_are_a_small_part(make_shape, walk_over, snr):
    one = make_shape("a", strength=0.2)
    other = one + 0.5 * (make_shape("c", strength=0.4) - make_shape("a", strength=0.4))
    truth = np.arange(N) % 2
    spectra = [(one, other)[t] for t in truth]
    found = walk_over(spectra, snr)
    assert adjusted_rand_score(truth, found.labels) == 1.0
    (decision,) = [d for d in found.decisions if d.step == "split" and d.accepted]
    assert decision.difference.shape < Rules().min_shape
    assert decision.difference.lines > 0.01
    without = walk_over(spectra, snr, rules=Rules(min_lines=np.inf))
    assert without.labels.max() == 0


@pytest.mark.parametrize("snr", [20, 100])
def test_lines_of_one_kind_are_one_cluster_however_wide_they_are(make_shape, walk_over, snr):
    widths = np.linspace(2.0, 3.5, 80)
    spectra = [make_shape("a", width=width, strength=1.5 / width) for width in widths]
    assert walk_over(spectra, snr).labels.max() == 0


def test_spectra_without_lines_do_not_differ_in_lines():
    sample = np.arange(400)
    one, other = 1.0 + 0.3 * np.sin(sample / 130.0), 1.0 + 0.3 * np.cos(sample / 130.0)
    found = compare(*(MeanSpectrum(9, 1.0, values, 1e-6) for values in (one, other)), max_shift=2)
    assert found.lines == 0.0
    assert found.total > 0.2
