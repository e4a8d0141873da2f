"""What tells without reading a file that its content still is what was hashed."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from survey.cubes.files.cube_file import CubeFile
from survey.errors import IntegrityError
from survey.pipeline.galaxy import input_files
from survey.pipeline.galaxy.input_files import InputFile, notes_of_gone, read_inputs, unchanged

LONG_AGO_NS = 1_600_000_000_123_456_789


@pytest.fixture
def cube(tmp_path: Path) -> Path:
    path = tmp_path / "cube.fits"
    path.write_bytes(b"spectra")
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return path


def refuse(path: Path) -> str:
    raise AssertionError(f"{path} was read")


def test_an_unchanged_file_is_not_read(cube, monkeypatch):
    known = read_inputs([CubeFile.of(cube)])
    monkeypatch.setattr(input_files, "hash_file", refuse)
    assert read_inputs([CubeFile.of(cube)], known) == known == unchanged([CubeFile.of(cube)], known)


def _touched(path: Path) -> None:
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS + 1))


def _longer(path: Path) -> None:
    path.write_bytes(b"spectra and more")
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))


def _another_inode(path: Path) -> None:
    copy = path.with_suffix(".copy")
    copy.write_bytes(b"SPECTRA")
    os.utime(copy, ns=(LONG_AGO_NS, LONG_AGO_NS))
    copy.replace(path)


@pytest.mark.parametrize("change", [_touched, _longer, _another_inode])
def test_a_file_is_known_only_as_long_as_size_time_and_inode_agree(cube, change):
    known = read_inputs([CubeFile.of(cube)])
    change(cube)
    assert unchanged([CubeFile.of(cube)], known) is None


def test_of_a_file_that_is_gone_the_record_holds_and_says_so(cube):
    known = read_inputs([CubeFile.of(cube)])
    assert notes_of_gone(known) == []
    cube.unlink()
    assert unchanged([CubeFile.of(cube)], known) == known == read_inputs([CubeFile.of(cube)], known)
    (note,) = notes_of_gone(known)
    assert str(cube) in note


def test_a_file_that_was_only_touched_has_the_same_hash(cube):
    known = read_inputs([CubeFile.of(cube)])
    _touched(cube)
    (again,) = read_inputs([CubeFile.of(cube)], known)
    assert again.blake2b == known[0].blake2b
    assert again.mtime_ns != known[0].mtime_ns


def test_the_device_counts_on_the_machine_that_hashed_and_on_no_other(cube):
    (known,) = read_inputs([CubeFile.of(cube)])
    elsewhere = replace(known, device=known.device + 1)
    assert unchanged([CubeFile.of(cube)], [elsewhere]) is None
    assert unchanged([CubeFile.of(cube)], [replace(elsewhere, machine="another")])
    another = replace(elsewhere, machine="another", inode=known.inode + 1)
    assert unchanged([CubeFile.of(cube)], [another]) is None


def test_a_file_that_was_written_a_moment_ago_is_read_again(cube):
    cube.write_bytes(b"SPECTRA")  # It may change again within one tick of its clock.
    known = read_inputs([CubeFile.of(cube)])
    assert unchanged([CubeFile.of(cube)], known) is None


def test_a_file_that_changes_while_it_is_hashed_is_refused(cube, monkeypatch):
    def grow(path: Path) -> str:
        with path.open("ab") as file:
            file.write(b"more")
        return "hash"

    monkeypatch.setattr(input_files, "hash_file", grow)
    with pytest.raises(IntegrityError, match=r"cube\.fits.*changes while it is read.*11 bytes"):
        InputFile.read(CubeFile.of(cube))
