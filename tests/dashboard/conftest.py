"""A run with two good galaxies and a bad one."""

from dataclasses import replace
from pathlib import Path

import pytest

from survey.config import EngineSettings, Settings
from survey.engine.cluster import LazyCluster
from survey.pipeline.galaxy.target import Target
from survey.pipeline.run.survey import run_survey
from survey.report.run import write_galaxy, write_index_pages


@pytest.fixture(scope="session")
def run(
    tmp_path_factory: pytest.TempPathFactory, targets: list[Target], settings: Settings
) -> Path:
    root = tmp_path_factory.mktemp("dashboard")
    bad = root / "bad.fits"
    bad.write_text("no cube")
    with LazyCluster(EngineSettings(workers=0, dashboard=False)) as cluster:
        run_survey(
            root / "run",
            [*targets, replace(targets[0], galaxy="BAD", files=(bad,))],
            settings,
            cluster,
            draw=write_galaxy,
        )
    write_index_pages(root / "run")
    return root / "run"
