"""The ledger of a run: one line of JSON for every event, in order.

It is for users and for `survey status`. What has to be computed is decided from the parts, never
from the ledger.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalogs.owners import Process
from survey import __version__
from survey.errors import ConfigError
from survey.pipeline.run.lock import driver_of

if TYPE_CHECKING:
    from survey.pipeline.galaxy.task import GalaxyReport

LEDGER = Path("logs") / "ledger.jsonl"
COMPLETE, RUNNING, INTERRUPTED, UNKNOWN = "complete", "running", "interrupted", "unknown"


NO_LEDGER = (
    f"{LEDGER} has no record of a run: galaxies were counted by their parts, also by those of "
    "earlier settings; quarantine is that of the catalog"
)


class Ledger:
    """Appends to the ledger of the run in `root`."""

    def __init__(self, root: Path) -> None:
        self.path = root / LEDGER
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if _ends_within_a_line(self.path):  # A run was killed while it wrote.
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n")

    def begin(self, n_galaxies: int) -> None:
        """Record that a run over this many galaxies starts."""
        machine = Process.current().machine
        self._append("begin", galaxies=n_galaxies, version=__version__, machine=machine)

    def galaxy(self, report: GalaxyReport) -> None:
        """Record how a galaxy ended."""
        self._append(
            "galaxy",
            galaxy=report.galaxy,
            outcome=report.outcome,
            stages=list(report.computed),
            seconds=round(report.seconds, 3),
            message=report.failure["message"] if report.failure else "",
            notes=list(report.notes),
        )

    def note(self, message: str) -> None:
        """Record what a user of the run should know."""
        self._append("note", message=message)

    def end(self, outcome: str) -> None:
        """Record how the run ended: "complete" or "interrupted"."""
        self._append("end", outcome=outcome)

    def _append(self, event: str, **facts: Any) -> None:
        line = json.dumps(
            {"event": event, "time": time.time(), "monotonic": time.monotonic(), **facts}
        )
        with self.path.open("a", encoding="utf-8") as file:
            before = file.tell()
            try:
                file.write(line + "\n")
                file.flush()
            except OSError:
                # On a full disk a line may be half written; the next must begin a line.
                os.truncate(self.path, before)
                raise


@dataclass(frozen=True)
class Status:
    """The state of the latest run in a directory.

    `state` is "complete", "running", "interrupted" (by Ctrl-C, a lost cluster, or a kill),
    "running, or killed" where a process of another machine gives no sign of life, or "unknown"
    where the ledger is lost. `outcomes` are those of `GalaxyReport`; without a ledger galaxies that
    have a committed part are "finished". `driver` is the process that works, or worked last.
    """

    state: str
    n_galaxies: int
    outcomes: dict[str, int]
    elapsed_s: float
    failures: dict[str, str]
    notes: tuple[str, ...] = ()
    driver: str = ""

    @property
    def n_done(self) -> int:
        """How many galaxies have ended, successfully or not."""
        return sum(self.outcomes.values())

    @property
    def remaining_s(self) -> float | None:
        """Remaining time at the present rate; None before the first galaxy has ended."""
        if not self.n_done:
            return None
        return self.elapsed_s / self.n_done * max(0, self.n_galaxies - self.n_done)


def read_status(root: str | Path) -> Status:
    """Read the state of the latest run in `root`.

    Where the ledger is lost, galaxies are counted by their parts, and a note says so.

    Raises
    ------
    ConfigError
        If no survey has run there.
    """
    root = Path(root)
    entries, notes = _read_entries(root / LEDGER)
    driver, works = driver_of(root)
    begins = [i for i, entry in enumerate(entries) if entry["event"] == "begin"]
    if not begins:
        from survey.pipeline.run.count_parts import count_parts

        found = count_parts(root)
        if not found.n_galaxies and driver is None:
            raise ConfigError(
                "no survey has run in this directory",
                file=root,
                advice="Start one with `survey run ... --out DIR`.",
            )
        counts = {"finished": found.n_finished, "quarantined": len(found.failures)}
        return Status(
            state={True: RUNNING, False: UNKNOWN, None: f"{RUNNING}, or killed"}[works],
            n_galaxies=found.n_galaxies,
            outcomes={outcome: count for outcome, count in counts.items() if count},
            elapsed_s=0.0,
            failures=found.failures,
            notes=(*notes, NO_LEDGER),
            driver=str(driver or ""),
        )
    run = entries[begins[-1] :]
    galaxies = [entry for entry in run if entry["event"] == "galaxy"]
    state, elapsed_s = _state_and_time(run, works)
    return Status(
        state=state,
        n_galaxies=run[0]["galaxies"],
        outcomes=dict(Counter(entry["outcome"] for entry in galaxies)),
        elapsed_s=elapsed_s,
        failures={
            entry["galaxy"]: entry["message"]
            for entry in galaxies
            if entry["outcome"] == "quarantined"
        },
        notes=(*notes, *(entry["message"] for entry in run if entry["event"] == "note")),
        driver=str(driver or ""),
    )


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


def _read_entries(path: Path) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The entries of a ledger that can be read, and notes for the user."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return [], ()
    except OSError as error:
        return [], (f"{LEDGER} cannot be read ({error.strerror})",)
    lines = text.splitlines()
    entries = [_parse(line) for line in lines]
    # A run that was killed may leave half a line, at the end or before the next run.
    ends = [entry is not None and entry["event"] == "begin" for entry in entries[1:]]
    ends.append(not text.endswith("\n"))
    n_broken = sum(entry is None and not end for entry, end in zip(entries, ends, strict=False))
    notes = (f"{LEDGER}: {n_broken} of {len(lines)} lines cannot be read",) if n_broken else ()
    return [entry for entry in entries if entry], notes


NEEDED: dict[str, dict[str, type | tuple[type, ...]]] = {
    "begin": {"galaxies": int, "time": (int, float)},
    "galaxy": {"galaxy": str, "outcome": str, "message": str, "time": (int, float)},
    "note": {"message": str, "time": (int, float)},
    "end": {"outcome": str, "time": (int, float)},
}
"""What the entries of each event must have, and of which type."""


def _parse(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or (needed := NEEDED.get(str(entry.get("event")))) is None:
        return None
    if not all(isinstance(entry.get(name), kind) for name, kind in needed.items()):
        return None
    return entry


def _ends_within_a_line(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:  # It does not exist, or is empty.
        return False
