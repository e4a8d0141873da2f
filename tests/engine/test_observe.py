"""What Dask's own pages and metrics know of a survey, asked of a real scheduler."""

import time
from pathlib import Path
from urllib.request import urlopen

from distributed import Client
from prometheus_client.parser import text_string_to_metric_families

from survey.engine import tiles
from survey.engine.observe.metrics import Metric, publish_metrics
from survey.engine.stage_events import say_seconds, say_stage
from survey.engine.submit import Task, run_tasks
from survey.engine.tiles import tile_runner


def work(galaxy: str) -> str:
    say_stage(galaxy, "tree")
    say_seconds({"read": 1.5, "tree": 0.25})
    return galaxy


def slow_square(shared, tile):
    time.sleep(0.2)
    return tile**2


def spread(folder: Path) -> list[int]:
    say_stage("NGC 7469", "distances")
    found: list[int] = []
    with tile_runner(folder) as run:
        run(slow_square, None, range(6), found.append)
    return sorted(found)


def spans(dask_scheduler):
    known = dask_scheduler.extensions["spans"].spans.values()
    return {span.name: dict(span.cumulative_worker_metrics) for span in known}


def prefixes(dask_scheduler):
    return set(dask_scheduler.task_prefixes)


def test_stages_are_activities_of_the_span_of_their_run(client: Client) -> None:
    tasks = [Task(name, name) for name in ("NGC 1", "NGC 2")]
    ended = list(run_tasks(client, work, tasks, window=2, span="my run"))
    assert {each.result for each in ended} == {"NGC 1", "NGC 2"}
    for _ in range(50):  # workers tell with their heartbeats
        found = client.run_on_scheduler(spans)[("survey", "my run")]
        if found.get(("execute", "work", "read", "seconds")) == 3.0:
            break
        time.sleep(0.2)
    assert found[("execute", "work", "read", "seconds")] == 3.0
    assert found[("execute", "work", "tree", "seconds")] == 0.5


def test_tiles_have_a_span_of_their_galaxy_and_one_bar_for_their_stage(
    client: Client, tmp_path: Path, monkeypatch
) -> None:
    client.run(setattr, tiles, "LOOK_S", 0.05)
    ended = list(run_tasks(client, spread, [Task("NGC 7469", tmp_path)], window=1, span="tiled"))
    assert ended[0].result == [0, 1, 4, 9, 16, 25]
    assert ("survey", "tiled", "distances NGC 7469") in client.run_on_scheduler(spans)
    assert "distances" in client.run_on_scheduler(prefixes)


def test_metrics_of_several_surveys_are_beside_those_of_dask(client: Client) -> None:
    for run, count in (("first", 3.0), ("second", 5.0), ("first", 4.0)):
        galaxies = Metric("survey_galaxies", "Ended", "counter", "outcome", {"computed": count})
        flying = Metric("survey_galaxies_in_flight", "Under way", "gauge", "stage", {"read": 1.0})
        publish_metrics(client, run, [galaxies, flying])
    (address,) = {client.dashboard_link.rpartition("/")[0]}
    with urlopen(f"{address}/metrics", timeout=20) as page:
        families = {
            family.name: family for family in text_string_to_metric_families(page.read().decode())
        }
    assert "dask_scheduler_workers" in families
    assert families["survey_galaxies"].type == "counter"
    assert families["survey_galaxies_in_flight"].type == "gauge"
    samples = {
        sample.labels["run"]: sample.value
        for sample in families["survey_galaxies"].samples
        if sample.labels["outcome"] == "computed"
    }
    assert samples == {"first": 4.0, "second": 5.0}
