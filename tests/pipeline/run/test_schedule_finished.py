"""A run in which nothing is left to do needs no cluster."""

import json
import os
import shutil
from pathlib import Path

import pytest

from catalogs import open_catalog
from survey.config import EngineSettings, Settings, build_settings
from survey.engine.cluster import Cluster, LazyCluster
from survey.errors import ConfigError
from survey.pipeline.galaxy.target import Target
from survey.pipeline.run.finished import FILE, read_known
from survey.pipeline.run.survey import exclusive, run_survey

FORBIDDEN = EngineSettings(scheduler="tcp://192.0.2.1:8786")
NEEDS_A_CLUSTER = "would not be encrypted"
"""A cluster that is refused as soon as it is needed, and how."""


@pytest.fixture(scope="module")
def done(
    tmp_path_factory: pytest.TempPathFactory,
    targets: list[Target],
    settings: Settings,
    cluster: Cluster,
) -> Path:
    root = tmp_path_factory.mktemp("done")
    run_survey(root, targets, settings, cluster)
    return root


@pytest.fixture
def root(done: Path, tmp_path: Path) -> Path:
    """A finished run to do things to."""
    return Path(shutil.copytree(done, tmp_path / "run", symlinks=True))


def again(root: Path, targets: list[Target], settings: Settings, **options) -> dict[str, str]:
    with LazyCluster(FORBIDDEN) as cluster:
        results = run_survey(root, targets, settings, cluster, **options)
    return {name: report.outcome for name, report in results.reports.items()}


def test_nothing_is_started_where_nothing_is_to_do(root, targets, settings):
    drawn = []
    outcomes = again(root, targets, settings, draw=lambda *galaxy: drawn.append(galaxy[1]))
    assert outcomes == {"SIM-001": "reused", "SIM-002": "reused"}
    assert sorted(drawn) == sorted(outcomes), "figures may be missing still"


def test_a_new_galaxy_needs_a_cluster(root, targets, settings):
    more = [*targets, Target("new", targets[0].files, 0.02)]
    with pytest.raises(ConfigError, match=NEEDS_A_CLUSTER):
        again(root, more, settings)


def test_a_setting_that_reaches_a_galaxy_needs_a_cluster(root, targets):
    with pytest.raises(ConfigError, match=NEEDS_A_CLUSTER):
        again(root, targets, build_settings({"cut": {"criterion": "fixed", "k": 4}}))


def test_a_damaged_part_needs_a_cluster_and_is_left_for_it(root, targets, settings):
    (victim,) = root.glob("parts/SIM-001/commit-*")
    content = bytearray(victim.read_bytes())
    content[1000] ^= 1
    victim.write_bytes(bytes(content))
    with pytest.raises(ConfigError, match=NEEDS_A_CLUSTER):
        again(root, targets, settings)
    assert victim.exists(), "whoever computes it again says that it was damaged"


def test_a_finished_survey_is_recognised_without_reading_its_cubes(
    root, targets, settings, monkeypatch
):
    def read(path):
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr("survey.pipeline.galaxy.input_files.hash_file", read)
    assert set(again(root, targets, settings).values()) == {"reused"}


def test_a_run_that_knows_no_identities_leaves_the_cubes_to_the_workers(root, targets, settings):
    (root / FILE).unlink()
    with pytest.raises(ConfigError, match=NEEDS_A_CLUSTER):
        again(root, targets, settings)


def test_inputs_are_read_again_if_asked_for(root, targets, settings, cluster):
    with pytest.raises(ConfigError, match=NEEDS_A_CLUSTER):
        again(root, targets, settings, verify_inputs=True)
    results = run_survey(root, targets, settings, cluster, verify_inputs=True)
    assert results.count("reused") == len(targets)


@pytest.fixture
def away(tmp_path, targets, settings, cluster):
    """A finished run of one galaxy whose cube was taken away afterwards."""
    cube = shutil.copyfile(targets[0].files[0].local, tmp_path / "cube.fits")
    os.utime(cube, (1e9, 1e9))
    target = Target("SIM-001", (cube,), 0.01)
    run_survey(tmp_path / "run", [target], settings, cluster)
    cube.unlink()
    return tmp_path / "run", target


def test_a_galaxy_whose_cube_was_taken_away_stays_in_the_catalog(away, settings):
    root, target = away
    with LazyCluster(FORBIDDEN) as cluster:
        (report,) = run_survey(root, [target], settings, cluster).reports.values()
    assert report.outcome == "reused"
    assert any("cube.fits: the file is gone" in note for note in report.notes)
    assert open_catalog(root).clusters["galaxy"].tolist() != []


def test_a_galaxy_whose_cube_was_taken_away_can_be_cut_again(away, cluster):
    root, target = away
    settings = build_settings({"cut": {"criterion": "fixed", "k": 3}, "report": {"figures": False}})
    (report,) = run_survey(root, [target], settings, cluster).reports.values()
    assert report.failure is None
    assert "read" not in report.computed
    assert "cut" in report.computed
    assert any("cube.fits: the file is gone" in note for note in report.notes)


def test_who_asks_for_the_inputs_is_told_that_one_is_gone(away, settings, cluster):
    root, target = away
    results = run_survey(root, [target], settings, cluster, verify_inputs=True)
    (report,) = results.reports.values()
    assert "no such file" in report.failure["message"]


def test_lines_that_were_cut_off_cost_only_their_galaxy(root, targets, settings):
    lines = (root / FILE).read_text().splitlines(keepends=True)
    (root / FILE).write_text(lines[0] + lines[1][: len(lines[1]) // 2])
    assert list(read_known(root)) == [json.loads(lines[0])["galaxy"]]


def test_a_galaxy_without_a_page_is_left_to_the_workers(root, targets, settings):
    class Pages:
        def __call__(self, root, galaxy, key):
            raise AssertionError("drawn by the driver")

        def is_drawn(self, root, galaxy, key):
            return galaxy == "SIM-001"

    with pytest.raises(ConfigError, match=NEEDS_A_CLUSTER):
        again(root, targets, settings, draw=Pages())


def test_a_directory_in_use_is_told_before_a_cluster_is_started(root, targets, settings):
    with exclusive(root), pytest.raises(ConfigError, match="another survey"):
        again(root, targets, settings)
