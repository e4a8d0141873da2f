"""Line fluxes against LiMe and specutils, where those are installed.

Both are told to look at the same lines, but have windows, continua and sums of their own; see
`tests/benchmarks/truth/compare_lime.py`.
"""

import numpy as np
import pytest

from tests.benchmarks.truth.compare_lime import (
    compare,
    installed_tools,
    observed_inputs,
    simulated_inputs,
)

METHODS = ("sum", "Gaussian")


def _ratios(inputs, tool):
    pytest.importorskip(tool)
    tools = {tool: installed_tools()[tool]}
    rows = [row for given in inputs for row in compare(given, tools)]
    return rows, {
        method: np.array([row.theirs[f"{tool} {method}"] / row.ours for row in rows])
        for method in METHODS
    }


def _assert_agree(rows, ratios):
    """Each line to 10% and its noise, as windows and continua differ; all together to 5%."""
    allowed = np.array([0.1 + 1 / row.snr for row in rows])
    for ratio in ratios.values():
        assert np.all(np.abs(ratio - 1) < allowed)
        assert np.median(ratio) == pytest.approx(1, abs=0.05)


@pytest.mark.real_data
@pytest.mark.parametrize("tool", ["lime", "specutils"])
def test_bright_lines_of_observed_spectra_agree(shared_data, tool):
    rows, ratios = _ratios(observed_inputs(shared_data), tool)
    spectra = {row.spectrum[:7] for row in rows}
    assert spectra == {"VV114_M", "NGC7469"}
    assert len(rows) > 20
    _assert_agree(rows, ratios)


@pytest.mark.parametrize("tool", ["lime", "specutils"])
def test_bright_lines_of_simulated_spectra_agree_and_are_true(tool):
    rows, ratios = _ratios(simulated_inputs(), tool)
    assert len(rows) > 8
    _assert_agree(rows, ratios)
    for row in rows:
        assert row.ours == pytest.approx(row.truth, abs=3 * row.ours / row.snr)
