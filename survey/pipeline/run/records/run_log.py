"""The log of one run, for people (.log) and for programs (.jsonl, one object a line).

RUN/logs/run-TIME.log holds what the terminal shows and more: warnings, every galaxy with its worker
and the seconds of its stages, how the run ended. Each run has files of its own; the newest
`KEPT_RUNS` stay. To write it is a courtesy: a full disk stops no run.
"""

from __future__ import annotations

import json
import logging
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalogs.printable import printable
from survey import __version__

if TYPE_CHECKING:
    from survey.pipeline.galaxy.task import GalaxyReport

FOLDER = Path("logs")
PREFIX = "run-"
KEPT_RUNS = 10
MOST_BYTES = 16 << 20
"""A file that grows beyond this goes on in a new one; one older is kept, with ".1"."""

LEVELS = {"computed": logging.INFO, "reused": logging.INFO, "quarantined": logging.ERROR}


class RunLog:
    """The log of a run that begins now."""

    def __init__(self, root: Path) -> None:
        stem = root / FOLDER / f"{PREFIX}{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        self._handlers = [
            _handler(stem.with_suffix(".log"), _Text()),
            _handler(stem.with_suffix(".jsonl"), _Json()),
        ]
        self._start = time.monotonic()

    def begin(self, n_galaxies: int, fingerprint: str) -> None:
        """Record what runs, and where."""
        text = f"survey {__version__}: {n_galaxies} galaxies, on {platform.node()}"
        self._say(
            logging.INFO, "begin", text,
            galaxies=n_galaxies, version=__version__, settings=fingerprint,
            python=platform.python_version(), host=platform.node(),
        )  # fmt: skip

    def galaxy(self, report: GalaxyReport) -> None:
        """Record how a galaxy ended, and where."""
        where = f" on {report.worker} ({report.host})" if report.worker else ""
        text = f"{report.outcome} {report.galaxy} in {report.seconds:.1f} s{where}"
        if report.stage_seconds:
            stages = (f"{name} {s:.2f}" for name, s in report.stage_seconds.items())
            text += f": {', '.join(stages)}"
        if report.failure is not None:
            text += f": {report.failure['stage']}: {report.failure['message']}"
        self._say(
            LEVELS[report.outcome], "galaxy", text,
            galaxy=report.galaxy, outcome=report.outcome, seconds=round(report.seconds, 3),
            stage_seconds={name: round(s, 3) for name, s in report.stage_seconds.items()},
            peak_memory_bytes=report.peak_memory_bytes, worker=report.worker, host=report.host,
            failure=report.failure,
        )  # fmt: skip
        for note in report.notes:
            self._say(logging.WARNING, "note", f"{report.galaxy}: {note}", galaxy=report.galaxy)

    def warning(self, message: str) -> None:
        """Record something that does not stop the run."""
        self._say(logging.WARNING, "warning", message)

    def end(self, outcome: str, error: BaseException | None = None) -> None:
        """Record how the run ended."""
        seconds = time.monotonic() - self._start
        why = f": {error or type(error).__name__}" if error is not None else ""
        self._say(
            logging.INFO if error is None else logging.ERROR, "end",
            f"{outcome} after {seconds:.0f} s{why}", outcome=outcome, seconds=round(seconds, 3),
        )  # fmt: skip

    def _say(self, level: int, event: str, text: str, **facts: Any) -> None:
        record = logging.LogRecord("survey", level, "", 0, text, (), None)
        record.event, record.facts = event, facts
        for handler in self._handlers:
            handler.handle(record)

    @contextmanager
    def open(self) -> Iterator[RunLog]:
        """Also take what modules of ours log while the block runs; then close the files."""
        ours, forward = logging.getLogger("survey"), _Forward(self._handlers)
        ours.addHandler(forward)
        try:
            yield self
        finally:
            ours.removeHandler(forward)
            for handler in self._handlers:
                with suppress(OSError):
                    handler.close()


def sweep_logs(root: Path) -> None:
    """Remove the logs of all but the newest runs."""
    found = list((root / FOLDER).glob(f"{PREFIX}*"))
    runs = sorted({path.name.partition(".")[0] for path in found}, reverse=True)
    for path in found:
        if path.name.partition(".")[0] in runs[KEPT_RUNS - 1 :]:
            with suppress(OSError):
                path.unlink()


class _Forward(logging.Handler):
    """Hands records of loggers to the files of the run, and shows them as if it were not there."""

    def __init__(self, handlers: list[logging.Handler]) -> None:
        super().__init__()
        self._to = handlers

    def emit(self, record: logging.LogRecord) -> None:
        record.event, record.facts = "log", {"logger": record.name}
        for handler in self._to:
            handler.handle(record)
        last = logging.lastResort
        if last is not None and not logging.root.handlers and record.levelno >= last.level:
            last.handle(record)


class _File(RotatingFileHandler):
    """A file that is given up when its disk fails."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing: the run goes on without this line."""


def _handler(path: Path, formatter: logging.Formatter) -> logging.Handler:
    handler = _File(path, maxBytes=MOST_BYTES, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(formatter)
    return handler


class _Text(logging.Formatter):
    """One line of text, in which everything prints."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds")
        return f"{moment}  {record.levelname.lower():<7}  {printable(record.getMessage())}"


class _Json(logging.Formatter):
    """One object of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        facts = getattr(record, "facts", {})
        event = getattr(record, "event", "log")
        known = {"time": moment, "level": record.levelname.lower(), "event": event}
        return json.dumps(known | {"text": record.getMessage()} | facts, default=str)
