"""Nothing that a terminal or a page would obey leaves the program."""

import json

import pytest
from rich.console import Console

from catalogs.errors import SurveyError
from catalogs.printable import printable
from survey.pipeline.galaxy.task import GalaxyReport, failure_row
from survey.pipeline.run.ledger import LEDGER, Ledger
from survey.report.page import write_template
from survey.report.pages.numbers import script_json
from survey.terminal import PrintableConsole, shown

NASTY = {
    "escape": ("NGC\x1b[2J 1", r"NGC\x1b[2J 1"),
    "override": ("NGC\u202e1 7", r"NGC\u202e1 7"),
    "newline": ("NGC\nerror: disk full", r"NGC\nerror: disk full"),
    "nul": ("NGC\x00 1", r"NGC\x00 1"),
    "return": ("NGC\rok", r"NGC\rok"),
    "csi": ("NGC\x9b31m", r"NGC\x9b31m"),
    "not-text": ("NGC\udcff", r"NGC\udcff"),
    "nothing-wide": ("NGC\u200b1", r"NGC\u200b1"),
}
OBEYED = set("\x1b\u202e\x00\r\x9b\udcff\u200b")

each = pytest.mark.parametrize(("name", "escaped"), NASTY.values(), ids=NASTY)


@each
def test_what_does_not_print_becomes_an_escape(name, escaped):
    assert printable(name) == escaped
    assert printable(printable(name)) == escaped


@pytest.mark.parametrize("name", ["NGC 7469", "Mrk 1 [α]", "銀河 + é", "a\\nb", ""])
def test_what_prints_stays(name):
    assert printable(name) == name


@each
def test_errors_show_no_raw_name(name, escaped):
    error = SurveyError("bad " + name, file=name, expected=name, found=name, advice=name)
    assert not OBEYED & set(str(error))
    assert str(error).count(escaped) >= 4
    row = failure_row("x", "read", ValueError(name))
    assert escaped in row["message"]


@each
def test_the_terminal_gets_no_raw_name(name, escaped, capsys):
    console = PrintableConsole(width=200, force_terminal=True, color_system=None)
    console.print(f"[red]galaxy[/] {name}", highlight=False)
    console.print(f"galaxy {shown(name)}", highlight=False)
    console.rule(shown(name))
    printed = capsys.readouterr().out
    assert not OBEYED & set(printed)
    assert printed.splitlines()[-2] == f"galaxy {escaped}"


def test_a_plain_console_would_have_let_them_through(capsys):
    Console(width=200).print("NGC\x1b[2J", highlight=False)
    assert "\x1b" in capsys.readouterr().out


@each
def test_pages_get_no_raw_name(name, escaped, tmp_path):
    write_template(
        tmp_path / "index.html", "index.html", stamp="v1", title=name, version="1", n_galaxy=1,
        n_cluster=1, n_failed=1, classes=[], verdicts=[], flags=[],
        failures=[(name, [(name, name + "<b>")])],
    )  # fmt: skip
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert not OBEYED & set(page)
    assert "<b>" not in page.replace(f"<b>{escaped}", "").replace("<b>NGC\n", "")
    script = script_json({"name": name, "rows": [[name, 1.0, None]]})
    assert json.loads(script) == {"name": escaped, "rows": [[escaped, 1.0, None]]}


@each
def test_the_ledger_gets_no_raw_name(name, escaped, tmp_path):
    ledger = Ledger(tmp_path)
    failure = {"stage": "read", "message": name}
    ledger.galaxy(GalaxyReport(name, 1.0, failure=failure, notes=(name,)))
    text = (tmp_path / LEDGER).read_text(encoding="ascii")
    assert not OBEYED & set(text)
    assert len(text.splitlines()) == 1
    assert json.loads(text)["galaxy"] == name
