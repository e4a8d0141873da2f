"""Damage of parts, receipts and stores is found, and what is advised mends it."""

import re
import shutil
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest
from typer.testing import CliRunner

from catalogs.durable import pack
from survey.cli import app
from survey.config import EngineSettings
from survey.engine.cluster import LazyCluster
from survey.pipeline.run.survey import run_survey
from survey.pipeline.run.verify import verify_run


@pytest.fixture(scope="module")
def survey_of_two(tmp_path_factory, targets, settings):
    """A finished survey, and a function that runs it once more in a folder."""

    def run_again(root):
        with LazyCluster(EngineSettings(workers=0, dashboard=False)) as cluster:
            return run_survey(root, targets, settings, cluster)

    root = tmp_path_factory.mktemp("whole")
    run_again(root)
    return root, run_again


@pytest.fixture
def root(survey_of_two, tmp_path):
    """A copy to be damaged."""
    return Path(shutil.copytree(survey_of_two[0], tmp_path / "the run", symlinks=True))


def flip(file: Path, position: int | None = None) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2 if position is None else position] ^= 1
    file.write_bytes(data)


def flip_a_part(root: Path) -> None:
    (file,) = root.glob("parts/SIM-001/commit-*")
    flip(file, 1000)


def lose_a_file_of_an_early_part(root: Path) -> None:
    (packed,) = root.glob("parts/SIM-002/tree-*")
    unpacked = packed.with_suffix(".unpacked")
    with ZipFile(packed) as file:
        file.extractall(unpacked)
    (unpacked / "tree.npy").unlink()
    packed.unlink()
    pack(unpacked, packed)
    shutil.rmtree(unpacked)


def flip_a_receipt(root: Path) -> None:
    (file,) = root.glob("parts/SIM-001/tree-*")
    flip(file, file.read_bytes().index(b'"blake2b"') + 20)


def swap_parts(root: Path) -> None:
    one, other = (next(root.glob(f"parts/SIM-00{i}/commit-*")) for i in (1, 2))
    shutil.copyfile(other, one)


def lose_a_part(root: Path) -> None:
    next(root.glob("parts/SIM-001/commit-*")).unlink()


def flip_a_table(root: Path) -> None:
    flip(root / "catalog" / "clusters.parquet")


def failures(root: Path, *, deep: bool = False) -> dict[str, str]:
    return {check.check: check.detail for check in verify_run(root, deep=deep) if not check.ok}


def test_a_whole_run_passes_every_check(root):
    assert failures(root, deep=True) == {}


@pytest.mark.parametrize(
    ("damage", "claim", "words"),
    [
        (
            flip_a_part,
            "parts agree with their receipts",
            "clusters.arrow: it cannot be unpacked",
        ),
        (lose_a_file_of_an_early_part, "parts agree with their receipts", "is missing"),
        (flip_a_receipt, "parts agree with their receipts", "damaged receipt"),
        (swap_parts, "parts agree with their receipts", "its receipt is of"),
        (lose_a_part, "parts of the catalog are there", "SIM-001/commit-"),
        (flip_a_table, "files are as the manifest says", "clusters.parquet has changed"),
    ],
)
def test_damage_is_found_and_what_is_advised_mends_it(root, survey_of_two, damage, claim, words):
    damage(root)
    assert words in failures(root)[claim]
    done = CliRunner().invoke(app, ["catalog", "verify", str(root)])
    assert done.exit_code == 1
    assert "Run the survey again" in done.stdout or "run the survey again" in done.stdout
    for command in re.findall(r"^  (rm -r .*)$", done.stdout, re.MULTILINE):
        subprocess.run(command, shell=True, check=True)
    survey_of_two[1](root)
    assert failures(root, deep=True) == {}


def test_stores_are_read_where_that_is_asked_for(root, survey_of_two):
    store = next(iter(root.glob("cubes/SIM-002-*.zarr")))
    flip(next((store / "error").glob("c.*")))
    assert failures(root) == {}
    assert store.name in failures(root, deep=True)["stores agree with their manifests"]
    done = CliRunner().invoke(app, ["catalog", "verify", "--deep", str(root)])
    assert done.exit_code == 1
    assert f"rm -r '{store}'" in done.stdout


def test_a_long_list_is_cut_and_says_so(root, monkeypatch):
    monkeypatch.setattr("survey.pipeline.run.verify.NAMED", 1)
    for file in root.glob("parts/*/commit-*"):
        flip(file, 1000)
    checks = {check.check: check for check in verify_run(root)}
    check = checks["parts agree with their receipts"]
    assert check.detail.startswith("2 of them")
    assert check.detail.endswith("and 1 more")
    assert "verify again" in check.advice


def test_a_catalog_alone_can_be_verified(root):
    assert failures((root / "catalog").resolve()) == {}
