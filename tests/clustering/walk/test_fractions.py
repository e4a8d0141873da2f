"""Fractions of the clusters in every spaxel."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

N = 60


@pytest.mark.parametrize("snr", [30, 300])
def test_fractions_follow_the_true_mixture(make_shape, walk_over, snr):
    share = np.concatenate([np.ones(20), np.linspace(0.9, 0.1, 20), np.zeros(20)])
    spectra = [s * make_shape("a") + (1 - s) * make_shape("b") for s in share]
    found = walk_over(spectra, snr)
    assert found.labels.max() == 1
    of_a = found.fractions[:, found.labels[0]]
    assert np.corrcoef(of_a, share)[0, 1] > 0.97
    assert (
        np.corrcoef(of_a, share)[0, 1] > np.corrcoef(found.labels == found.labels[0], share)[0, 1]
    )


@given(seed=st.integers(0, 2**31), snr=st.sampled_from([3, 30]))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_fractions_are_not_negative_and_add_up_to_one(make_shape, walk_over, seed, snr):
    fractions = walk_over([make_shape("abc"[i % 3]) for i in range(N)], snr, seed=seed).fractions
    assert (fractions >= 0).all()
    np.testing.assert_allclose(fractions.sum(axis=1), 1.0, rtol=1e-5)
