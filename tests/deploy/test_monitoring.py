"""What our page tells to watch is what real schedulers and workers serve."""

import json
import re
import urllib.request
from collections.abc import Iterator

import pytest
import yaml

from survey.config import EngineSettings
from survey.engine.cluster import connect
from survey.engine.submit import Task, run_tasks
from survey.pipeline.galaxy.task import process_galaxy
from tests.deploy.conftest import ROOT

PAGE = (ROOT / "deploy" / "README.md").read_text()
WATCHED = sorted(set(re.findall(r"^\| `(dask_\w+)`", PAGE, re.MULTILINE)))
ALERTS = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())
SCRAPES = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())["scrape_configs"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Metrics by role, from where a cluster says that they are."""
    folder = tmp_path_factory.mktemp("metrics")
    (folder / "local.toml").write_text(
        'kind = "local"\nworkers = 1\nmemory_limit = "1GiB"\nmetrics_targets = "targets.json"\n'
    )
    with connect(EngineSettings(cluster=str(folder / "local.toml"))) as client:
        list(run_tasks(client, sum, [Task("one", [1, 2])], window=1))
        groups = json.loads((folder / "targets.json").read_text())
        yield {group["labels"]["job"]: _get(*group["targets"]) for group in groups}


def _get(target: str) -> str:
    with urllib.request.urlopen(f"http://{target}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def test_scheduler_and_workers_serve_every_metric_of_the_page(served: dict[str, str]) -> None:
    assert len(WATCHED) >= 8
    for metric in WATCHED:
        role = "dask-scheduler" if metric.startswith("dask_scheduler") else "dask-worker"
        assert re.search(rf"^{metric}(\{{.*\}})? ", served[role], re.MULTILINE), metric


def test_the_states_that_the_page_and_the_alerts_name_are_served(served: dict[str, str]) -> None:
    rules = " ".join(rule["expr"] for group in ALERTS["groups"] for rule in group["rules"])
    named = set(re.findall(r'(dask_\w+)\{(state="[\w-]+")\}', rules))
    named |= {("dask_scheduler_workers", f'state="{state}"') for state in ("paused", "retiring")}
    states = ("queued", "processing", "no-worker")
    named |= {("dask_scheduler_tasks", f'state="{state}"') for state in states}
    for metric, label in named:
        assert f"{metric}{{{label}}}" in served["dask-scheduler"], (metric, label)


def test_galaxies_that_ended_are_counted_under_the_name_the_page_gives(
    served: dict[str, str],
) -> None:
    assert f'task_prefix_name="{process_galaxy.__name__}", state="memory"' in PAGE
    counted = 'dask_scheduler_prefix_state_totals_total{state="memory",task_prefix_name="sum"} 1.0'
    assert counted in served["dask-scheduler"], "the name of the function is the prefix"


def test_the_alerts_are_about_metrics_that_the_page_explains() -> None:
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            assert set(re.findall(r"dask_\w+", rule["expr"])) <= set(WATCHED)


def test_prometheus_reads_the_file_that_the_page_tells_to_write() -> None:
    (files,) = [job["file_sd_configs"] for job in SCRAPES if "file_sd_configs" in job]
    (path,) = files[0]["files"]
    assert f'"{path}"' in PAGE
