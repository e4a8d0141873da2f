"""Writes models as bytes in the format of skops, and reads them.

A model is stored as text and arrays of numbers, and loading it creates nothing else. Before skops
reads a file, everything in it is compared with a list of what it may contain. Classes that skops
itself trusts are refused too, because invalid content for them can crash NumPy or scikit-learn.
Pickles are never read.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from survey.bounded_zip import unpacked_zip
from survey.classes.diagrams import Contour, Diagram
from survey.classes.methods.calibration import Calibrated
from survey.classes.methods.registry import FOREST, METHODS
from survey.classes.model import Model, ModelCard
from survey.classes.predictors import Predictor
from survey.classes.ratios import parse_ratios
from survey.classes.sample import Scaling, latent_names, predictor_names
from survey.classes.types import Floats
from survey.errors import ConfigError, DataError

MODEL_SCHEMA = 4
"""Version of the content of a file."""

FOREST_SCHEMA = 3
"""Of version 0.1.0: a forest of log ratios alone. Such files are read too, others are refused."""

ALLOWED_NODES = {"DictNode", "ListNode", "JsonNode", "NdArrayNode", "TypeNode"}
ALLOWED_MODULES = {"builtins", "numpy"}


def dump_model(model: Model) -> bytes:
    """The content of a `.skops` file with this model."""
    description = {
        "schema": MODEL_SCHEMA,
        "card": asdict(model.card),
        "classes": model.classes,
        "ratios": [ratio.name.split("/") for ratio in model.ratios],
        "predictors": [[*each.name.split("/"), each.offset] for each in model.set],
        "slope": model.uses_slope,
        "latents": model.n_latents,
        "diagrams": [_without_points(diagram) for diagram in model.diagrams],
        "method": model.method,
        "temperatures": {name: fit.temperature for name, fit in model.fits.items()},
    }
    content = {
        "model": json.dumps(description, indent=1),
        "center": model.scaling.centre,
        "scatter": model.scaling.scatter,
        "points": _points(model.diagrams),
        **{
            f"{name}.{array}": values
            for name, fit in model.fits.items()
            for array, values in fit.arrays().items()
        },
    }
    from skops import io as skops_io  # loads PyTorch where it is installed, so only when needed

    return bytes(skops_io.dumps(content, compression=zipfile.ZIP_DEFLATED))


def load_model(data: bytes, *, file: str | None = None) -> Model:
    """Read a model; `file` is its name in messages.

    Raises
    ------
    DataError
        If it is not a model, one of another version, or damaged.
    """
    content = _read_plain(data, file)
    try:
        description = json.loads(content["model"])
        if description["schema"] == FOREST_SCHEMA:
            description, content = _brought_up_to_date(description, content)
        if description["schema"] != MODEL_SCHEMA:
            raise DataError(
                "the model was written by another version of the survey",
                file=file,
                expected=f"schema {MODEL_SCHEMA} or {FOREST_SCHEMA}",
                found=f"schema {description['schema']}",
                advice="Train it again.",
            )
        return _model(description, content)
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise _refused(f"{type(error).__name__}: {error}", file) from None


def _model(description: dict[str, Any], content: dict[str, Any]) -> Model:
    ratios = parse_ratios((above, below) for above, below in description["ratios"])
    classes = tuple(map(str, description["classes"]))
    chosen = tuple(_predictor(*row) for row in description["predictors"])
    n_latents = int(description["latents"])
    if chosen:
        predictors = (*(each.name for each in chosen), *latent_names(n_latents))
    else:
        predictors = predictor_names(
            ratios, with_slope=bool(description["slope"]), n_latents=n_latents
        )
    centre, scatter = (np.asarray(content[name], np.float64) for name in ("center", "scatter"))
    usable = np.isfinite(centre).all() and np.isfinite(scatter).all() and (scatter > 0).all()
    if not (centre.shape == scatter.shape == (len(predictors),) and usable):
        raise ValueError("the scale does not fit the predictors")
    card = description["card"]
    return Model(
        card=ModelCard(**{**card, "galaxies": tuple(card["galaxies"])}),
        classes=classes,
        ratios=ratios,
        set=chosen,
        scaling=Scaling(predictors, centre, scatter),
        method=str(description["method"]),
        fits=_fits(description, content, len(predictors), len(classes)),
        diagrams=_diagrams(
            description["diagrams"], content["points"], [ratio.name for ratio in ratios], classes
        ),
    )


def _brought_up_to_date(
    description: dict[str, Any], content: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A model of version 0.1.0 as one of this version; its forest of log ratios is the same."""
    new = {
        **description,
        "schema": MODEL_SCHEMA,
        "predictors": [],
        "method": FOREST,
        "temperatures": {FOREST: 1.0},
    }
    renamed = {f"{FOREST}.{name}": values for name, values in content.items()}
    return new, {**content, **renamed}


def _predictor(*row: Any) -> Predictor:
    *terms, offset = row
    above, below = (*map(str, terms), "")[:2]
    return Predictor(
        tuple(above.split("+")), tuple(below.split("+")) if below else (), float(offset)
    )


def _fits(
    description: dict[str, Any], content: dict[str, Any], n_predictors: int, n_classes: int
) -> dict[str, Calibrated]:
    """The classifiers of a model, every number of which is checked before it is used."""
    temperatures = description["temperatures"]
    if not {FOREST, description["method"]} <= set(temperatures) <= set(METHODS):
        raise ValueError("the methods of the model are unknown")
    fits = {}
    for name, temperature in temperatures.items():
        if not 0 < float(temperature) < math.inf:
            raise ValueError("a temperature is not positive")
        prefix = f"{name}."
        arrays = {
            key.removeprefix(prefix): values
            for key, values in content.items()
            if key.startswith(prefix)
        }
        classifier = METHODS[name].read(arrays, n_predictors=n_predictors, n_classes=n_classes)
        fits[name] = Calibrated(classifier, float(temperature))
    return fits


def _without_points(diagram: Diagram) -> dict[str, Any]:
    """What a diagram is; the points of its contours are kept together with all others."""
    contours = [
        {"class": contour.class_name, "level": contour.level, "points": len(contour.x)}
        for contour in diagram.contours
    ]
    return {"x": diagram.x, "y": diagram.y, "contours": contours}


def _points(diagrams: Sequence[Diagram]) -> Floats:
    """The points (2, M) of all contours, one after the other."""
    lines = [np.stack([c.x, c.y]) for diagram in diagrams for c in diagram.contours]
    return np.concatenate([np.empty((2, 0)), *lines], axis=1)


def _diagrams(
    descriptions: list[dict[str, Any]],
    points: Any,
    known_ratios: Sequence[str],
    classes: Sequence[str],
) -> tuple[Diagram, ...]:
    points = np.asarray(points, np.float64)
    counts = [int(c["points"]) for found in descriptions for c in found["contours"]]
    named = {c["class"] for found in descriptions for c in found["contours"]}
    ratios = {found[axis] for found in descriptions for axis in ("x", "y")}
    fits = points.shape == (2, sum(counts)) and min(counts, default=1) > 0
    if not (fits and np.isfinite(points).all()):
        raise ValueError("the points do not fit the contours")
    if not (named <= set(classes) and ratios <= set(known_ratios)):
        raise ValueError("the diagrams are of other classes or ratios")
    lines = iter(np.split(points, np.cumsum(counts)[:-1], axis=1))
    return tuple(
        Diagram(
            found["x"],
            found["y"],
            tuple(Contour(c["class"], float(c["level"]), *next(lines)) for c in found["contours"]),
        )
        for found in descriptions
    )


def _read_plain(data: bytes, file: str | None) -> dict[str, Any]:
    """The dictionary of text and arrays in a skops file that holds nothing else."""
    from skops import io as skops_io

    try:
        data = unpacked_zip(data, file=file)
    except DataError as error:
        raise _refused(error.found or error.message, file) from None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            schema = json.loads(archive.read("schema.json"))
        foreign = sorted(set(_foreign(schema)))
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError) as error:
        raise _refused(f"{type(error).__name__}: {error}", file) from None
    if foreign:
        raise _refused(", ".join(foreign), file)
    try:
        content = skops_io.loads(data, trusted=[])
    except Exception as error:  # whatever a made-up file brings its parsers to raise
        raise _refused(f"{type(error).__name__}: {error}", file) from None
    if not isinstance(content, dict):
        raise _refused(f"a {type(content).__name__}", file)
    return content


def _foreign(node: Any) -> Iterator[str]:
    """What the description of a skops file names that a model does not consist of."""
    if isinstance(node, dict):
        if "__loader__" in node and node["__loader__"] not in ALLOWED_NODES:
            yield str(node["__loader__"])
        if "__module__" in node and node["__module__"] not in ALLOWED_MODULES:
            yield f"{node['__module__']}.{node.get('__class__')}"
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from _foreign(child)


def _refused(found: str, file: str | None) -> DataError:
    return DataError(
        "not a model of the survey",
        file=file,
        expected="text and arrays as written by `survey classify`",
        found=found,
        advice="Pickles and files of other programs are not loaded.",
    )
