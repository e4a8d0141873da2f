"""What a run shows: lines where there is no terminal, a bar where there is one, a summary."""

import io
from pathlib import Path

import pytest

from survey.cli import display
from survey.cli.display import RunDisplay, summary
from survey.pipeline.galaxy.task import GalaxyReport
from survey.terminal import PrintableConsole

STAGES = {"read": 2.0, "tree": 6.0}


def done(name: str) -> GalaxyReport:
    return GalaxyReport(
        name, 8.0, computed=("read", "tree"), stage_seconds=STAGES, peak_memory_bytes=3 << 29
    )


def failed(name: str, message: str = "no plane has data") -> GalaxyReport:
    return GalaxyReport(name, 1.0, failure={"stage": "read", "message": message}, host="node7")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> io.StringIO:
    text = io.StringIO()
    console = PrintableConsole(file=text, force_terminal=request.param, width=120)
    monkeypatch.setattr(display, "err_console", console)
    return text


@pytest.mark.parametrize("shown", [False], indirect=True)
def test_where_there_is_no_terminal_every_line_is_plain_and_ends(shown, monkeypatch):
    monkeypatch.setattr(display, "PLAIN_S", 0.0)
    with RunDisplay(3) as run:
        run.plan({"A": 1.0, "B": 1.0, "C": 1.0})
        run.report(done("A"))
        run.report(failed("B\x1b[2J"))
    lines = shown.getvalue().splitlines()
    assert not {"\x1b", "\r"} & set(shown.getvalue())
    assert lines[0].startswith("computed    A  8.0 s")
    assert "1 of 3 galaxies" in lines[1]
    assert "a minute" in lines[1]
    assert "to go" in lines[1]
    assert lines[2].startswith(r"quarantined B\x1b[2J")
    assert "no plane has data  (on node7)" in lines[2]
    assert "2 of 3 galaxies, 1 quarantined" in lines[3]


@pytest.mark.parametrize("shown", [True], indirect=True)
def test_a_terminal_has_a_bar_with_rate_and_remaining_time(shown):
    with RunDisplay(3) as run:
        run.plan({"A": 1.0, "B": 1.0, "C": 1.0})
        run.report(done("A"))
    text = shown.getvalue()
    for words in ("galaxies", "1/3", "a minute", "to go"):
        assert words in text


@pytest.mark.parametrize("shown", [False], indirect=True)
def test_in_a_large_survey_only_failures_and_notes_have_lines(shown):
    with RunDisplay(display.EACH_UP_TO + 1) as run:
        run.report(done("GOOD"))
        run.report(failed("BAD"))
        run.report(GalaxyReport("NOTED", 1.0, computed=("read",), notes=("look at this",)))
    assert "GOOD" not in shown.getvalue()
    assert "BAD" in shown.getvalue()
    assert "look at this" in shown.getvalue()


@pytest.mark.parametrize("shown", [False], indirect=True)
def test_what_happens_to_every_galaxy_of_a_large_survey_has_a_few_lines(shown, tmp_path):
    n = display.EACH_UP_TO + 1
    with RunDisplay(n) as run:
        for number in range(n):
            note = f"/archive/{number}.fits: the file is gone; results are those that were there"
            run.report(GalaxyReport(f"N{number}", 1.0, notes=(note,)))
        run.report(failed("BAD"))
    lines = shown.getvalue().splitlines()
    assert sum("the file is gone" in line for line in lines) == display.SHOWN_ALIKE
    assert sum("others like this" in line for line in lines) == 1
    assert "BAD" in shown.getvalue()
    (told,) = [text for name, text in summary(tmp_path, run.totals, 1.0) if name == "notes"]
    assert told == (
        "51: the file is gone; results are those that were there (N0, N1, N2, N3, N4 and 46 more)"
    )


def test_the_summary_has_failures_by_message_stages_and_memory(tmp_path: Path):
    run = RunDisplay(4, quiet=True)
    for report in (done("A"), failed("B"), failed("C"), failed("D", "other")):
        run.report(report)
    lines = summary(tmp_path, run.totals, 120.0)
    texts = dict(reversed(list(lines)))
    assert texts["time"] == "2 min, 0.5 galaxies a minute"
    assert texts["quarantine"] == "2: no plane has data (B, C)"
    assert texts["stages"] == "read 2.0 s (25%), tree 6.0 s (75%)"
    assert texts["memory"] == "at most 1.50 GiB in one worker"
