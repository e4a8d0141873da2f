"""What a small galaxy costs a file server: files, folders, and waits for the disk."""

import ctypes
import os
from pathlib import Path

import pytest

from catalogs import durable
from survey.config import Settings, build_settings
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
def test_a_small_galaxy_waits_for_the_disk_at_most_six_times(tmp_path, targets, flushes):
    process(tmp_path, targets[0], build_settings(FIXED))
    flushes.clear()
    process(tmp_path, targets[1], build_settings(FIXED))
    assert 1 <= len(flushes) <= 6, flushes


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


def test_a_small_galaxy_has_one_file_for_every_part_and_twelve_for_its_cube(tmp_path, targets):
    process(tmp_path, targets[0], build_settings(FIXED))
    (folder,) = (tmp_path / "parts").iterdir()
    assert sorted(path.name.split("-")[0] for path in folder.iterdir()) == [
        "commit", "profiles", "tree"
    ]  # fmt: skip
    assert len(files_below(tmp_path / "parts")) == 3
    assert len(files_below(tmp_path / "cubes")) == 12
    folders = [path for path in (tmp_path / "cubes").rglob("*") if path.is_dir()]
    assert len(folders) == 6


def test_without_stores_a_small_galaxy_has_three_files(tmp_path, targets):
    settings = build_settings(FIXED | {"engine": {"keep_stores": False}})
    process(tmp_path, targets[0], settings)
    assert len(files_below(tmp_path / "parts") + files_below(tmp_path / "cubes")) == 3


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
