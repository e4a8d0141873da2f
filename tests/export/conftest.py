"""The tables of one galaxy whose clusters have holes, pieces and diagonal neighbours."""

from pathlib import Path

import pytest

from catalogs.publish import publish
from survey.api.results import Result
from survey.api.runs import open
from survey.config import build_settings
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.run.targets import read_targets


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, archive: Path) -> Path:
    """The run directory of one galaxy."""
    root = tmp_path_factory.mktemp("export")
    (target, _) = read_targets(archive / "targets.ecsv")
    settings = build_settings({"cut": {"criterion": "fixed", "k": 5}})
    publish(root, [GalaxyRunner(target, settings, root).result().path])
    return root


@pytest.fixture(scope="session")
def result(run: Path) -> Result:
    return open(run).result("SIM-001")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, result: Result) -> Path:
    """Everything that is exported of the galaxy."""
    folder = tmp_path_factory.mktemp("files")
    result.export(folder)
    return folder
