"""Saved models: what is damaged, foreign or of another version is refused."""

import json

import numpy as np
import pytest

from survey.errors import ConfigError, DataError, IntegrityError
from survey.latents.models.model_io import CARD_FILE, load_model, save_model
from survey.latents.models.nmf import SpectralNMF
from survey.latents.models.pca import SpectralPCA
from tests.latents.toys import counted


@pytest.fixture
def folder(tmp_path):
    return save_model(SpectralPCA(3).fit(counted(60).spectra), tmp_path / "model")


def change(folder, **values):
    card = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_text(json.dumps(card | values))


def test_the_card_says_what_the_model_is(folder):
    card = json.loads((folder / CARD_FILE).read_text())
    assert (card["method"], card["kind"], card["unit"], card["bins"]) == (
        "pca",
        "counts",
        "keV",
        64,
    )
    assert card["parameters"]["n_latents"] == 3
    assert sorted(path.name for path in folder.iterdir()) == ["arrays.npz", CARD_FILE]


def test_a_model_is_replaced_and_other_folders_are_not(folder, tmp_path):
    save_model(SpectralNMF(2).fit(counted(60).spectra), folder)
    assert load_model(folder).name == "nmf"
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigError, match="not a model"):
        save_model(SpectralPCA(3).fit(counted(60).spectra), tmp_path / "mine")
    assert not list(tmp_path.glob(".*")), "nothing half-written stays"


def test_arrays_that_have_changed_are_refused(folder):
    file = folder / "arrays.npz"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(IntegrityError, match="changed"):
        load_model(folder)


def test_pickles_are_not_read(folder):
    np.savez(folder / "arrays.npz", components=np.array([object()], dtype=object))
    from catalogs.durable import hash_file

    change(folder, arrays={"blake2b": hash_file(folder / "arrays.npz")})
    with pytest.raises(DataError, match="not a model"):
        load_model(folder)


@pytest.mark.parametrize(
    "values",
    [
        {"schema": 99},
        {"method": "magic"},
        {"parameters": {"depth": 3}},
        {"parameters": {"n_latents": 5}},
        {"unit": "parsec"},
        {"arrays": None},
        {"background_strength": "much"},
    ],
)
def test_cards_that_make_no_sense_are_refused(folder, values):
    change(folder, **values)
    with pytest.raises(DataError):
        load_model(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
def test_what_is_no_card_is_refused(folder, text):
    (folder / CARD_FILE).write_text(text)
    with pytest.raises(DataError):
        load_model(folder)


def test_an_autoencoder_of_flux_of_earlier_versions_is_refused(folder):
    change(folder, method="autoencoder", kind="flux")
    with pytest.raises(DataError, match="autoencoder does not represent") as refused:
        load_model(folder)
    assert "nmf or pca" in refused.value.advice
    assert refused.value.file == str(folder)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(DataError, match="not a model"):
        load_model(tmp_path)
