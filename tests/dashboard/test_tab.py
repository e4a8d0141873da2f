"""A real survey from the command line, watched in a browser through the tab of Dask's dashboard."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from survey.pipeline.galaxy.stage_list import STAGES
from survey.simulate import simulate_archive

CHROMIUM = shutil.which("chromium")
STAGE_OF_GALAXY = re.compile(rf"({'|'.join(stage.name for stage in STAGES)}) SIM-0\d\d")
N_GALAXY = 12
"""So many that the run goes on while the browser looks at it."""

SURVEY = [sys.executable, "-c", "from survey.cli import main; main()"]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run of small galaxies and a bad cube, and what a browser and Prometheus saw meanwhile."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    folder = tmp_path_factory.mktemp("tab")
    simulate_archive(folder, N_GALAXY, size=(8, 8), window=(12.5, 13.1), seed=2)
    (folder / "bad.fits").write_text("no cube")
    seen: dict[str, Any] = {"root": folder / "run", "report": folder / "performance.html"}
    command = [
        *SURVEY, "run", *map(str, sorted(folder.glob("*.fits"))[::-1]), "--redshift", "0.01",
        "--out", str(seen["root"]), "--workers", "1", "--no-figures",
        "--performance-report", str(seen["report"]),
    ]  # fmt: skip
    command = [each for each in command if "_truth" not in each]
    with (
        sync_api.sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as browser,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        page = browser.new_page(viewport={"width": 1000, "height": 1100})
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        assert process.stderr is not None
        assert process.stdout is not None
        line = next(line for line in process.stderr if line.startswith("dashboard: "))
        seen["address"] = address = line.split()[1]
        page.goto(address)
        page.wait_for_selector("body[data-ready=yes]", timeout=120_000)
        seen["url"], seen["links"] = page.url, page.inner_text("#dask")
        page.wait_for_function("grid.rows.join('').includes('d')", timeout=120_000)
        seen["summary"] = page.inner_text("#summary")
        seen["bars"] = page.evaluate("timeline.source.data.name")
        seen["metrics"] = _metrics(address)
        page.click("#dask a >> text=status")
        page.wait_for_selector("text=Survey", timeout=60_000)
        seen["dask"] = page.url
        with page.expect_navigation():
            page.click("a[href=survey]")
        seen["back"], seen["complaints"] = page.url, complaints
        page.close()
        seen["out"], seen["err"] = process.stdout.read(), process.stderr.read()
    seen["code"] = process.returncode
    return seen


def _metrics(address: str) -> dict[str, dict[str, float]]:
    """Our metrics, by name and label."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    with opener.open(address.split("/survey/")[0] + "/metrics", timeout=60) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {
        family.name: {
            next(value for name, value in sample.labels.items() if name != "run"): sample.value
            for sample in family.samples
        }
        for family in families
        if family.name.startswith("survey_")
    }


def test_the_printed_address_is_the_page_of_the_survey_among_those_of_dask(watched):
    assert watched["complaints"] == []
    assert watched["url"].endswith("/survey/")
    assert "status" in watched["links"]
    assert watched["dask"].endswith("/status")
    assert watched["back"].endswith("/survey/")


def test_the_page_counts_the_survey_and_names_stages_while_it_runs(watched):
    assert "running" in watched["summary"]
    assert f"of {N_GALAXY + 1} galaxies" in watched["summary"]
    assert any(STAGE_OF_GALAXY.match(name) for name in watched["bars"]), watched["bars"]


def test_prometheus_gets_galaxies_by_outcome_stages_and_bytes(watched):
    found = watched["metrics"]
    assert set(found["survey_galaxies"]) == {"computed", "reused", "quarantined"}
    assert found["survey_stage_seconds"]["read"] >= 0
    assert "read" in found["survey_galaxies_in_flight"]
    assert "read" in found["survey_bytes"]


def test_the_run_ends_with_a_summary_logs_and_a_report_that_needs_no_network(watched):
    assert watched["code"] == 64
    for words in (
        "stages  read",
        f"catalog  {N_GALAXY} galaxies",
        "memory  at most",
        "quarantine  1: ",
    ):
        assert words in watched["out"], watched["out"]
    assert "quarantined bad" in watched["err"]
    assert "\x1b" not in watched["out"] + watched["err"]
    (lines,) = watched["root"].glob("logs/run-*.jsonl")
    events = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [event["event"] for event in events] == ["begin", *["galaxy"] * (N_GALAXY + 1), "end"]
    assert {event["outcome"] for event in events[1:-1]} == {"computed", "quarantined"}
    report = Path(watched["report"]).read_text()
    assert "process_galaxy" in report
    assert not re.search(r"<script\b[^>]*\bsrc=|<link\b[^>]*stylesheet", report)
