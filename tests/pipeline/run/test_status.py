"""What is said of a run: how far it is, how fast, what is left, what it is doing."""

import json
import threading
import time

import pytest

from survey.cli.status import in_words, status_lines
from survey.pipeline.galaxy.stage_list import STAGES
from survey.pipeline.galaxy.task import GalaxyReport
from survey.pipeline.run import live
from survey.pipeline.run.ledger import COMPLETE, INTERRUPTED, Ledger
from survey.pipeline.run.live_file import LIVE, STALE_S, read_live
from survey.pipeline.run.lock import exclusive
from survey.pipeline.run.status import read_status
from survey.pipeline.run.survey import run_survey


def computed(name, seconds=1.0):
    return GalaxyReport(name, seconds, computed=("read", "commit"), stage_seconds={"read": 0.5})


def failed(name, message, host="node7"):
    return GalaxyReport(name, 0.1, failure={"stage": "read", "message": message, "host": host})


def age(root, seconds, events=("begin", "plan")):
    """Make entries of these kinds so much older."""
    path = root / "logs" / "ledger.jsonl"
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    for entry in entries:
        if entry["event"] in events:
            entry["time"] -= seconds
            entry["monotonic"] -= seconds
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def test_what_is_left_is_told_by_cost_and_not_by_number(tmp_path):
    with exclusive(tmp_path):
        ledger = Ledger(tmp_path)
        ledger.begin(3)
        ledger.plan({"large": 90.0, "small": 5.0, "tiny": 5.0})
        ledger.galaxy(computed("large"))
        age(tmp_path, 180)
        status = read_status(tmp_path)
    assert status.remaining_s == pytest.approx(180 / 90 * 10, rel=0.05)


def test_without_projected_costs_what_is_left_is_told_by_number(tmp_path):
    with exclusive(tmp_path):
        ledger = Ledger(tmp_path)
        ledger.begin(4)
        ledger.galaxy(computed("a"))
        age(tmp_path, 60)
        assert read_status(tmp_path).remaining_s == pytest.approx(180, rel=0.05)


def test_reused_galaxies_do_not_make_a_run_look_fast(tmp_path):
    with exclusive(tmp_path):
        ledger = Ledger(tmp_path)
        ledger.begin(100)
        for number in range(50):
            ledger.galaxy(GalaxyReport(f"old {number}", 0.0))
        assert read_status(tmp_path).rate_per_min is None
        ledger.galaxy(computed("new"))
        age(tmp_path, 120)
        assert read_status(tmp_path).rate_per_min == pytest.approx(0.5, rel=0.1)


def test_galaxies_of_earlier_runs_count_until_this_run_comes_to_them(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.begin(3)
    ledger.galaxy(computed("a"))
    ledger.galaxy(computed("b"))
    ledger.galaxy(failed("c", "no data"))
    ledger.end(INTERRUPTED)
    ledger.begin(3)
    ledger.galaxy(GalaxyReport("a", 0.0))
    status = read_status(tmp_path)
    assert status.outcomes == {"reused": 1}
    assert status.n_earlier == 1


def test_failures_with_one_message_are_one_line_with_their_hosts(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.begin(3)
    for name in ("a", "b"):
        ledger.galaxy(failed(name, "the disk of this node is gone"))
    ledger.galaxy(failed("c", "not a cube", host=None))
    ledger.end(COMPLETE)
    lines = [line for line in status_lines(read_status(tmp_path)) if "quarantined[/]" in line]
    assert len(lines) == 2
    assert "a on node7, b on node7: the disk" in lines[0]
    assert "c: not a cube" in lines[1]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(12, "12 s"), (2700, "45 min"), (9000, "2.5 h"), (864000, "10.0 days")],
)
def test_durations_are_in_words(seconds, words):
    assert in_words(seconds) == f"about {words}"


def test_an_old_or_broken_live_file_says_nothing(tmp_path):
    path = tmp_path / LIVE
    path.parent.mkdir()
    assert read_live(tmp_path).workers == ()
    facts = {"time": time.time() - 2 * STALE_S, "in_flight": [], "workers": []}
    facts["workers"] = [
        {"name": "w", "address": "", "cpu_percent": 1, "memory_bytes": 1, "galaxies": []}
    ]
    path.write_text(json.dumps(facts))
    assert read_live(tmp_path).workers == ()
    path.write_text(json.dumps(facts | {"time": time.time()}))
    assert read_live(tmp_path).workers[0].name == "w"
    path.write_text('{"time": 1')
    assert read_live(tmp_path).workers == ()


def test_a_run_says_which_stage_its_galaxies_are_at_and_where(
    tmp_path, targets, settings, cluster, monkeypatch
):
    monkeypatch.setattr(live, "WRITE_S", 0.05)
    seen, over = set(), threading.Event()

    def watch():
        while not over.wait(0.02):
            status = read_status(roots[-1]) if (roots[-1] / "logs").exists() else None
            seen.update((each.galaxy, each.stage) for each in (status.in_flight if status else ()))

    roots = [tmp_path / "0"]
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        # Galaxies of half a second may pass between two looks on a busy machine.
        while not seen and len(roots) <= 5:
            roots.append(tmp_path / str(len(roots)))
            run_survey(roots[-1], targets, settings, cluster)
    finally:
        over.set()
        watcher.join()
    names = {stage.name for stage in STAGES}
    assert seen
    assert {galaxy for galaxy, _ in seen} <= {target.galaxy for target in targets}
    assert {stage for _, stage in seen} <= names
    assert read_live(roots[-1]).in_flight == ()
    status = read_status(roots[-1])
    assert status.state == COMPLETE
    assert status.remaining_s == 0.0
