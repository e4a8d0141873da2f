"""The live page: what it is told, who may see it, and what a browser shows."""

import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from survey.dashboard.state import page_state
from survey.errors import ConfigError
from survey.pipeline.galaxy.stage_list import STAGES
from survey.pipeline.galaxy.task import GalaxyReport
from survey.pipeline.run.ledger import Ledger

CHROMIUM = shutil.which("chromium")


@pytest.fixture
def address(run: Path) -> Iterator[str]:
    """The address of the page, as the command prints it."""
    yield from served(run)


def served(root: Path) -> Iterator[str]:
    code = "from survey.cli import main; main()"
    command = [sys.executable, "-c", code, "dashboard", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def fetched(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return bytes(answer.read())


def test_every_stage_of_every_galaxy_has_a_sign(run):
    state = page_state(run)
    assert state["state"] == "complete"
    assert state["stages"] == [stage.name for stage in STAGES]
    rows = dict(zip(state["galaxies"], state["grid"], strict=True))
    assert rows["SIM-001"] == rows["SIM-002"] == "d" * len(STAGES)
    assert rows["BAD"] == "f" * len(STAGES)
    (group,) = state["failures"]
    assert group["galaxies"][0].startswith("BAD")
    assert sum(state["throughput"]["counts"]) == 3
    assert {each["galaxy"] for each in state["newest"]} == {"SIM-001", "SIM-002"}
    assert all(each["page"] and each["map"] for each in state["newest"])


def test_a_folder_without_a_run_is_refused_before_anything_is_served(tmp_path):
    with pytest.raises(ConfigError, match="no survey has run"):
        page_state(tmp_path)


def test_the_page_is_on_loopback_and_needs_its_token(address):
    assert address.startswith("http://127.0.0.1:")
    root = address.split("/", 3)
    state = json.loads(fetched(address + "state.json"))
    assert state["n_galaxies"] == 3
    for path in ("", "state.json", "wrong/state.json", "report/index.html"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetched(f"{root[0]}//{root[2]}/{path}")
    with pytest.raises(urllib.error.HTTPError, match=r"40[34]"):
        fetched(address + "report/../survey.toml")


def test_the_report_is_below_the_page(address):
    assert b"galaxies" in fetched(address + "report/index.html")


@pytest.fixture
def page() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 800, "height": 900})
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        yield page
        browser.close()
        assert complaints == []


def test_a_browser_shows_the_run_and_what_failed(page, address):
    page.goto(address)
    page.wait_for_selector("body[data-ready=yes]", timeout=60_000)
    assert "3 of 3 galaxies" in page.inner_text("#summary")
    assert "BAD" in page.inner_text("#failures")
    assert page.locator("#newest img").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 800
    page.click("#newest a")
    page.wait_for_selector("body[data-ready=yes]", timeout=60_000)
    assert page.inner_text("h1").startswith("SIM-00")


def test_the_page_follows_a_run_that_goes_on(page, tmp_path):
    ledger = Ledger(tmp_path)
    ledger.begin(3)
    ledger.plan({"A": 2.0, "B": 1.0, "C": 1.0})
    for address in served(tmp_path):
        page.goto(address)
        page.wait_for_selector("body[data-ready=yes]", timeout=60_000)
        assert "0 of 3" in page.inner_text("#summary")
        names = [stage.name for stage in STAGES]
        times = dict.fromkeys(names, 0.1)
        ledger.galaxy(GalaxyReport("A", 1.0, computed=tuple(names), stage_seconds=times))
        page.wait_for_function(
            "document.getElementById('summary').textContent.includes('1 of 3')", timeout=20_000
        )
        failure = {"stage": "read", "message": "no plane has data", "host": "node7"}
        ledger.galaxy(GalaxyReport("B", 1.0, failure=failure))
        page.wait_for_function(
            "document.getElementById('failures').textContent.includes('no plane')", timeout=20_000
        )
        assert "B (node7)" in page.inner_text("#failures")
        assert page.evaluate("grid.rows") == ["d" * 8, "f" * 8, "." * 8]
        page.goto("about:blank")  # or it asks the server when that has ended
