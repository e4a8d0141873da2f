"""Labels find their spectra."""

import numpy as np
import pytest
from astropy.table import Table

from survey.errors import ConfigError
from survey.latents.run.benchmark_sets import (
    labelled_benchmark,
    observed_responses,
    simulated_benchmark,
)
from survey.latents.xray.simulate import simulate_xray


@pytest.fixture(scope="module")
def simulated():
    return simulate_xray(40, seed=2)


def test_a_simulation_has_labels_of_every_kind(simulated):
    data = simulated_benchmark(simulated)
    assert set(data.labels()) == {"8 classes", "AGN or compact"}
    assert [name for name, target in data.targets.items() if target.circular] == [
        "hard/soft ratio, observed"
    ]
    truth, seen = (data.targets[f"hard/soft ratio, {how}"].values for how in ("true", "observed"))
    assert np.corrcoef(truth, seen)[0, 1] > 0.9
    np.testing.assert_allclose(data.expected.sum(axis=1), data.spectra.totals, rtol=0.5, atol=30)


def test_labels_are_found_by_name_whatever_their_order(simulated, tmp_path):
    names, classes = simulated.spectra.ids, simulated.truth.classes
    order = np.random.default_rng(0).permutation(40)[:30]
    labels = {
        "id": names[order],
        "source": [f"star {name[:8]}" for name in names[order]],
        "class": classes[order],
        "log_n_h": np.arange(30.0),
        "variability_index": np.ones(30),
        "confounder_angle": np.zeros(30),
        "remark": ["text"] * 30,
    }
    Table(labels).write(tmp_path / "labels.ecsv", format="ascii.ecsv")
    data = labelled_benchmark(simulated.spectra, tmp_path / "labels.ecsv")
    assert len(data) == 30
    wanted = dict(zip(names, classes, strict=True))
    assert [wanted[name] for name in data.spectra.ids] == data.classes.tolist()
    assert set(data.targets) == {"log_n_h"}
    assert set(data.variability) == {"variability_index"}
    assert set(data.confounders) == {"confounder_angle"}
    assert data.spectra.sources[0].startswith("star")


def test_tables_without_names_or_with_others_are_refused(simulated, tmp_path):
    Table({"name": ["a"]}).write(tmp_path / "a.csv")
    with pytest.raises(ConfigError, match="expected id"):
        labelled_benchmark(simulated.spectra, tmp_path / "a.csv")
    Table({"id": ["a"]}).write(tmp_path / "b.csv")
    with pytest.raises(ConfigError, match="has none"):
        labelled_benchmark(simulated.spectra, tmp_path / "b.csv")


@pytest.mark.real_data
def test_simulations_go_through_the_responses_of_observed_spectra(shared_data):
    responses = observed_responses(shared_data / "xray")
    assert len(responses) == 6
    spectra = simulate_xray(30, seed=1, responses=responses).spectra
    assert len(spectra.folding) == 6
    assert len(set(spectra.response.tolist())) > 3
