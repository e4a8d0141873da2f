"""A damaged store is converted again, the result is the same, and the galaxy says so."""

import shutil
from pathlib import Path

import pytest

from catalogs.part_tables import read_part_table
from catalogs.parts import Receipt
from survey.pipeline.galaxy import task as task_module
from survey.pipeline.galaxy.task import GalaxyTask, process_galaxy


@pytest.fixture(scope="module")
def computed(tmp_path_factory, targets, settings):
    """A galaxy with a store and its spaxels."""
    root = tmp_path_factory.mktemp("computed")
    report = process_galaxy(GalaxyTask(targets[0], settings, root))
    return root, spaxels(report)


def spaxels(report):
    return read_part_table(Receipt.read(report.part), "spaxels").to_pylist()


def chunk(store: Path, array: str) -> Path:
    return next(path for path in (store / array).glob("c.*"))


def flip_a_chunk(store: Path) -> None:
    file = chunk(store, "flux")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def truncate_a_chunk(store: Path) -> None:
    file = chunk(store, "error")
    file.write_bytes(file.read_bytes()[:-100])


def lose_the_metadata(store: Path) -> None:
    (store / "zarr.json").unlink()


def lose_an_array(store: Path) -> None:
    shutil.rmtree(store / "error")


def flip_a_coordinate(store: Path) -> None:
    file = chunk(store, "y")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [flip_a_chunk, truncate_a_chunk, lose_the_metadata, lose_an_array, flip_a_coordinate],
)
def test_a_damaged_store_is_converted_again_and_said(
    computed, tmp_path, targets, settings, damage, monkeypatch
):
    monkeypatch.setattr(task_module, "FIRST_WAIT_S", 0.0)
    before, expected = computed
    root = Path(shutil.copytree(before, tmp_path / "run"))
    shutil.rmtree(root / "parts")
    (store,) = (root / "cubes").iterdir()
    damage(store)
    report = process_galaxy(GalaxyTask(targets[0], settings, root))
    assert report.outcome == "computed"
    assert "read" in report.computed
    (note,) = [note for note in report.notes if "converted again" in note]
    assert f"{store}: the store is damaged" in note
    assert spaxels(report) == expected


def test_a_whole_store_is_used_without_a_word(computed, tmp_path, targets, settings):
    root = Path(shutil.copytree(computed[0], tmp_path / "run"))
    shutil.rmtree(root / "parts")
    report = process_galaxy(GalaxyTask(targets[0], settings, root))
    assert "read" not in report.computed
    assert not [note for note in report.notes if "converted again" in note]
