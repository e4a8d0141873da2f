"""The state of a run, from its ledger, its live file, or, where these are lost, its parts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalogs.owners import Process
from survey.errors import ConfigError
from survey.pipeline.run.ledger import INTERRUPTED, LEDGER, RUNNING, UNKNOWN, read_entries
from survey.pipeline.run.live_file import InFlight, LiveState, WorkerState, read_live
from survey.pipeline.run.lock import Driver, driver_of
from survey.pipeline.run.records.pace import Pace

NO_LEDGER = (
    f"{LEDGER} has no record of a run: galaxies were counted by their parts, also by those of "
    "earlier settings; quarantine is that of the catalog"
)

START = "Start one with `survey run ... --out DIR`."


@dataclass(frozen=True)
class Ended:
    """How a galaxy ended in this run, and on which worker; stages have their seconds."""

    galaxy: str
    outcome: str
    seconds: float
    message: str
    stages: dict[str, float]
    time: float
    worker: str = ""


@dataclass(frozen=True)
class Status:
    """The state of the latest run in a directory, and what the runs before it did.

    Attributes
    ----------
    state : str
        "complete", "running", "interrupted" (by Ctrl-C, a lost cluster, or a kill), "running, or
        killed" where a process of another machine gives no sign of life, or "unknown" where the
        ledger is lost.
    n_galaxies : int
    outcomes : dict of int
        Numbers of galaxies that ended in this run, by the outcomes of `GalaxyReport`; without a
        ledger galaxies that have a committed part are "finished".
    n_earlier : int
        Galaxies that an earlier run finished, and that this run has not come to yet.
    elapsed_s : float
    failures : dict of str
        Messages of the galaxies in quarantine.
    hosts : dict of str
        Where these failed, if known.
    rate_per_min : float, optional
        Galaxies that were computed in the last minutes; None if none was.
    remaining_s : float, optional
        By projected cost, at the speed of this run so far; None if unknown.
    in_flight, workers : tuple
        What the run does now.
    notes : tuple of str
    driver : str
        The process that works, or worked last.
    """

    state: str
    n_galaxies: int
    outcomes: dict[str, int]
    elapsed_s: float
    failures: dict[str, str]
    hosts: dict[str, str]
    n_earlier: int = 0
    rate_per_min: float | None = None
    remaining_s: float | None = None
    in_flight: tuple[InFlight, ...] = ()
    workers: tuple[WorkerState, ...] = ()
    notes: tuple[str, ...] = ()
    driver: str = ""

    @property
    def n_done(self) -> int:
        """How many galaxies have ended, successfully or not."""
        return sum(self.outcomes.values())

    @property
    def is_running(self) -> bool:
        """Whether a driver works on it, as far as can be seen."""
        return self.state.startswith(RUNNING)


def read_status(root: str | Path) -> Status:
    """Read the state of the latest run in `root`.

    Where the ledger is lost, galaxies are counted by their parts, and a note says so.

    Raises
    ------
    ConfigError
        If no survey has run there.
    """
    return status_of(Path(root), *read_entries(Path(root) / LEDGER))


def status_of(root: Path, entries: Sequence[dict[str, Any]], notes: tuple[str, ...] = ()) -> Status:
    """The state of the latest run in `root`, by the entries of its ledger; see `read_status`."""
    driver, works = driver_of(root)
    runs = runs_of(entries)
    if not runs:
        return _without_ledger(root, driver, works, notes)
    run, ended = runs[-1], ended_in(runs[-1])
    state, elapsed_s = _state_and_time(run, works)
    pace, now = pace_of(run), run[0]["time"] + elapsed_s
    live = read_live(root) if state.startswith(RUNNING) else LiveState()
    earlier = {each.galaxy for before in runs[:-1] for each in ended_in(before) if not each.message}
    return Status(
        state=state,
        n_galaxies=run[0]["galaxies"],
        outcomes=dict(Counter(each.outcome for each in ended)),
        n_earlier=len(earlier - {each.galaxy for each in ended}),
        elapsed_s=elapsed_s,
        failures={each.galaxy: each.message for each in ended if each.outcome == "quarantined"},
        hosts={entry["galaxy"]: entry["host"] for entry in run if entry.get("host") is not None},
        rate_per_min=pace.rate_per_min(now),
        remaining_s=pace.remaining_s(now),
        in_flight=live.in_flight,
        workers=live.workers,
        notes=(*notes, *(entry["message"] for entry in run if entry["event"] == "note")),
        driver=str(driver or ""),
    )


def runs_of(entries: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The entries of every run, which begins with one of its own."""
    begins = [i for i, entry in enumerate(entries) if entry["event"] == "begin"]
    ends = [*begins[1:], len(entries)][: len(begins)]
    return [list(entries[begin:end]) for begin, end in zip(begins, ends, strict=True)]


def ended_in(run: Sequence[dict[str, Any]]) -> list[Ended]:
    """How the galaxies of a run ended, in this order."""
    return [
        Ended(
            entry["galaxy"],
            entry["outcome"],
            float(entry.get("seconds") or 0.0),
            entry["message"],
            dict(entry.get("stage_seconds") or {}),
            entry["time"],
            str(entry.get("worker") or ""),
        )
        for entry in run
        if entry["event"] == "galaxy"
    ]


def pace_of(run: Sequence[dict[str, Any]]) -> Pace:
    """The pace of the run of these entries."""
    pace = Pace(run[0]["galaxies"], run[0]["time"])
    for entry in run:
        if entry["event"] == "plan" and not pace.projected_s:
            pace.plan(entry["projected_s"], entry["time"])
        elif entry["event"] == "galaxy":
            pace.ended(entry["galaxy"], entry["outcome"], entry["time"])
    return pace


def _without_ledger(
    root: Path, driver: Driver | None, works: bool | None, notes: tuple[str, ...]
) -> Status:
    from survey.pipeline.run.finished import count_parts  # loads libraries of tables

    found = count_parts(root)
    has_run = driver is not None or (root / "parts").is_dir()
    if not has_run or not (found.n_galaxies or driver):
        near = _run_inside(root)
        raise ConfigError(
            "no survey has run in this directory",
            file=root,
            advice=f"Did you mean {near}?" if near else START,
        )
    counts = {"finished": found.n_finished, "quarantined": len(found.failures)}
    return Status(
        state={True: RUNNING, False: UNKNOWN, None: f"{RUNNING}, or killed"}[works],
        n_galaxies=found.n_galaxies,
        outcomes={outcome: count for outcome, count in counts.items() if count},
        elapsed_s=0.0,
        failures=found.failures,
        hosts={},
        notes=(*notes, NO_LEDGER),
        driver=str(driver or ""),
    )


def _run_inside(root: Path) -> Path | None:
    """The run in a folder, if there is just one."""
    found = [ledger.parents[1] for ledger in root.glob(f"*/{LEDGER}")]
    return found[0] if len(found) == 1 else None


def _state_and_time(run: Sequence[dict[str, Any]], works: bool | None) -> tuple[str, float]:
    """The state of the run of these entries, and how long it took until then."""
    begin, last = run[0], run[-1]
    if last["event"] == "end":
        return last["outcome"], _seconds_between(begin, last)
    if works is False:  # It was killed before it could write its end.
        return INTERRUPTED, _seconds_between(begin, last)
    now = {"time": time.time()}
    if begin.get("machine") == Process.current().machine:
        now["monotonic"] = time.monotonic()
    return RUNNING if works else f"{RUNNING}, or killed", _seconds_between(begin, now)


def _seconds_between(begin: dict[str, Any], end: dict[str, Any]) -> float:
    """Time between two entries of one run, if possible by the clock that nobody sets."""
    clock = "monotonic" if "monotonic" in begin and "monotonic" in end else "time"
    return max(0.0, float(end[clock] - begin[clock]))
