"""Simulated sources as files are read back as they were made, and go the whole path."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from survey.cli import app
from survey.errors import ConfigError
from survey.latents.run.simulated_files import simulate_files
from survey.latents.xray.acis import acis_channels, acis_like_response
from survey.latents.xray.responses import read_response
from survey.latents.xray.simulate import simulate_xray
from survey.latents.xray.spectra import find_spectra, load_spectra

SETTINGS = '[model]\nmethod = "pca"\nlatents = 3\ncompared = ["hardness"]\nseeds = 1\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sky")
    assert simulate_files(folder, 70, seed=4) > 20
    return folder


def test_files_hold_what_was_simulated(folder):
    made = simulate_xray(70, seed=4, grid=acis_channels(), responses=[acis_like_response()]).spectra
    loaded = load_spectra(find_spectra(folder), grid=acis_channels(), folded=True)
    assert not loaded.failures
    order = [f"{one.replace('.', '_')}" for one in made.ids]
    place = [loaded.spectra.ids.tolist().index(name) for name in order]
    np.testing.assert_array_equal(loaded.spectra.values[place], made.values)
    np.testing.assert_allclose(loaded.spectra.background[place], made.background, rtol=1e-6)
    back = read_response(folder / "acis_like.rmf", folder / "acis_like.arf")
    kept = acis_like_response()
    assert abs(back.matrix - kept.matrix).max() < 1e-5 * kept.matrix.max()


def test_a_sky_goes_from_files_to_classes(folder, tmp_path):
    (tmp_path / "s.toml").write_text(SETTINGS)
    options = {"labels": folder / "labels.csv", "out": tmp_path / "out",
               "settings": tmp_path / "s.toml"}  # fmt: skip
    line = ["latent", "run", str(folder / "sources.csv"), "--json"]
    for name, value in options.items():
        line += [f"--{name}", str(value)]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    table = pd.read_parquet(tmp_path / "out" / "sources.parquet").set_index("source")
    truth = pd.read_csv(folder / "labels.csv").set_index("source")
    assert facts["sources"] == len(truth) == len(table)
    assert facts["spectra"] == 70
    assert (table["label"] == truth["class"]).all()
    known = table["log_n_h_err"] < 0.15
    assert known.sum() > 5
    assert (table["log_n_h"] - truth["log_n_h"])[known].abs().median() < 0.4
    scores = pd.read_parquet(tmp_path / "out" / "label_scores.parquet")
    assert {"all", "without X-ray-selected"} <= set(scores["labels"])


def test_a_folder_in_use_is_left_alone(folder):
    with pytest.raises(ConfigError, match="has a list of sources"):
        simulate_files(folder, 3, seed=1)
