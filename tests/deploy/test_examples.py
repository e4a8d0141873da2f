"""The examples of cluster files are valid, as they stand and with what is commented out in them."""

import re
import subprocess
import time
from pathlib import Path

import pytest

from survey.config import EngineSettings
from survey.engine.backends import KINDS
from survey.engine.backends.slurm import SlurmSettings
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


def test_the_workers_of_the_container_run_in_its_image(folder: Path) -> None:
    text = (ROOT / "deploy" / "slurm" / "container.toml").read_text()
    (folder / "cluster.toml").write_text(text)
    settings = load_cluster(folder / "cluster.toml")
    assert isinstance(settings, SlurmSettings)
    assert settings.python is not None
    assert settings.python.split()[:2] == ["apptainer", "exec"]
    assert settings.python.endswith(".sif python")


@pytest.mark.parametrize(
    ("code", "restarts", "ends", "queued"),
    [(0, 0, 0, False), (64, 0, 64, False), (2, 0, 2, False), (75, 3, 0, True), (75, 30, 75, False)],
)
def test_the_job_of_the_driver_is_queued_again_until_the_survey_is_done(
    tmp_path: Path, code: int, restarts: int, ends: int, queued: bool
) -> None:
    done = subprocess.run(
        ["/bin/bash", driver_of(tmp_path, f"exit {code}"), "my.toml"],
        env=environment_of(tmp_path) | {"SLURM_RESTART_COUNT": str(restarts)},
        check=False,
    )
    assert done.returncode == ends
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0] == "survey run my.toml --cluster slurm.toml"
    assert calls[1:] == (["scontrol requeue 17"] if queued else [])


def test_the_job_of_the_driver_passes_the_signal_on_before_its_time_is_over(tmp_path: Path) -> None:
    wait = f"trap 'sleep 0.5; exit 75' TERM; touch {tmp_path}/ready; while :; do sleep 0.1; done"
    driver = driver_of(tmp_path, wait)
    with subprocess.Popen(["/bin/bash", driver], env=environment_of(tmp_path)) as process:
        deadline = time.monotonic() + 20
        while not (tmp_path / "ready").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.terminate()
        assert process.wait(20) == 0
    assert (tmp_path / "calls").read_text().splitlines()[-1] == "scontrol requeue 17"
    signal = re.search(r"--signal=B:TERM@(\d+)", Path(driver).read_text())
    assert signal is not None
    assert int(signal[1]) > EngineSettings().drain_s + 60


def driver_of(folder: Path, survey: str) -> str:
    """The script of the driver, with commands in place of the survey and of SLURM."""
    (folder / "bin").mkdir()
    for name, then in (("survey", survey), ("scontrol", "exit 0")):
        script = folder / "bin" / name
        script.write_text(f'#!/bin/bash\necho "{name} $@" >> {folder}/calls\n{then}\n')
        script.chmod(0o755)
    (folder / "activate").touch()
    text = (ROOT / "deploy" / "slurm" / "driver.sbatch").read_text()
    (folder / "driver").write_text(text.replace("/shared/venv/bin/activate", f"{folder}/activate"))
    return str(folder / "driver")


def environment_of(folder: Path) -> dict[str, str]:
    return {"PATH": f"{folder}/bin:/usr/bin:/bin", "SLURM_JOB_ID": "17"}


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
