"""One galaxy, done, with all that its figures are drawn from."""

from pathlib import Path

import pytest

from catalogs.parts import Receipt
from catalogs.publish import publish
from survey.config import build_settings
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.run.targets import read_targets
from survey.simulate import simulate_archive


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Receipt]:
    """The run directory and the galaxy's part of the catalog."""
    root = tmp_path_factory.mktemp("report")
    simulate_archive(root / "sim", 1, size=(12, 12), window=(12.4, 13.2), seed=5)
    (target,) = read_targets(root / "sim" / "targets.ecsv")
    settings = build_settings({"cut": {"k_min": 3, "k_max": 5}})
    receipt = GalaxyRunner(target, settings, root).result()
    publish(root, [receipt.path])
    return root, receipt
