"""Errors that are true, also for lines so bright that fringes are all that limits them."""

import numpy as np
import pytest

# From faint to so bright that noise hardly matters (W/m2/sr): equivalent widths to 0.2 um.
TRUTH = {
    "H2_S2_12.28": 2e-9,
    "NeII_12.81": 6e-8,
    "NeV_14.32": 1e-8,
    "ClII_14.37": 2e-9,
    "NeIII_15.56": 3e-8,
    "H2_S1_17.03": 5e-9,
}
REALISATIONS = 200


def _pulls(with_lines, observe, measure, count, truth=TRUTH, **conditions):
    """(measured - true) / error and the same by the naive error, arrays by line."""
    spectrum = with_lines(truth)
    pulls, naive = {name: [] for name in truth}, {name: [] for name in truth}
    for seed in range(count):
        found = measure(*observe(spectrum, seed, **conditions), bands=())
        for name in truth:
            item = found[name]
            if item.detected:
                pulls[name].append((item.flux - truth[name]) / item.error)
                naive[name].append((item.flux - truth[name]) / item.error_propagated)
    return pulls, naive


def test_pulls_are_those_of_true_errors_under_fringes(with_lines, observe, measure):
    pulls, naive = _pulls(with_lines, observe, measure, REALISATIONS)
    for name in TRUTH:
        assert len(pulls[name]) > 0.95 * REALISATIONS
        assert 0.8 < np.std(pulls[name]) < 1.25, name
        assert abs(np.mean(pulls[name])) < 0.6, name
        assert np.std(naive[name]) > 3, name


@pytest.mark.parametrize("continuum_snr", [30.0, 300.0])
def test_pulls_are_sane_at_any_depth(with_lines, observe, measure, continuum_snr):
    pulls, _ = _pulls(with_lines, observe, measure, 36, continuum_snr=continuum_snr)
    together = np.concatenate(list(pulls.values()))
    assert len(together) > 200
    assert 0.8 < np.std(together) < 1.25


def test_without_fringes_bright_lines_are_as_good_as_their_noise(with_lines, observe, measure):
    pulls, naive = _pulls(with_lines, observe, measure, 36, fringe=0.0)
    together = np.concatenate(list(pulls.values()))
    assert 0.8 < np.std(together) < 1.25
    # Too small by the factor by which they are understated, no more.
    assert 2 < np.std(naive["NeII_12.81"]) < 5
    # No floor is put under the error where the continuum shows no reason for one.
    item = measure(*observe(with_lines(TRUTH), 0, fringe=0.0, continuum_snr=300))["NeII_12.81"]
    assert item.error < 2e-3 * item.flux


def test_errors_of_bright_lines_grow_with_the_fringes(with_lines, observe, measure):
    spectrum = with_lines(TRUTH)
    amplitudes = np.array([0.005, 0.01, 0.02])
    relative = []
    for amplitude in amplitudes:
        observed = observe(spectrum, 1, fringe=amplitude, continuum_snr=300)
        item = measure(*observed)["NeII_12.81"]
        relative.append(item.error / item.flux)
    # The rms of a sine is 0.71 of its amplitude. The width of the line takes some off, the
    # continuum under it, fringed in phase with the line and curved, adds some.
    np.testing.assert_allclose(relative / amplitudes, 0.85, atol=0.1)
