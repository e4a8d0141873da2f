"""The notebooks run, on a catalog like the one they speak of."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest

from catalogs.publish import publish
from survey.config import Settings
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.run.targets import read_targets
from survey.simulate import simulate_archive

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    simulate_archive(root / "sim", 2, size=(12, 12), window=(12.5, 16.2), seed=5)
    targets = read_targets(root / "sim" / "targets.ecsv")
    publish(root, [GalaxyRunner(target, Settings(), root).result().path for target in targets])
    return root


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, run: Path) -> None:
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    names: dict[str, object] = {}
    for cell in cells:
        source = "".join(cell["source"]).replace('"../demo/run"', repr(str(run)))
        exec(compile(source, str(path), "exec"), names)
    assert names["RUN"] == str(run)
    plt.close("all")


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS
