"""What a run shows in the terminal: how far it is, what fails at once, and a summary at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from survey.pipeline.run.records.alike import AlikeMessages, named
from survey.pipeline.run.records.pace import Pace
from survey.pipeline.run.records.totals import Totals
from survey.terminal import err_console, in_words, out_console, shown

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from survey.pipeline.galaxy.task import GalaxyReport

EACH_UP_TO = 50
"""With more galaxies than these only those that fail or have notes get a line."""

SHOWN_ALIKE = 5
"""And of those that fail by one cause, or have notes of one, so many; the summary counts them."""

PLAIN_S = 30.0
"""Where the output is no terminal, the state is a line as often as this."""

COLOURS = {"computed": "green", "reused": "cyan", "quarantined": "red"}
SINGULAR = {"galaxies": "galaxy", "clusters": "cluster"}
SHOWN_NAMES = 5
SHOWN_MESSAGES = 10


class RunDisplay:
    """Shows a run while it goes on: a bar in a terminal, else lines.

    Parameters
    ----------
    n_galaxies : int
    n_draws : int
        Monte Carlo draws of the classification that follows; 0 for none.
    quiet : bool
        Show nothing.
    """

    def __init__(self, n_galaxies: int, n_draws: int = 0, *, quiet: bool = False) -> None:
        self.n_galaxies, self.quiet = n_galaxies, quiet
        self.totals = Totals()
        self._began = self._said = time.monotonic()
        self._pace = Pace(n_galaxies, self._began)
        self._bar = _Bar(n_galaxies, n_draws) if err_console.is_terminal and not quiet else None

    def __enter__(self) -> RunDisplay:
        if self._bar is not None:
            self._bar.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.progress.stop()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began

    def plan(self, projected_s: Mapping[str, float]) -> None:
        """Take what is to be computed."""
        self._pace.plan(projected_s, time.monotonic())

    def report(self, report: GalaxyReport) -> None:
        """Show that a galaxy has ended."""
        now = time.monotonic()
        self.totals.add(report)
        self._pace.ended(report.galaxy, report.outcome, now)
        if self.quiet:
            return
        for line in self._lines(report):
            err_console.print(line, highlight=False, soft_wrap=True)
        text = self._state(now)
        if self._bar is not None:
            self._bar.update(self._pace.n_ended, text)
        elif now - self._said >= PLAIN_S:
            self._said = now
            err_console.print(f"{self._pace.n_ended} of {self.n_galaxies} galaxies{text}")

    def draws(self, n: int) -> None:
        """Show that the classification has made so many more draws."""
        if self._bar is not None:
            self._bar.draw(n)

    def _lines(self, report: GalaxyReport) -> Iterator[str]:
        if self.n_galaxies <= EACH_UP_TO:
            yield from report_lines(report)
            return
        counts = [self.totals.notes.count(note) for note in report.notes]
        if report.failure is not None:
            counts.append(self.totals.failures.count(report.failure["message"]))
        if counts and min(counts) <= SHOWN_ALIKE:
            yield from report_lines(report)
            if SHOWN_ALIKE in counts:
                yield "            (others like this are counted in the summary)"

    def _state(self, now: float) -> str:
        failed = self.totals.outcomes["quarantined"]
        rate, left = self._pace.rate_per_min(now), self._pace.remaining_s(now)
        parts = [f"{failed} quarantined"] if failed else []
        parts += [f"{rate:.3g} a minute"] if rate else []
        parts += [f"{in_words(left)} to go"] if left else []
        return "".join(f", {part}" for part in parts)


class _Bar:
    """The bars of a terminal."""

    def __init__(self, n_galaxies: int, n_draws: int) -> None:
        from rich import progress

        self.progress: Progress = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("{task.fields[state]}"),
            console=err_console,
        )
        self._galaxies: TaskID = self.progress.add_task("galaxies", total=n_galaxies, state="")
        self._draws: TaskID = self.progress.add_task(
            "draws", total=n_draws, visible=n_draws > 0, start=False, state=""
        )

    def update(self, n_ended: int, text: str) -> None:
        self.progress.update(self._galaxies, completed=n_ended, state=text.removeprefix(", "))

    def draw(self, n: int) -> None:
        self.progress.start_task(self._draws)
        self.progress.advance(self._draws, n)


def report_lines(report: GalaxyReport) -> Iterator[str]:
    """How a galaxy ended: one line, and one for each of its notes."""
    line = f"[{COLOURS[report.outcome]}]{report.outcome:<11}[/] {shown(report.galaxy)}"
    line += f"  {report.seconds:.1f} s"
    if report.computed:
        line += f"  ({', '.join(report.computed)})"
    if report.failure is not None:
        line += shown(f"  {report.failure['stage']}: {report.failure['message']}")
        if report.host:
            line += shown(f"  (on {report.host})")
    yield line
    yield from (f"            {shown(note)}" for note in report.notes)


def print_summary(root: Path, totals: Totals, seconds: float) -> None:
    """Print what a run did, and what its catalog holds."""
    for name, text in summary(root, totals, seconds):
        out_console.print(f"{name:>12}  {text}", highlight=False, soft_wrap=True)


def summary(root: Path, totals: Totals, seconds: float) -> Iterator[tuple[str, str]]:
    """The lines of the summary: what each is about, and its text (with markup)."""
    computed = totals.outcomes["computed"]
    rate = f", {60 * computed / seconds:.3g} galaxies a minute" if computed else ""
    yield "time", f"{in_words(seconds, about=False)}{rate}"
    rows = rows_of(root / "catalog")
    if rows:
        counts = (
            f"{count:,} {table if count != 1 else SINGULAR[table]}" for table, count in rows.items()
        )
        yield "catalog", ", ".join(counts)
    yield from _grouped("quarantine", totals.failures)
    if (more := len(totals.failures) - SHOWN_MESSAGES) > 0:
        yield "", f"and {more} more messages: survey status {root}"
    if totals.outcomes.total() > EACH_UP_TO:
        yield from _grouped("notes", totals.notes)
    if whole := sum(totals.stage_seconds.values()):
        shares = (
            f"{stage} {_seconds(s)} ({s / whole:.0%})"
            for stage, s in totals.stage_seconds.items()
            if s >= 0.005 * whole
        )
        yield "stages", ", ".join(shares)
    if totals.peak_memory_bytes:
        yield "memory", f"at most {totals.peak_memory_bytes / 2**30:.2f} GiB in one worker"


def _grouped(name: str, messages: AlikeMessages) -> Iterator[tuple[str, str]]:
    for message, galaxies in islice(messages, SHOWN_MESSAGES):
        yield name, shown(f"{len(galaxies)}: {message} ({named(galaxies, SHOWN_NAMES)})")


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 90 else in_words(seconds, about=False)


def rows_of(catalog: Path) -> dict[str, int]:
    """How many galaxies and clusters a published catalog has, as far as it can be read."""
    from pyarrow import ArrowException
    from pyarrow.parquet import read_metadata

    found = {}
    for table in SINGULAR:
        try:
            found[table] = read_metadata(catalog / f"{table}.parquet").num_rows
        except (OSError, ArrowException):
            continue
    return found


def print_report_path(path: Path) -> None:
    """Say where the performance report is, or why there is none."""
    if path.is_file():
        out_console.print(f"performance report: {path}", highlight=False)
    else:
        out_console.print(f"no performance report in {path}: nothing was computed", highlight=False)
