"""The state of a run as the live page gets it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from survey.pipeline.galaxy.stage_list import STAGES
from survey.pipeline.run.ledger import LEDGER, LedgerReader
from survey.pipeline.run.records.alike import AlikeMessages
from survey.pipeline.run.status import Ended, Status, ended_in, runs_of, status_of
from survey.report.pages.paths import FOLDER, page_path, thumbnail_path

NEWEST = 12
"""Maps of the galaxies that ended last."""

BIN_S = (10, 30, 60, 300, 900, 3600)
MOST_BINS = 60

TIMELINE_S = 600.0
MOST_BARS = 800
"""Of the timeline of the workers."""

DONE, REUSED, FAILED, RUNNING, WAITING = "d", "u", "f", "r", "."


def page_state(root: Path, ledger: LedgerReader | None = None) -> dict[str, Any]:
    """What the page shows, ready for JSON; a reader of the ledger reads only what is new.

    Raises
    ------
    ConfigError
        If no survey has run in `root`.
    """
    entries, notes = (ledger or LedgerReader(root / LEDGER)).read()
    status = status_of(root, entries, notes)
    runs = runs_of(entries)
    run = runs[-1] if runs else []
    ended = ended_in(run)
    planned: dict[str, float] = next((e["projected_s"] for e in run if e["event"] == "plan"), {})
    names = list(dict.fromkeys([*planned, *(each.galaxy for each in ended)]))
    return {
        "state": status.state,
        "n_galaxies": status.n_galaxies,
        "n_done": status.n_done,
        "n_earlier": status.n_earlier,
        "outcomes": status.outcomes,
        "elapsed_s": status.elapsed_s,
        "rate_per_min": status.rate_per_min,
        "remaining_s": status.remaining_s if status.is_running else None,
        "driver": status.driver,
        "notes": list(status.notes),
        "stages": [stage.name for stage in STAGES],
        "galaxies": names,
        "grid": _grid(names, ended, status),
        "in_flight": [asdict(each) for each in status.in_flight],
        "workers": [asdict(each) for each in status.workers],
        "failures": _failures(status),
        "throughput": _throughput(ended),
        "timeline": _timeline(ended, status, time.time()),
        "newest": [_shown(root, each.galaxy) for each in _newest(ended)],
    }


def _grid(names: list[str], ended: list[Ended], status: Status) -> list[str]:
    """One letter for every stage of every galaxy."""
    stages = [stage.name for stage in STAGES]
    running = {each.galaxy: each.stage for each in status.in_flight}
    ends = {each.galaxy: each for each in ended}
    rows = []
    for name in names:
        if (end := ends.get(name)) is not None:
            rows.append(_row_of_end(end, stages))
        elif name in running:
            at = stages.index(running[name]) if running[name] in stages else 0
            rows.append(DONE * at + RUNNING + WAITING * (len(stages) - at - 1))
        else:
            rows.append(WAITING * len(stages))
    return rows


def _row_of_end(end: Ended, stages: list[str]) -> str:
    if end.outcome == "quarantined":
        return FAILED * len(stages)
    return "".join(DONE if name in end.stages else REUSED for name in stages)


def _failures(status: Status) -> list[dict[str, Any]]:
    """Galaxies in quarantine by cause, the commonest first."""
    return [
        {"message": message, "galaxies": [_with_host(name, status.hosts) for name in galaxies]}
        for message, galaxies in AlikeMessages(status.failures.items())
    ]


def _with_host(galaxy: str, hosts: Mapping[str, str]) -> str:
    return f"{galaxy} ({hosts[galaxy]})" if hosts.get(galaxy) else galaxy


def _throughput(ended: list[Ended]) -> dict[str, Any]:
    """Galaxies that ended in steps of time since the first."""
    if not ended:
        return {"step_s": BIN_S[0], "counts": []}
    start, span = ended[0].time, max(0.0, ended[-1].time - ended[0].time)
    step = next((each for each in BIN_S if span / each < MOST_BINS), span / MOST_BINS)
    counts = [0] * (int(span / step) + 1)
    for each in ended:
        counts[max(0, min(len(counts) - 1, int((each.time - start) / step)))] += 1
    return {"step_s": step, "counts": counts}


def _timeline(ended: list[Ended], status: Status, now: float) -> list[dict[str, Any]]:
    """What every worker did in the last minutes: a stage of a galaxy, from when to when.

    Of galaxies under way only the stage at which they are is known. Times are seconds before now,
    or before the end of the run.
    """
    computed = [each for each in ended if each.stages and each.worker]
    end = now if status.is_running or not computed else computed[-1].time
    found = [
        _bar(each.worker, each.galaxy, each.stage, -each.stage_seconds, 0.0)
        for each in status.in_flight
    ]
    for each in reversed(computed):
        stop = each.time - end
        if stop < -TIMELINE_S or len(found) >= MOST_BARS:
            break
        for stage, seconds in reversed(each.stages.items()):
            found.append(_bar(each.worker, each.galaxy, stage, stop - seconds, stop))
            stop -= seconds
    return found


def _bar(worker: str, galaxy: str, stage: str, start: float, stop: float) -> dict[str, Any]:
    return {
        "worker": worker,
        "name": f"{stage} {galaxy}",
        "stage": stage,
        "start": round(start, 2),
        "stop": round(stop, 2),
    }


def _newest(ended: list[Ended]) -> list[Ended]:
    return [each for each in reversed(ended) if each.outcome != "quarantined"][:NEWEST]


def _shown(root: Path, galaxy: str) -> dict[str, Any]:
    """The addresses of the page and the map of a galaxy, if they are there."""
    page, thumbnail = page_path(root, galaxy), thumbnail_path(root, galaxy)
    return {
        "galaxy": galaxy,
        "page": page.relative_to(root / FOLDER).as_posix() if page.exists() else None,
        "map": thumbnail.relative_to(root / FOLDER).as_posix() if thumbnail.exists() else None,
    }
