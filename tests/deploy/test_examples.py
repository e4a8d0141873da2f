"""The examples of cluster files are valid, as they stand and with what is commented out in them."""

import re
from pathlib import Path

import pytest

from survey.engine.backends import KINDS
from survey.engine.cluster_file import load_cluster
from survey.pipeline.run.plan import plan_run
from tests.deploy.conftest import ROOT

SETTINGS = """
targets = "targets.csv"
[engine]
cluster = "clusters/mine.toml"
"""

EXAMPLES = [kind for kind in KINDS if kind != "kubernetes"]  # which has its own tests


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the files are that the examples name."""
    (tmp_path / ".ssh").mkdir()
    names = ("ca.pem", "survey.pem", "survey.key", ".ssh/id_ed25519", ".ssh/known_hosts")
    for name in names:
        (tmp_path / name).touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("kind", EXAMPLES)
@pytest.mark.parametrize("everything", [False, True])
def test_an_example_is_valid(kind: str, everything: bool, folder: Path) -> None:
    text = (ROOT / "deploy" / kind / f"{kind}.toml").read_text()
    if everything:
        text = re.sub(r"^# (?=\w+ = |\[\w+\])", "", text, flags=re.MULTILINE)
    (folder / "cluster.toml").write_text(text)
    assert type(load_cluster(folder / "cluster.toml")) is KINDS[kind]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_an_example_says_every_setting_of_its_kind(kind: str) -> None:
    text = (ROOT / "deploy" / kind / f"{kind}.toml").read_text()
    shared = {"dashboard", "http", "metrics_targets", "watch"}
    rare = {"keep_every_s", "connect_timeout_s"}
    missing = {
        name
        for name in KINDS[kind].model_fields
        if not re.search(rf"\b{name}\b", text) and name not in shared | rare
    }
    assert not missing


def test_settings_that_name_a_cluster_file_name_it_from_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "cube.fits").touch()
    (tmp_path / "targets.csv").write_text("galaxy,files,redshift\none,cube.fits,0.01\n")
    (tmp_path / "survey.toml").write_text(SETTINGS)
    plan = plan_run([tmp_path / "survey.toml"])
    assert plan.settings.engine.cluster == str(tmp_path / "clusters" / "mine.toml")
