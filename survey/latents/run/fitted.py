"""Fits a representation, or takes the one that was fitted to the same spectra before."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from catalogs.durable import hash_bytes, write_text
from survey.config import fingerprint
from survey.errors import SurveyError
from survey.latents.calibration import calibrate
from survey.latents.models.base import Representation
from survey.latents.models.methods import make_representation
from survey.latents.models.model_io import load_model, save_model
from survey.latents.spectra import SpectrumSet

CODE_VERSION = 2
"""Raised when code changes results, as `code` of a `Stage` is."""


def fitted_model(
    spectra: SpectrumSet, parameters: dict[str, Any], method: str, folder: Path
) -> Representation:
    """The representation of a folder if it is of these spectra and settings, else a new one.

    An interrupted training of a network goes on.

    Raises
    ------
    ConfigError, DataError
        See `make_representation` and `Representation.fit`.
    """
    key, marker = _key(spectra, parameters, method), folder.with_name(f"{folder.name}.key")
    if marker.is_file() and marker.read_text() == key:
        try:
            return load_model(folder)
        except SurveyError:
            pass  # damaged: it is fitted again
    model = make_representation(method, **parameters)
    training = folder.with_name(f".{folder.name}.training-{key}")
    model.fit(spectra, **({"checkpoint": training} if method == "autoencoder" else {}))
    calibrate(model, spectra, seed=int(parameters.get("seed", 0)))
    save_model(model, folder)
    write_text(marker, key)
    shutil.rmtree(training, ignore_errors=True)
    return model


def _key(spectra: SpectrumSet, parameters: dict[str, Any], method: str) -> str:
    arrays = [
        spectra.grid.edges, spectra.values, spectra.mask, spectra.background,
        spectra.background_counts, spectra.response,
        None if spectra.folding is None else spectra.folding.matrices.data,
    ]  # fmt: skip
    content = [None if one is None else hash_bytes(one.tobytes()) for one in arrays]
    return fingerprint(CODE_VERSION, method, parameters, content, spectra.sources.tolist())
