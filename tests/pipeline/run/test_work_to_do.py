"""What a run would compute, and why, is said before, and is what it then computes."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from astropy.io import fits

from survey.config import Settings, build_settings
from survey.pipeline.galaxy import stage
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.galaxy.stage_list import STAGES
from survey.pipeline.galaxy.target import Target
from survey.pipeline.galaxy.task import GalaxyTask, process_galaxy
from survey.pipeline.run.finished import FILE, FinishedGalaxies
from survey.pipeline.run.plan import RunPlan
from survey.pipeline.run.work_to_do import GalaxyWork, work_to_do

NAMES = tuple(one.name for one in STAGES)
BASE = {"cut": {"criterion": "fixed", "k": 3}, "linkage": {"method": "ward"}}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, targets: list[Target]) -> Path:
    """A run directory in which the first galaxy is done, and its cube beside it."""
    root = tmp_path_factory.mktemp("done")
    shutil.copyfile(targets[0].files[0], root / "cube.fits")
    os.utime(root / "cube.fits", ns=(10**18 + 1, 10**18 + 1))
    target = replace(targets[0], files=(root / "cube.fits",))
    report = process_galaxy(GalaxyTask(target, build_settings(BASE), root))
    assert report.computed == NAMES
    FinishedGalaxies(root).record(report)
    return root


@pytest.fixture
def root(done: Path, tmp_path: Path) -> Path:
    """A copy of it that is known like the original."""
    root = Path(shutil.copytree(done, tmp_path / "run"))
    known = json.loads((root / FILE).read_text())
    known["inputs"][0] |= {
        "path": str(root / "cube.fits"),
        "inode": (root / "cube.fits").stat().st_ino,
    }
    (root / FILE).write_text(json.dumps(known) + "\n")
    return root


def asked(root: Path, target: Target, settings: Settings | None = None, **options) -> GalaxyWork:
    target = replace(target, files=(root / "cube.fits",))
    (work,) = work_to_do(RunPlan(root, [target], settings or build_settings(BASE), **options))
    return work


def test_nothing_is_to_be_done_in_a_finished_run_and_no_cube_is_read(root, targets, monkeypatch):
    monkeypatch.setattr("survey.pipeline.galaxy.input_files.hash_file", None)
    assert asked(root, targets[0]).is_finished


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ({"features": {"detection_sigma": 5.0}}, "setting features.detection_sigma: 3.0 -> 5.0"),
        ({"cut": {"criterion": "fixed", "k": 4}}, "setting cut.k: 3 -> 4"),
        ({"linkage": {"method": "average"}}, "setting linkage.method: ward -> average"),
        ({"prepare": {"snr_min": 4.0}}, "setting prepare.snr_min"),
        ({"store": {"chunk_spaxels": 64}}, "setting store.chunk_spaxels"),
    ],
    ids=str,
)
def test_what_is_said_is_what_is_computed(root, targets, tables, reason):
    settings = build_settings(BASE | tables)
    said = asked(root, targets[0], settings)
    assert len(said.reasons) == 1
    assert reason in said.reasons[0]
    galaxy = GalaxyRunner(replace(targets[0], files=(root / "cube.fits",)), settings, root)
    galaxy.result()
    assert said.stages == tuple(galaxy.computed)
    assert asked(root, targets[0], settings).is_finished


def test_a_patch_release_recomputes_nothing_and_a_minor_release_is_named(
    root, targets, monkeypatch
):
    versions = {"numpy": stage.version("numpy")}
    known = stage.version
    monkeypatch.setattr(stage, "version", lambda name: versions.get(name) or known(name))
    major, minor = versions["numpy"].split(".")[:2]
    versions["numpy"] = f"{major}.{minor}.99"
    stage.minor_version.cache_clear()
    assert asked(root, targets[0]).is_finished
    versions["numpy"] = f"{major}.{int(minor) + 1}.0"
    stage.minor_version.cache_clear()
    said = asked(root, targets[0])
    stage.minor_version.cache_clear()
    assert said.stages == NAMES
    assert said.reasons == (f"changed library numpy: {major}.{minor} -> {major}.{int(minor) + 1}",)


def test_a_target_that_moved_is_named(root, targets):
    said = asked(root, replace(targets[0], redshift=0.5))
    assert said.stages == NAMES[1:]
    (reason,) = said.reasons
    assert reason.startswith("changed redshift: ")
    assert reason.endswith("-> 0.5")


def test_a_file_of_another_time_is_to_be_read_and_may_be_the_same(root, targets):
    os.utime(root / "cube.fits")
    said = asked(root, targets[0])
    assert said.stages == said.reasons == ()
    assert said.files_to_read == (f"{root / 'cube.fits'}: it has another modification time",)
    assert asked(root, targets[0], verify_inputs=True).is_finished


def test_a_file_whose_content_changed_is_named_once_it_is_read(root, targets):
    with fits.open(root / "cube.fits", mode="update") as file:
        file["SCI"].data[100, 6, 6] += 1.0
    assert asked(root, targets[0]).files_to_read
    said = asked(root, targets[0], verify_inputs=True)
    assert (said.stages, said.reasons) == (NAMES, ("changed content of the files",))


def test_a_damaged_part_is_named_and_stays(root, targets):
    (victim,) = root.glob("parts/*/tree-*")
    victim.write_bytes(victim.read_bytes()[:1000])
    assert asked(root, targets[0]).is_finished, "nobody needs it as long as the last part is there"
    next(root.glob("parts/*/commit-*")).unlink()
    said = asked(root, targets[0])
    assert said.stages == NAMES[1:]
    assert "damaged part tree" in said.reasons[0]
    assert "cannot be unpacked" in said.reasons[0]
    assert victim.exists()


def test_a_galaxy_without_results_is_new_and_one_without_a_file_cannot_be(root, targets):
    new = Target("new", (root / "cube.fits",), 0.02)
    gone = Target("gone", (root / "gone.fits",), 0.02)
    first, second = work_to_do(RunPlan(root, [new, gone], build_settings(BASE)))
    assert (first.stages, first.reasons) == (NAMES, ("new",))
    assert not second.is_finished
    assert "gone.fits" in second.reasons[0]
