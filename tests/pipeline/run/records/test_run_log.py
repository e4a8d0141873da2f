"""The log of a run: for people and programs, bounded, and never the cause of an end."""

import json
import logging
from pathlib import Path

import pytest

from survey.pipeline.galaxy.task import GalaxyReport
from survey.pipeline.run.records import run_log
from survey.pipeline.run.records.run_log import KEPT_RUNS, RunLog, sweep_logs

HOSTILE = "NGC\x1b[2J 1\n2026 error forged"


def files_of(root: Path) -> tuple[str, list[dict]]:
    (text,) = root.glob("logs/run-*.log")
    (lines,) = root.glob("logs/run-*.jsonl")
    return text.read_text(), [json.loads(line) for line in lines.read_text().splitlines()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path


def test_it_has_galaxies_with_worker_and_stages_and_the_end(root):
    with RunLog(root).open() as log:
        log.begin(2, "abc")
        log.galaxy(
            GalaxyReport("A", 2.5, computed=("read",), stage_seconds={"read": 2.25},
                         worker="w1", host="node7")
        )  # fmt: skip
        failure = {"stage": "tree", "message": "too few spaxels"}
        log.galaxy(GalaxyReport("B", 1.0, failure=failure, notes=("see there",)))
        log.end("complete")
    text, lines = files_of(root)
    assert "computed A in 2.5 s on w1 (node7): read 2.25" in text
    assert "error    quarantined B in 1.0 s: tree: too few spaxels" in text
    assert [line["event"] for line in lines] == ["begin", "galaxy", "galaxy", "note", "end"]
    assert lines[1]["stage_seconds"] == {"read": 2.25}
    assert (lines[1]["worker"], lines[1]["host"]) == ("w1", "node7")
    assert lines[2]["failure"]["message"] == "too few spaxels"
    assert lines[-1]["outcome"] == "complete"


def test_names_cannot_forge_lines_or_reach_the_terminal(root):
    with RunLog(root).open() as log:
        log.galaxy(GalaxyReport(HOSTILE, 1.0))
        log.warning(HOSTILE)
    text, lines = files_of(root)
    assert len(text.splitlines()) == len(lines) == 2
    assert "\x1b" not in text
    assert lines[0]["galaxy"] == HOSTILE


def test_warnings_of_our_modules_are_in_it_and_still_on_the_terminal(root, capsys):
    for handler in logging.root.handlers[:]:  # those of pytest
        logging.root.removeHandler(handler)
    with RunLog(root).open():
        logging.getLogger("survey.somewhere").warning("the disk is slow")
    assert files_of(root)[1][0]["text"] == "the disk is slow"
    assert "the disk is slow" in capsys.readouterr().err


def test_it_is_bounded(root, monkeypatch):
    monkeypatch.setattr(run_log, "MOST_BYTES", 2000)
    with RunLog(root).open() as log:
        for number in range(200):
            log.warning(f"warning {number}")
    found = sorted(path.name.partition(".")[2] for path in root.glob("logs/*"))
    assert found == ["jsonl", "jsonl.1", "log", "log.1"]
    assert sum(path.stat().st_size for path in root.glob("logs/*")) <= 4 * 2000


def test_logs_of_old_runs_go(root):
    for number in range(KEPT_RUNS + 3):
        for kind in ("log", "jsonl"):
            (root / "logs" / f"run-20260101T0000{number:02d}Z.{kind}").touch()
    (root / "logs" / "ledger.jsonl").touch()
    sweep_logs(root)
    kept = {path.name.partition(".")[0] for path in root.glob("logs/run-*")}
    assert len(kept) == KEPT_RUNS - 1
    assert "run-20260101T000012Z" in kept
    assert (root / "logs" / "ledger.jsonl").exists()


def test_a_disk_that_fails_stops_no_run(tmp_path, capsys):
    with RunLog(tmp_path / "not-there").open() as log:
        log.begin(1, "abc")
        log.end("complete")
    assert capsys.readouterr().err == ""
