import io
import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from skops import io as skops_io

from survey.classes.diagrams import class_diagrams
from survey.classes.methods.forest_arrays import join_forests
from survey.classes.methods.registry import METHODS, FitOptions
from survey.classes.model import (
    Model,
    ModelCard,
    apply_model,
    grow_model_forest,
    make_model,
    model_of,
)
from survey.classes.model_io import dump_model, load_model
from survey.classes.prediction import train_methods
from survey.classes.ratios import parse_ratios
from survey.classes.results import most_probable
from survey.classes.sample import Method
from survey.classes.scores import score
from survey.errors import DataError
from tests.classes.simulated import CLASSES, FEATURES, measured_sample, simulated_sample

METHOD = Method(trees=10)
CARD = ModelCard(
    galaxies=("NGC 7469", "M 83"),
    n_clusters=67,
    n_labelled=30,
    method={"kernel": "knn"},
    scores={"galaxy-held-out": 0.9},
    versions={"scikit-learn": "1.9"},
    date="2025-01-01",
)
TO_NE_II = parse_ratios([(name, "NeII_12.81") for name in FEATURES if name != "NeII_12.81"])


@pytest.fixture(scope="module")
def model() -> Model:
    labelled, truth = simulated_sample(0, ratios=TO_NE_II)
    forest = grow_model_forest(labelled, METHOD, range(40), seed=0)
    planes = [("NeIII_15.56/NeII_12.81", other.name) for other in TO_NE_II[:2]]
    certain = np.eye(len(CLASSES))[truth]
    diagrams = class_diagrams(labelled.sample, certain, CLASSES, planes)
    return make_model(labelled, forest, diagrams, CARD)


@pytest.fixture(scope="module")
def stored(model: Model) -> bytes:
    return dump_model(model)


def test_a_model_tells_the_classes_of_galaxies_it_has_not_seen(model: Model) -> None:
    new, truth = simulated_sample(9, galaxies=3, ratios=TO_NE_II)
    p = apply_model(model, new.sample, range(5), seed=0)
    found = most_probable(p.p, new.sample.informed)
    assert score(found.p, truth).balanced_accuracy > 0.85


def test_trees_and_draws_may_be_made_in_portions(model: Model) -> None:
    labelled, _ = simulated_sample(0, ratios=TO_NE_II)
    portions = [grow_model_forest(labelled, METHOD, d, seed=0) for d in (range(25), range(25, 40))]
    again = make_model(labelled, join_forests(portions), (), CARD)
    new, _ = simulated_sample(9, ratios=TO_NE_II)
    whole = apply_model(model, new.sample, range(4), seed=1)
    split = apply_model(again, new.sample, [3, 0], seed=1)
    split = split + apply_model(again, new.sample, [2, 1], seed=1)
    np.testing.assert_array_equal(whole.p.total, split.p.total)
    np.testing.assert_array_equal(whole.p.squares, split.p.squares)


def test_a_stored_model_is_the_same_model(model: Model, stored: bytes) -> None:
    loaded = load_model(stored)
    assert loaded.card == CARD
    assert loaded.classes == model.classes
    assert loaded.ratios == model.ratios
    assert loaded.uses_slope
    new, _ = simulated_sample(9, ratios=TO_NE_II)
    before, after = (apply_model(m, new.sample, range(2), seed=0) for m in (model, loaded))
    np.testing.assert_array_equal(before.p.total, after.p.total)


def test_a_stored_model_holds_the_diagrams_of_its_training(model: Model, stored: bytes) -> None:
    assert sum(len(diagram.contours) for diagram in model.diagrams) > 10
    for ours, theirs in zip(model.diagrams, load_model(stored).diagrams, strict=True):
        assert (ours.x, ours.y) == (theirs.x, theirs.y)
        for one, other in zip(ours.contours, theirs.contours, strict=True):
            assert (one.class_name, one.level) == (other.class_name, other.level)
            np.testing.assert_array_equal((one.x, one.y), (other.x, other.y))


def test_a_model_may_be_without_diagrams(model: Model) -> None:
    plane = replace(model.diagrams[0], contours=())
    for diagrams in ((), (plane,)):
        assert load_model(dump_model(replace(model, diagrams=diagrams))).diagrams == diagrams


@pytest.mark.parametrize(("key", "value"), [("x", "OIII_5007/Hbeta_4861"), ("class", "Seyfert")])
def test_diagrams_of_something_else_are_refused(stored: bytes, key: str, value: str) -> None:
    content = skops_io.loads(stored)
    description = json.loads(content["model"])
    diagram = description["diagrams"][0]
    (diagram if key == "x" else diagram["contours"][0])[key] = value
    with pytest.raises(DataError, match=r"not a model of the survey.*other classes or ratios"):
        load_model(skops_io.dumps(content | {"model": json.dumps(description)}))


def test_a_stored_model_asks_for_no_type_that_must_be_trusted(stored: bytes) -> None:
    assert skops_io.get_untrusted_types(data=stored) == []


def test_a_sample_with_other_predictors_is_refused(model: Model) -> None:
    other, _ = simulated_sample(9, ratios=TO_NE_II[1:])
    with pytest.raises(DataError, match=r"other predictors; expected NeV_14.32/NeII_12.81"):
        apply_model(model, other.sample, range(1), seed=0)
    without_slope = replace(simulated_sample(9, ratios=TO_NE_II)[0].sample, slope=None)
    with pytest.raises(DataError, match="expected slope_alpha; found none in their place"):
        apply_model(model, without_slope, range(1), seed=0)


def test_a_sample_of_another_wavelength_range_is_refused(model: Model) -> None:
    sample = simulated_sample(9, ratios=TO_NE_II)[0].sample
    nothing = np.full_like(sample.fluxes.flux, np.nan)
    elsewhere = replace(
        sample,
        fluxes=replace(
            sample.fluxes, flux=nothing, limit=nothing, detected=np.zeros(nothing.shape, bool)
        ),
    )
    with pytest.raises(DataError, match="no cluster has enough of the predictors"):
        apply_model(model, elsewhere, range(1), seed=0)


class Bomb:
    """What a pickle can do: write a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.write_text, (self.path, "executed")


def rezipped(data: bytes, changed: dict[str, bytes]) -> bytes:
    """The archive with members replaced or added."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        members = {name: old.read(name) for name in old.namelist()}
        for name, content in (members | changed).items():
            new.writestr(name, content)
    return buffer.getvalue()


def test_pickles_are_refused_and_never_executed(stored: bytes, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    bomb = pickle.dumps(Bomb(mark))
    objects = io.BytesIO()
    np.save(objects, np.array([Bomb(mark)], dtype=object), allow_pickle=True)
    assert pickle.loads(bomb) > 0  # it does explode
    mark.unlink()

    arrays = [n for n in zipfile.ZipFile(io.BytesIO(stored)).namelist() if n.endswith(".npy")]
    disguises = [
        bomb,
        rezipped(stored, {"schema.json": bomb}),
        rezipped(stored, dict.fromkeys(arrays, bomb)),
        rezipped(stored, dict.fromkeys(arrays, objects.getvalue())),
    ]
    for disguise in disguises:
        with pytest.raises(DataError, match="not a model of the survey"):
            load_model(disguise, file="bomb.skops")
    load_model(rezipped(stored, {"data.pkl": bomb}))  # a stowaway is not even looked at
    assert not mark.exists()


def test_objects_are_refused_even_if_skops_trusts_them() -> None:
    forest = RandomForestClassifier(2).fit([[0], [1]], [0, 1])
    for foreign in (forest, {"model": np.random.RandomState(0)}, {"model": np.log}):
        with pytest.raises(DataError, match="not a model of the survey"):
            load_model(skops_io.dumps(foreign))


def tampered(stored: bytes, name: str, change: Callable[[np.ndarray], np.ndarray]) -> bytes:
    content = skops_io.loads(stored)
    return bytes(skops_io.dumps({**content, name: change(content[name])}))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("forest.left", lambda left: left + (left > 0) * 10**6),  # beyond the end
        ("forest.left", lambda left: np.where(left > 0, 0, left)),  # a circle
        ("forest.predictor", lambda predictor: predictor - 5),
        ("forest.roots", lambda roots: roots[:0]),
        ("forest.fraction", lambda fraction: 2 * fraction),
        ("forest.threshold", lambda threshold: threshold * np.nan),
        ("center", lambda center: center[:-1]),
        ("scatter", lambda scatter: 0 * scatter),
        ("forest.right", lambda right: right.astype(str)),
        ("points", lambda points: points[:, 1:]),
        ("points", lambda points: points * np.nan),
    ],
)
def test_a_damaged_model_is_refused(stored: bytes, name: str, change) -> None:
    with pytest.raises(DataError, match="not a model of the survey"):
        load_model(tampered(stored, name, change))


def test_a_model_of_version_0_1_0_applies_as_it_did(model: Model, stored: bytes) -> None:
    content = skops_io.loads(stored)
    description = json.loads(content["model"]) | {"schema": 3}
    for name in ("predictors", "method", "temperatures"):
        del description[name]
    arrays = {name.removeprefix("forest."): values for name, values in content.items()}
    del arrays["importance"]
    old = load_model(skops_io.dumps(arrays | {"model": json.dumps(description)}))
    assert (old.method, old.set) == ("forest", ())
    new, _ = simulated_sample(9, ratios=TO_NE_II)
    before, after = (apply_model(m, new.sample, range(3), seed=0) for m in (model, old))
    np.testing.assert_array_equal(before.p.total, after.p.total)
    np.testing.assert_array_equal(after.p.total, after.p_forest.total)


@pytest.mark.parametrize("method", METHODS)
def test_a_model_of_predictors_is_stored_whole_and_has_a_forest_besides(method: str) -> None:
    labelled, _ = measured_sample(0)
    trained = train_methods(labelled, [method], FitOptions(trees=20, rows_per_tree=100, seed=0))
    ours = model_of(trained, method, (), CARD)
    read = load_model(dump_model(ours))
    assert (read.method, read.set) == (method, ours.set)
    assert set(read.fits) == {method, "forest"}
    new, truth = measured_sample(9)
    before, after = (apply_model(m, new.sample, range(3), seed=0) for m in (ours, read))
    for name in ("p", "p_forest"):
        np.testing.assert_allclose(getattr(before, name).mean, getattr(after, name).mean, atol=1e-6)
    assert score(after.p.mean, truth).balanced_accuracy > 0.8


@pytest.mark.parametrize(
    ("name", "value"),
    [("method", "unknown"), ("temperatures", {"logistic": 1.0}), ("temperatures", {"forest": -1})],
)
def test_models_of_unknown_methods_and_temperatures_are_refused(
    stored: bytes, name: str, value: object
) -> None:
    content = skops_io.loads(stored)
    changed = json.dumps(json.loads(content["model"]) | {name: value})
    with pytest.raises(DataError, match="not a model of the survey"):
        load_model(skops_io.dumps(content | {"model": changed}))


def test_a_model_of_another_version_is_refused(stored: bytes) -> None:
    content = skops_io.loads(stored)
    content["model"] = json.dumps(json.loads(content["model"]) | {"schema": 99})
    with pytest.raises(DataError, match=r"m\.skops: .*another version.* found schema 99"):
        load_model(skops_io.dumps(content), file="m.skops")
