"""Trained models: grown from a classification, written with their card, and read."""

from __future__ import annotations

import datetime
import importlib.metadata
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from catalogs.durable import replacing, write_json
from catalogs.survey_parts import SurveyPart
from survey import __version__
from survey.bounded_zip import MOST_BYTES
from survey.classes.model import Model, ModelCard, make_model, model_of
from survey.classes.model_io import dump_model, load_model
from survey.classes.types import UNLABELLED
from survey.config import ClassSettings
from survey.engine.cluster import Cluster
from survey.errors import ConfigError, DataError
from survey.pipeline.classification.monte_carlo import MonteCarlo, labelled_sample, trained_sample
from survey.pipeline.classification.tables import diagrams_of

LIBRARIES = ("numpy", "scipy", "scikit-learn", "skops")


def save_model(
    file: str | Path,
    sample: Path,
    classification: SurveyPart,
    settings: ClassSettings,
    cluster: Cluster,
    *,
    on_draws: Callable[[int], None] = lambda n: None,
) -> Path:
    """Write the trained methods of a classification as a model.

    Where labels are spread, that is a forest of one tree a draw, which is grown here.

    Its card is written beside it, with the suffix .json. `sample` is the folder of the part that
    the classification was made from. Returns the file.
    """
    file = Path(file)
    labelled = labelled_sample(sample, settings)
    scores = classification.table("scores").to_pylist()
    card = ModelCard(
        galaxies=tuple(classification.summary["galaxies"]),
        n_clusters=len(labelled.sample),
        n_labelled=int((labelled.labels != UNLABELLED).sum()),
        method=settings.model_dump(mode="json", exclude={"labels"}),
        scores={
            row["measured"]: row["balanced_accuracy"]
            for row in scores
            if row["method"] == settings.method
        },
        versions={"spaxel-survey": __version__}
        | {name: importlib.metadata.version(name) for name in LIBRARIES},
        latent_model=classification.summary.get("latent_model", ""),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    diagrams = diagrams_of(classification)
    if settings.spread:
        forest = MonteCarlo(cluster, sample, settings, on_draws).forest()
        model = make_model(labelled, forest, diagrams, card)
    else:
        model = model_of(trained_sample(sample, settings), settings.method, diagrams, card)
        on_draws(settings.draws)  # They were made for the classes already.
    with replacing(file) as unfinished:
        unfinished.write_bytes(dump_model(model))
    write_json(file.with_suffix(".json"), asdict(card))
    return file


def read_model(file: str | Path) -> tuple[bytes, Model]:
    """The bytes of a model file, and the model.

    Raises
    ------
    ConfigError
        If the file does not exist.
    DataError
        If it is not a model.
    """
    path = Path(file)
    if not path.is_file():
        raise ConfigError("the model file does not exist", file=path)
    if (size := path.stat().st_size) > MOST_BYTES:
        raise DataError(
            "not a model of the survey",
            file=path,
            expected=f"at most {MOST_BYTES} bytes",
            found=f"{size} bytes",
        )
    data = path.read_bytes()
    return data, load_model(data, file=str(path))
