"""Manifests for the Dask operator: valid, of one mind, and their commands run."""

import copy
import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from dask.utils import parse_bytes

from survey.config import EngineSettings
from survey.engine.backends.base import ALLOCATION, TRIM_THRESHOLD
from survey.engine.backends.kubernetes import OPERATOR_VARIABLE, KubernetesSettings
from survey.engine.cluster import LazyCluster
from survey.engine.cluster_file import load_cluster
from survey.engine.worker_memory import MEMORY
from survey.pipeline.run.lock import exclusive
from tests.deploy.conftest import ROOT
from tests.deploy.manifests import core_specs, documents, validate
from tests.deploy.test_costs import numbers, table_rows
from tests.engine.by_hand import dask_process, scheduler_address

FOLDER = ROOT / "deploy" / "kubernetes"
MANIFESTS = sorted(set(FOLDER.glob("*.yaml")))


def manifest(name: str) -> dict[str, Any]:
    (document,) = documents(FOLDER / name)
    return document


def container(spec: dict[str, Any]) -> dict[str, Any]:
    (only,) = spec["spec"]["containers"]
    return only


def runner() -> dict[str, Any]:
    return container(manifest("runner.yaml")["spec"]["template"])


def pods() -> list[dict[str, Any]]:
    """Specifications of all pods of all manifests."""
    return [
        spec
        for path in MANIFESTS
        for document in documents(path)
        for kind, spec in core_specs(document["spec"])
        if kind == "Pod"
    ]


@pytest.mark.parametrize("path", MANIFESTS, ids=[path.name for path in MANIFESTS])
def test_a_manifest_is_what_the_published_schemas_ask_for(path: Path) -> None:
    for document in documents(path):
        validate(document)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("spec", "cluster", "spec", "worker", "replica"), 3),
        (("spec", "cluster", "spec", "worker", "replicas"), "many"),
        (("spec", "cluster", "spec", "scheduler", "service", "typ"), "ClusterIP"),
        (("spec", "cluster", "spec", "worker", "spec", "containers", 0, "img"), "x"),
        (("spec", "job", "spec", "restartPolicy"), 3),
    ],
)  # fmt: skip
def test_mistakes_in_a_manifest_are_found(place: tuple[Any, ...], value: object) -> None:
    wrong = copy.deepcopy(manifest("job.yaml"))
    *above, last = place
    node = wrong
    for step in above:
        node = node[step]
    node[last] = value
    with pytest.raises(jsonschema.ValidationError):
        validate(wrong)


def test_a_job_has_the_cluster_that_stays_alone_has() -> None:
    assert manifest("job.yaml")["spec"]["cluster"]["spec"] == manifest("cluster.yaml")["spec"]


def test_all_names_fit_together() -> None:
    job = manifest("job.yaml")
    name = job["metadata"]["name"]
    service = job["spec"]["cluster"]["spec"]["scheduler"]["service"]
    assert service["selector"]["dask.org/cluster-name"] == name
    policy = manifest("networkpolicy.yaml")["spec"]
    assert policy["podSelector"]["matchLabels"] == {"dask.org/cluster-name": name}
    for other in ("large-workers.yaml", "autoscaler.yaml"):
        assert manifest(other)["spec"]["cluster"] == name
    (variable,) = runner()["env"]
    assert variable == {
        "name": OPERATOR_VARIABLE,
        "value": f"tcp://{name}-scheduler:{service['ports'][0]['port']}",
    }
    claims = set(re.findall(r"claimName: ([\w-]+)", (FOLDER / "job.yaml").read_text()))
    assert claims == {manifest("storage.yaml")["metadata"]["name"]}
    images = {
        one["image"]
        for path in MANIFESTS
        for document in documents(path)
        for kind, spec in core_specs(document["spec"])
        if kind == "Pod"
        for one in spec["containers"]
    }
    (image,) = images
    assert image in (FOLDER / "Dockerfile").read_text()


def test_the_runner_waits_for_all_workers_of_its_manifest(monkeypatch) -> None:
    monkeypatch.setenv(OPERATOR_VARIABLE, "tcp://survey-scheduler:8786")
    settings = load_cluster(FOLDER / "kubernetes.toml")
    assert isinstance(settings, KubernetesSettings)
    assert settings.workers == manifest("cluster.yaml")["spec"]["worker"]["replicas"]


def test_dask_leaves_some_of_the_memory_of_a_pod() -> None:
    for name in ("cluster.yaml", "large-workers.yaml"):
        one = container(manifest(name)["spec"]["worker"])
        (limit,) = [arg for arg in one["args"] if arg.startswith("--memory-limit=")]
        dask_limit = parse_bytes(limit.partition("=")[2])
        pod_limit = parse_bytes(one["resources"]["limits"]["memory"] + "B")
        assert 0.85 < dask_limit / pod_limit < 0.98


def test_the_commands_of_the_manifest_make_a_cluster(tmp_path: Path, monkeypatch) -> None:
    """As in the pods, but for places: loopback, free ports, a scratch folder of the test."""
    for name in (*ALLOCATION, "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    spec = manifest("cluster.yaml")["spec"]
    scheduler, worker = container(spec["scheduler"]), container(spec["worker"])
    variables = {entry["name"]: entry["value"] for entry in scheduler["env"]}
    here = {
        "0.0.0.0": "127.0.0.1",
        ":8787": "127.0.0.1:0",
        "--dashboard-address=:8788": "--dashboard-address=127.0.0.1:0",
        "--local-directory=/scratch": f"--local-directory={tmp_path}",
        "--name=$(DASK_WORKER_NAME)": "--name=survey-default-worker-1",
    }
    with ExitStack() as stack:
        file = tmp_path / "scheduler.json"
        words = [here.get(word, word) for word in scheduler["args"]]
        words += ["--port", "0", "--scheduler-file", str(file)]
        assert words.pop(0) == "dask"
        process = stack.enter_context(dask_process(words, tmp_path / "s.log", variables))
        address = scheduler_address(file, process)
        words = [here.get(word, word) for word in worker["args"]]
        assert words.pop(0) == "dask"
        operator = {OPERATOR_VARIABLE: address}
        operator |= {entry["name"]: entry["value"] for entry in worker["env"]}
        stack.enter_context(
            dask_process([*words, "--host", "127.0.0.1"], tmp_path / "w.log", operator)
        )
        monkeypatch.setenv(OPERATOR_VARIABLE, address)
        (tmp_path / "k.toml").write_text(
            (FOLDER / "kubernetes.toml").read_text().replace("workers = 8", "workers = 1")
        )
        messages: list[str] = []
        settings = EngineSettings(cluster=str(tmp_path / "k.toml"))
        with LazyCluster(settings, warn=messages.append) as cluster:
            (found,) = cluster.client.scheduler_info(n_workers=-1)["workers"].values()
            assert cluster.client.submit(sum, [1, 2]).result(30) == 3
            (environment,) = cluster.client.run(lambda: dict(os.environ)).values()
    assert TRIM_THRESHOLD not in environment
    assert environment["OMP_NUM_THREADS"] == environment["MALLOC_ARENA_MAX"] == "1"
    assert messages == [], "the scheduler is configured as ours are"
    assert found["name"] == "survey-default-worker-1"
    assert found["resources"] == {MEMORY: 3584 * 2**20}


def test_every_pod_is_what_a_restricted_namespace_admits() -> None:
    """The standard "restricted" of Kubernetes: no root, no new privileges, no capabilities."""
    assert len(pods()) >= 7
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (one,) = pod["containers"]
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "USER 1000" in (FOLDER / "Dockerfile").read_text()


def test_both_runners_are_the_same_and_have_more_time_to_end_than_their_galaxies() -> None:
    specs = [
        manifest("job.yaml")["spec"]["job"]["spec"],
        manifest("runner.yaml")["spec"]["template"]["spec"],
    ]
    for spec in specs:
        assert spec["terminationGracePeriodSeconds"] >= EngineSettings().drain_s + 120
    first, second = (spec["containers"][0]["args"] for spec in specs)
    assert first == second


def test_servers_are_asked_whether_they_live_and_the_runner_whether_its_heart_beats(
    tmp_path,
) -> None:
    for pod in pods():
        (one,) = pod["containers"]
        if one["name"] != "runner":
            assert one["livenessProbe"]["httpGet"] == {"port": "http-dashboard", "path": "/health"}
            assert "http-dashboard" in {port["name"] for port in one["ports"]}
    shell = runner()["livenessProbe"]["exec"]["command"]
    words = [word.replace("/data/run", str(tmp_path)) for word in shell]
    assert subprocess.run(words, check=False, capture_output=True).returncode != 0
    with exclusive(tmp_path):
        assert subprocess.run(words, check=False).returncode == 0
    (record,) = (tmp_path / ".drivers").iterdir()
    os.utime(record, (0, 0))
    assert subprocess.run(words, check=False).returncode != 0


def test_the_volume_holds_the_surveys_of_the_table_of_costs() -> None:
    room = manifest("storage.yaml")["spec"]["resources"]["requests"]["storage"]
    needed = [sum(numbers(row[-1])[:2]) * 1e9 for row in table_rows()]
    assert max(needed) <= parse_bytes(room + "B")
    worker = container(manifest("cluster.yaml")["spec"]["worker"])["resources"]["requests"]
    manga = next(row for row in table_rows() if row[0].startswith("MaNGA"))
    assert parse_bytes(worker["memory"] + "B") >= parse_bytes(manga[2])
    large = container(manifest("large-workers.yaml")["spec"]["worker"])
    chain = next(row for row in table_rows() if row[3] == "chain")
    assert parse_bytes(large["resources"]["requests"]["memory"] + "B") >= parse_bytes(chain[2])
    assert parse_bytes(large["resources"]["requests"]["ephemeral-storage"] + "B") >= (
        numbers(chain[-1])[2] * 1e9
    )


def test_a_runner_that_is_told_to_stop_tells_the_survey_and_waits_for_it(tmp_path) -> None:
    (command,) = runner()["args"]
    ready, said = tmp_path / "ready", tmp_path / "said"
    survey = (
        f"survey() {{ trap 'sleep 0.5; echo stopped > {said}; exit 75' TERM; touch {ready}; "
        "while :; do sleep 0.1; done; }\n"
    )
    with subprocess.Popen(["sh", "-c", survey + command]) as process:
        deadline = time.monotonic() + 20
        while not ready.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.terminate()
        assert process.wait(20) == 75
    assert said.read_text() == "stopped\n"


def test_the_runner_goes_on_after_a_lost_cluster_and_ends_with_a_quarantine(tmp_path) -> None:
    (command,) = container(manifest("job.yaml")["spec"]["job"])["args"]
    script = command.replace("sleep 30", "true")
    for codes, end in (([75, 75, 0], 0), ([75, 64], 0), ([2], 2), ([1], 1)):
        calls = tmp_path / "calls"
        calls.write_text("".join(f"{code}\n" for code in codes))
        survey = f'survey() {{ code=$(head -n 1 {calls}); sed -i 1d {calls}; return "$code"; }}\n'
        done = subprocess.run(["sh", "-c", survey + script], check=False, capture_output=True)
        assert done.returncode == end
        assert calls.read_text() == ""


def test_the_image_is_built_from_files_that_are_there(tmp_path: Path) -> None:
    text = (FOLDER / "Dockerfile").read_text()
    copies = [line.split()[1:] for line in text.splitlines() if line.startswith("COPY")]
    sources = {source for *sources, _ in copies for source in sources}
    assert all((ROOT / source).exists() for source in sources)
    sent = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{source}" for source in sources} == {line for line in sent if line[:1] == "!"}
    version = re.search(r"FROM python:(\S+)-slim", text)
    assert version is not None
    assert yaml.safe_load(version[1]) >= 3.11
    (tmp_path / "src").mkdir()
    for source in sources - {"deploy/kubernetes/kubernetes.toml"}:
        subprocess.run(["cp", "-r", str(ROOT / source), str(tmp_path / "src")], check=True)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    install += ["--no-build-isolation", "--target", str(tmp_path / "image"), str(tmp_path / "src")]
    subprocess.run(install, check=True, capture_output=True)
    assert (tmp_path / "image" / "survey" / "engine" / "worker_preload.py").exists()
    assert list((tmp_path / "image" / "catalogs" / "data").glob("*.ecsv"))
