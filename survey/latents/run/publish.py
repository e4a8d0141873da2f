"""Publishes the latents of all clusters of a run in its catalog.

As with classes, they are one part of the whole survey. Its key depends on the model and on the
parts of all galaxies, so that nothing is computed again if nothing has changed.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from catalogs import SCHEMA_VERSION, open_catalog
from catalogs.parts import PartStore
from catalogs.publish import publish_again
from catalogs.survey_parts import LATENTS, SurveyPart, commit_survey_part, find_survey_part
from survey.config import fingerprint
from survey.errors import DataError
from survey.latents.anomaly import find_anomalies
from survey.latents.models.base import Representation
from survey.latents.models.model_io import load_model, model_hash
from survey.latents.run.spectra import cluster_spectra
from survey.latents.spectra import SpectrumSet
from survey.latents.uncertainty import latent_uncertainty
from survey.pipeline.classification.sample import parts_of
from survey.pipeline.galaxy.tables import write_table
from survey.pipeline.run.publisher import working_in

CODE_VERSION = 2
"""Raised when code changes results, as `code` of a `Stage` is."""

NUMERIC_LIBRARIES = ("numpy", "scipy", "scikit-learn")


@dataclass(frozen=True)
class PublishedLatents:
    """Latents that are in the catalog, and whether they had to be computed."""

    latents: SurveyPart
    computed: bool


def publish_latents(root: str | Path, model: Path) -> PublishedLatents:
    """Encode the spectra of all clusters by a model, and put their latents into the catalog.

    Parameters
    ----------
    root : str or Path
        The run directory.
    model : Path
        The folder of a fitted representation: that of this run, or of another one, whose
        latents those of this run can then be compared with.

    Raises
    ------
    ConfigError
        If the directory is in use.
    DataError
        If it is not a model, or no spectrum has samples on its grid.
    """
    root = Path(root).resolve()
    fitted, digest = load_model(model), model_hash(model)
    with working_in(root):
        found = parts_of(open_catalog(root), PartStore(root))
        parts = {name: part.key for name, part in found.items()}
        versions = [importlib.metadata.version(name) for name in NUMERIC_LIBRARIES]
        key = fingerprint(digest, parts, CODE_VERSION, SCHEMA_VERSION, versions)
        latents = find_survey_part(LATENTS, root, key)
        computed = latents is None
        if latents is None:
            rows = latent_rows(fitted, cluster_spectra(root, grid=fitted.grid_))
            summary = {
                "model": digest,
                "method": fitted.name,
                "n_latents": len(rows["latent"].iloc[0]),
            }
            latents = commit_survey_part(
                LATENTS, root, key, galaxies=parts, summary=summary,
                write=lambda folder: write_table(folder, "latents", rows),
            )  # fmt: skip
        publish_again(root, latents)
    return PublishedLatents(latents, computed)


def latent_rows(model: Representation, spectra: SpectrumSet) -> pd.DataFrame:
    """The table `latents`; there is no row for a spectrum without samples on the grid.

    Raises
    ------
    DataError
        If there is none with any.
    """
    spectra = spectra.rows(spectra.mask.any(axis=1))
    if not len(spectra):
        low, high = model.grid_.edges[[0, -1]]
        raise DataError(
            "no cluster has a spectrum that the model could encode",
            expected=f"spectra with errors between {low:.5g} and {high:.5g} {model.grid_.unit}",
            found="none",
        )
    latents = model.transform(spectra)
    odd = find_anomalies(model, spectra, latents)
    galaxy, cluster = np.array([name.rsplit("/", 1) for name in spectra.ids.tolist()]).T
    return pd.DataFrame(
        {
            "galaxy": galaxy,
            "cluster": cluster.astype(int),
            "latent": list(latents),
            "err_latent": list(latent_uncertainty(model, spectra)),
            "anomaly": odd.score,
            "isolation": odd.isolation,
            "misfit_sigma": odd.misfit,
        }
    ).sort_values(["galaxy", "cluster"], ignore_index=True)
