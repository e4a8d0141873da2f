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

from survey import __version__
from survey.errors import ConfigError
from survey.pipeline.run.lock import is_at_work

if TYPE_CHECKING:
    from survey.pipeline.galaxy.task import GalaxyReport

LEDGER = Path("logs") / "ledger.jsonl"
COMPLETE, RUNNING, INTERRUPTED = "complete", "running", "interrupted"


class Ledger:
    """Appends to the ledger of the run in `root`."""

    def __init__(self, root: Path) -> None:
        self.path = root / LEDGER
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def begin(self, n_galaxies: int) -> None:
        """Record that a run over this many galaxies starts."""
        self._append("begin", galaxies=n_galaxies, version=__version__)

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

    def end(self, outcome: str) -> None:
        """Record how the run ended: "complete" or "interrupted"."""
        self._append("end", outcome=outcome)

    def _append(self, event: str, **facts: Any) -> None:
        line = json.dumps({"event": event, "time": time.time(), **facts})
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

    `state` is "complete", "running", "interrupted" (by Ctrl-C, a lost cluster, or a kill), or
    "running, or killed" where the file system does not show whether a process still runs.
    """

    state: str
    n_galaxies: int
    outcomes: dict[str, int]
    elapsed_s: float
    failures: dict[str, str]

    @property
    def n_done(self) -> int:
        """How many galaxies have ended, successfully or not."""
        return sum(self.outcomes.values())

    @property
    def remaining_s(self) -> float | None:
        """Remaining time at the present rate; None before the first galaxy has ended."""
        if not self.n_done:
            return None
        return self.elapsed_s / self.n_done * (self.n_galaxies - self.n_done)


def read_status(root: str | Path) -> Status:
    """Read the state of the latest run in `root`.

    Raises
    ------
    ConfigError
        If no survey has run there.
    """
    path = Path(root) / LEDGER
    if not path.exists():
        raise ConfigError(
            "no survey has run in this directory",
            file=root,
            advice="Start one with `survey run ... --out DIR`.",
        )
    lines = [_parse(line) for line in path.read_text(encoding="utf-8").splitlines()]
    entries = [entry for entry in lines if entry]
    first = max(i for i, entry in enumerate(entries) if entry["event"] == "begin")
    begin, entries = entries[first], entries[first + 1 :]
    galaxies = [entry for entry in entries if entry["event"] == "galaxy"]
    state, now = _state_and_time(Path(root), [begin, *entries])
    return Status(
        state=state,
        n_galaxies=begin["galaxies"],
        outcomes=dict(Counter(entry["outcome"] for entry in galaxies)),
        elapsed_s=now - begin["time"],
        failures={
            entry["galaxy"]: entry["message"]
            for entry in galaxies
            if entry["outcome"] == "quarantined"
        },
    )


def _state_and_time(root: Path, entries: Sequence[dict[str, Any]]) -> tuple[str, float]:
    """The state of the run of these entries, and the time (Unix) of that state."""
    last = entries[-1]
    if last["event"] == "end":
        return last["outcome"], last["time"]
    match is_at_work(root):
        case True:
            return RUNNING, time.time()
        case False:  # It was killed before it could write its end.
            return INTERRUPTED, last["time"]
        case None:
            return f"{RUNNING}, or killed", time.time()


def _parse(line: str) -> dict[str, Any] | None:
    try:
        entry: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError:
        return None  # The last line of a run that was killed.
    return entry
