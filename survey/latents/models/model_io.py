"""Writes and reads fitted representations: a folder with a readable card, and arrays.

Arrays are in `.npz` files without objects, or in safetensors files; loading them cannot run code.
The card has the hash of the arrays, so that card and arrays always belong together.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import shutil
import tempfile
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from catalogs.durable import hash_file, write_json
from survey import __version__
from survey.bounded_zip import MOST_BYTES, unpacked_zip
from survey.config import fingerprint
from survey.errors import ConfigError, DataError, IntegrityError
from survey.latents.grid import Grid
from survey.latents.models.background import BackgroundModel
from survey.latents.models.base import ANY_KIND, Arrays, Calibration, Representation
from survey.latents.models.equal_counts import EqualCounts
from survey.latents.models.methods import METHODS
from survey.latents.models.response_shape import ResponseShape

MODEL_SCHEMA = 1
"""Version of the content of a folder; other versions are refused."""

CARD_FILE = "card.json"
MOST_CARD_BYTES = 16 << 20
COMMON = "common/"
LIBRARIES = ("numpy", "scipy", "scikit-learn")


def save_model(model: Representation, folder: str | Path) -> Path:
    """Write a fitted representation; a model that is there already is replaced whole.

    The folder has `card.json`, to be read by people, and the arrays.

    Raises
    ------
    ConfigError
        If the folder is there and is not a model.
    NotFittedError
        If the representation has learnt nothing yet.
    """
    model.require_fitted()
    folder = Path(folder)
    if folder.exists() and not (folder / CARD_FILE).is_file():
        raise ConfigError(
            "the folder exists and is not a model", file=folder, advice="Give another folder."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        common = {
            f"{COMMON}edges": model.grid_.edges,
            f"{COMMON}mean_shape": model.mean_shape_,
            f"{COMMON}background_shape": model.background_.shape,
        }
        if (response := model.response_) is not None:
            common |= {
                f"{COMMON}photons": response.photons,
                f"{COMMON}photon_edges_kev": response.energies.edges,
                f"{COMMON}mean_response_cm2": response.matrix,
            }
        if (calibration := model.calibration_) is not None:
            common |= {f"{COMMON}{k}": v for k, v in _calibration_arrays(calibration).items()}
        _write_arrays(temporary / model.weights_file, model.arrays() | common)
        write_json(temporary / CARD_FILE, _card(model, temporary / model.weights_file))
        temporary.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return folder


def _card(model: Representation, weights: Path) -> dict[str, Any]:
    return {
        "schema": MODEL_SCHEMA,
        "method": model.name,
        "parameters": model.get_params(),
        "kind": model.kind_,
        "unit": model.grid_.unit,
        "bins": len(model.grid_),
        "range": [float(edge) for edge in model.grid_.edges[[0, -1]]],
        "n_spectra": model.n_spectra_,
        "background_strength": model.background_.strength,
        "facts": model.facts(),
        "versions": {"spaxel-survey": __version__}
        | {name: importlib.metadata.version(name) for name in LIBRARIES},
        "arrays": {"file": weights.name, "blake2b": hash_file(weights)},
    }


def model_hash(folder: Path) -> str:
    """Hash of a model that can be loaded: two of the same hash make the same latents."""
    card = json.loads((folder / CARD_FILE).read_text())
    return fingerprint(card["method"], card["arrays"]["blake2b"])


def load_model(folder: str | Path) -> Representation:
    """Read a fitted representation.

    Raises
    ------
    DataError
        If it is not a model, or one of another version, or of spectra that its method no longer
        represents.
    IntegrityError
        If the arrays are not those the card speaks of.
    """
    folder = Path(folder)
    try:
        if (size := (folder / CARD_FILE).stat().st_size) > MOST_CARD_BYTES:
            raise _refused(folder, f"{CARD_FILE} of {size} bytes")
        card = json.loads((folder / CARD_FILE).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise _refused(folder, f"{type(error).__name__}: {error}") from None
    if not isinstance(card, dict) or card.get("schema") != MODEL_SCHEMA:
        found = card.get("schema") if isinstance(card, dict) else type(card).__name__
        raise DataError(
            "the model was written by another version of the survey",
            file=folder,
            expected=f"schema {MODEL_SCHEMA}",
            found=str(found),
            advice="Fit it again.",
        )
    try:
        method = METHODS[card["method"]]
        if card["kind"] not in method.kinds:
            raise DataError(
                f"{method.name} does not represent such spectra any more",
                file=folder,
                expected=f"a model of {' or '.join(method.kinds)}",
                found=f"one of {card['kind']}",
                advice=f"{ANY_KIND} Fit the model again.",
            )
        # The name of the file is that of the method: the card cannot send us elsewhere.
        weights, expected = folder / method.weights_file, card["arrays"]["blake2b"]
        if weights.is_file() and weights.stat().st_size > MOST_BYTES:
            raise _refused(folder, f"{weights.name} of {weights.stat().st_size} bytes")
        if not weights.is_file() or hash_file(weights) != expected:
            raise IntegrityError(
                "the arrays of the model are missing or have changed", file=weights,
                expected=expected, advice="Fit the model again.",
            )  # fmt: skip
        parameters = {  # JSON has lists only
            name: tuple(value) if isinstance(value, list) else value
            for name, value in card["parameters"].items()
        }
        return _model(method(**parameters), card, _read_arrays(weights))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _refused(folder, f"{type(error).__name__}: {error}") from None


def _model(model: Representation, card: dict[str, Any], arrays: Arrays) -> Representation:
    common = {
        name.removeprefix(COMMON): arrays.pop(name) for name in list(arrays) if COMMON in name
    }
    model.grid_ = Grid(common["edges"], card["unit"])
    model.kind_ = card["kind"]
    model.n_spectra_ = int(card["n_spectra"])
    model.mean_shape_ = common["mean_shape"]
    model.background_ = BackgroundModel(
        common["background_shape"], float(card["background_strength"])
    )
    model.response_ = None
    if "photons" in common:
        energies = Grid(common["photon_edges_kev"], "keV")
        matrix = common["mean_response_cm2"]
        fits = common["photons"].shape == (len(energies),)
        if not fits or matrix.shape != (len(energies), len(model.grid_)):
            raise ValueError("the mean response does not fit its energies or the grid")
        model.response_ = ResponseShape(energies, common["photons"], matrix)
    model.calibration_ = _calibration(common)
    for name in ("mean_shape", "background_shape"):
        if common[name].shape != (len(model.grid_),):
            raise ValueError(f"{name} does not fit the grid")
    model.restore(arrays)
    model.remember(card["facts"])
    return model


def _calibration_arrays(calibration: Calibration) -> Arrays:
    arrays = {"error_log_counts": calibration.log_counts, "error_factors": calibration.factors}
    if calibration.equal is not None:
        arrays |= {f"equal_{one.name}": getattr(calibration.equal, one.name)
                   for one in fields(EqualCounts)}  # fmt: skip
    return arrays


def _calibration(common: Arrays) -> Calibration | None:
    """The calibration of a saved model; models of earlier versions have none."""
    if "error_factors" not in common:
        return None
    equal = None
    if "equal_maps" in common:
        equal = EqualCounts(*(common[f"equal_{one.name}"] for one in fields(EqualCounts)))
    return Calibration(common["error_log_counts"], common["error_factors"], equal)


def _write_arrays(file: Path, arrays: Arrays) -> None:
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    if file.suffix == ".npz":
        np.savez(file, allow_pickle=False, **whole)
        return
    from safetensors.numpy import save_file

    save_file(whole, file)


def _read_arrays(file: Path) -> Arrays:
    if file.suffix == ".npz":
        data = unpacked_zip(file.read_bytes(), file=str(file))
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as opened:
                return dict(opened)
        except (OSError, MemoryError, zipfile.BadZipFile) as error:
            raise ValueError(str(error)) from None
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError:
        raise ConfigError(
            "reading this model needs safetensors",
            advice="Install with: pip install 'spaxel-survey[latent]'.",
        ) from None
    try:
        return dict(load_file(file))
    except SafetensorError as error:
        raise ValueError(str(error)) from None


def _refused(folder: Path, found: str) -> DataError:
    return DataError(
        "not a model of the survey",
        file=folder,
        expected=f"{CARD_FILE} and arrays, as written by `survey latent fit`",
        found=found,
    )
