"""The ledger of a run: one line of JSON for every event, in order.

It is for users and for `survey status`. What has to be computed is decided from the parts, never
from the ledger.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalogs.owners import Process
from survey import __version__

if TYPE_CHECKING:
    from survey.pipeline.galaxy.task import GalaxyReport

LEDGER = Path("logs") / "ledger.jsonl"
COMPLETE, RUNNING, INTERRUPTED, UNKNOWN = "complete", "running", "interrupted", "unknown"


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

    def plan(self, projected_s: dict[str, float]) -> None:
        """Record the projected seconds of the galaxies of this run, on one core."""
        self._append("plan", projected_s={name: round(s, 1) for name, s in projected_s.items()})

    def galaxy(self, report: GalaxyReport) -> None:
        """Record how a galaxy ended."""
        self._append(
            "galaxy",
            galaxy=report.galaxy,
            outcome=report.outcome,
            stages=list(report.computed),
            seconds=round(report.seconds, 3),
            stage_seconds={name: round(s, 3) for name, s in report.stage_seconds.items()},
            worker=report.worker,
            host=(report.failure or {}).get("host") or report.host or None,
            peak_memory_bytes=report.peak_memory_bytes,
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


def read_entries(path: Path) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The entries of a ledger that can be read, and notes for the user."""
    return LedgerReader(path).read()


class LedgerReader:
    """Reads a ledger again and again; of one that has grown only the new lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: list[dict[str, Any] | None] = []
        self._offset, self._inode = 0, -1

    def read(self) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
        """All entries that can be read, and notes for the user."""
        try:
            rest = self._read_on()
        except FileNotFoundError:
            return [], ()
        except OSError as error:
            return [], (f"{LEDGER} cannot be read ({error.strerror})",)
        entries = [*self._entries, _parse(rest)] if rest else self._entries
        # A run that was killed may leave half a line, at the end or before the next run.
        ends = [entry is not None and entry["event"] == "begin" for entry in entries[1:]]
        ends.append(bool(rest))
        n_broken = sum(entry is None and not end for entry, end in zip(entries, ends, strict=False))
        notes = (
            (f"{LEDGER}: {n_broken} of {len(entries)} lines cannot be read",) if n_broken else ()
        )
        return [entry for entry in entries if entry], notes

    def _read_on(self) -> str:
        """Parse the lines that are new; gives the last, if it has no end."""
        with self.path.open("rb") as file:
            stat = os.fstat(file.fileno())
            if stat.st_ino != self._inode or stat.st_size < self._offset:
                self._entries, self._offset, self._inode = [], 0, stat.st_ino
            file.seek(self._offset)
            content = file.read()
        end = content.rfind(b"\n") + 1
        self._offset += end
        lines = content[:end].decode("utf-8", errors="replace").split("\n")
        self._entries += map(_parse, lines[:-1])
        return content[end:].decode("utf-8", errors="replace")


NEEDED: dict[str, dict[str, type | tuple[type, ...]]] = {
    "begin": {"galaxies": int, "time": (int, float)},
    "galaxy": {"galaxy": str, "outcome": str, "message": str, "time": (int, float)},
    "plan": {"projected_s": dict, "time": (int, float)},
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
