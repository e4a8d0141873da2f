"""What a small galaxy costs a file server: files, folders, and waits for the disk."""

import ctypes
import os
from pathlib import Path

import pytest

from catalogs import durable
from catalogs.part_tables import read_part_table
from catalogs.parts import DamagedPartWarning, PartStore
from survey.config import Settings, build_settings
from survey.errors import DataError
from survey.pipeline.galaxy import runner
from survey.pipeline.galaxy import stages as stage_functions
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.galaxy.target import Target
from survey.pipeline.galaxy.task import GalaxyTask, process_galaxy

FIXED = {"cut": {"criterion": "fixed", "k": 3}}
BEFORE = 61
"""Flushes of a small galaxy where every file is flushed alone."""


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every wait for the disk, by the function that waits."""
    called: list[str] = []
    fsync, syncfs = os.fsync, durable._syncfs()

    def counted_fsync(descriptor: int) -> None:
        called.append("fsync")
        fsync(descriptor)

    def counted_syncfs(descriptor: int) -> int:
        called.append("syncfs")
        return syncfs(descriptor)

    monkeypatch.setattr(os, "fsync", counted_fsync)
    if syncfs is not None:
        monkeypatch.setattr(durable, "_syncfs", lambda: counted_syncfs)
    return called


def process(root: Path, target: Target, settings: Settings) -> None:
    assert process_galaxy(GalaxyTask(target, settings, root)).failure is None


@pytest.mark.skipif(durable._syncfs() is None, reason="this system cannot flush a file system")
def test_a_small_galaxy_waits_for_the_disk_at_most_five_times(tmp_path, targets, flushes):
    process(tmp_path, targets[0], build_settings(FIXED))
    flushes.clear()
    process(tmp_path, targets[1], build_settings(FIXED))
    assert 1 <= len(flushes) <= 5, flushes


def test_without_such_a_system_every_file_is_flushed_before_it_gets_its_name(
    tmp_path, targets, flushes, monkeypatch
):
    monkeypatch.setattr(durable, "_syncfs", lambda: None)
    process(tmp_path, targets[0], build_settings(FIXED))
    n_store = sum(1 for _ in next((tmp_path / "cubes").iterdir()).rglob("*"))
    assert n_store < len(flushes) < BEFORE


def test_a_file_system_that_cannot_write_is_an_error(tmp_path, monkeypatch):
    def fail(descriptor: int) -> int:
        ctypes.set_errno(28)
        return -1

    monkeypatch.setattr(durable, "_syncfs", lambda: fail)
    with pytest.raises(OSError, match="No space left"):
        durable.flush_tree(tmp_path)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_small_galaxy_has_six_files_for_its_cube_and_two_for_its_parts(tmp_path, targets):
    process(tmp_path, targets[0], build_settings(FIXED))
    (folder,) = (tmp_path / "parts").iterdir()
    assert sorted(path.name.split("-")[0] for path in folder.iterdir()) == ["commit", "tree"]
    assert len(files_below(tmp_path / "parts")) == 2
    assert len(files_below(tmp_path / "cubes")) == 6
    folders = [path for path in (tmp_path / "cubes").rglob("*") if path.is_dir()]
    assert len(folders) == 6
    assert files_below(tmp_path / ".inflight") == []


def test_without_stores_a_small_galaxy_has_two_files(tmp_path, targets):
    settings = build_settings(FIXED | {"engine": {"keep_stores": False}})
    process(tmp_path, targets[0], settings)
    assert len(files_below(tmp_path / "parts") + files_below(tmp_path / "cubes")) == 2


def other_features(root: Path, target: Target) -> GalaxyRunner:
    return GalaxyRunner(
        target, build_settings(FIXED | {"features": {"detection_sigma": 4.0}}), root
    )


def test_a_result_in_the_last_part_is_used_and_goes_into_the_next(tmp_path, targets):
    process(tmp_path, targets[0], build_settings(FIXED))
    (first,) = tmp_path.glob("parts/*/commit-*")
    galaxy = other_features(tmp_path, targets[0])
    receipt = galaxy.result()
    assert galaxy.computed == ["features", "commit"]
    first.unlink()
    names = [record.path for record in receipt.files]
    inside = [name for name in names if "/" in name]
    assert any(name.endswith("/cut.json") for name in inside)
    assert not [name for name in inside if name.endswith("spaxels.arrow")], "it is there once"
    place = targets[0].galaxy, "profiles", galaxy.keys["profiles"]
    profiled = PartStore(tmp_path).find(*place, full=True)
    assert read_part_table(profiled, "spaxels").equals(read_part_table(receipt, "spaxels"))


def test_a_result_that_waited_is_kept_if_a_later_stage_fails(tmp_path, targets, monkeypatch):
    def fail(*args: object) -> None:
        raise DataError("no features today")

    with monkeypatch.context() as patch:
        patch.setattr(stage_functions, "features", fail)
        report = process_galaxy(GalaxyTask(targets[0], build_settings(FIXED), tmp_path))
    assert report.failure is not None
    galaxy = GalaxyRunner(targets[0], build_settings(FIXED), tmp_path)
    galaxy.result()
    assert galaxy.computed == ["features", "commit"]
    assert files_below(tmp_path / ".inflight") == []


def test_a_result_that_took_long_does_not_wait(tmp_path, targets, monkeypatch):
    monkeypatch.setattr(runner, "WITH_LAST_BELOW_S", 0.0)
    process(tmp_path, targets[0], build_settings(FIXED))
    (folder,) = (tmp_path / "parts").iterdir()
    assert len([path for path in folder.iterdir() if path.name.startswith("profiles-")]) == 1
    assert other_features(tmp_path, targets[0]).missing() == ["features", "commit"]


def test_a_damaged_result_in_the_last_part_is_computed_again_with_it(tmp_path, targets):
    process(tmp_path, targets[0], build_settings(FIXED))
    (part,) = tmp_path.glob("parts/*/commit-*")
    content = bytearray(part.read_bytes())
    content[content.index(b'"criterion"') + 2] ^= 1  # in cut.json
    part.write_bytes(content)
    galaxy = other_features(tmp_path, targets[0])
    with pytest.warns(DamagedPartWarning, match="cut.json"):
        galaxy.result()
    assert galaxy.computed == ["prepare", "cut", "profiles", "features", "commit"]
    assert not part.exists()


def test_without_stores_only_what_needs_spectra_converts_a_cube_again(tmp_path, targets):
    base = FIXED | {"engine": {"keep_stores": False}}
    process(tmp_path, targets[0], build_settings(base))
    for tables, stages in (
        ({"features": {"detection_sigma": 4.0}}, ["features", "commit"]),
        (
            {"cut": {"criterion": "fixed", "k": 4}},
            ["read", "prepare", "cut", "profiles", "features", "commit"],
        ),
    ):
        galaxy = GalaxyRunner(targets[0], build_settings(base | tables), tmp_path)
        assert galaxy.missing() == stages
