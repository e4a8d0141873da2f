"""The pages of a run in a real browser: they open from disk, and answer to the mouse."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from survey.report.pages.paths import page_path
from survey.report.run import write_all

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

CHROMIUM = shutil.which("chromium")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(finished) -> Path:
    root, _ = finished
    return write_all(root)


@pytest.fixture
def opened(browser, finished, report) -> Iterator[Any]:
    """The page of the galaxy, and what its scripts complained about."""
    root, receipt = finished
    yield from open_page(browser, page_path(root, receipt.galaxy))


def open_page(browser: Any, path: Path, width: int = 1400) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": width, "height": 900})
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    page.on("request", lambda sent: sent.url.startswith("file:") or complaints.append(sent.url))
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-ready=yes]", timeout=60_000)
    yield page
    page.close()
    assert complaints == []


def spaxel_of(page: Any, cluster: int) -> int:
    return int(page.evaluate(f"maps.cluster.indexOf({cluster})"))


def place_of(page: Any, cell: int) -> tuple[float, float]:
    """Where a cell is on the screen, on the large map."""
    found = page.evaluate(
        """(cell) => {
            const box = document.getElementById("map").getBoundingClientRect()
            const view = maps.views.roots
                .find((each) => document.getElementById("map").contains(each.el))
            const frame = view.frame
            const x = frame.x_scale.compute(maps.source.data.west[cell])
            const y = frame.y_scale.compute(maps.source.data.north[cell])
            return [box.left + x, box.top + y]
        }""",
        cell,
    )
    return found[0], found[1]


def test_pointing_at_a_spaxel_shows_its_spectrum(opened):
    cell = spaxel_of(opened, 1)
    assert opened.evaluate("plot.pointed.data.x.length") == 0
    opened.mouse.move(*place_of(opened, cell))
    opened.wait_for_function("plot.pointed.data.x.length > 0", timeout=10_000)
    shown, expected = opened.evaluate(
        "([cell]) => [Array.from(plot.pointed.data.y), plot.spectra.spectrum(cell)]", [cell]
    )
    assert shown == expected


def test_a_click_on_a_cluster_fades_the_others_and_a_second_click_undoes_it(opened):
    where = place_of(opened, spaxel_of(opened, 2))
    opened.mouse.click(*where)
    opened.wait_for_function("shown.size === 1", timeout=10_000)
    assert opened.evaluate("[...shown]") == [2]
    alpha = opened.evaluate(
        "maps.cluster.map((number, cell) => [number, maps.source.data.alpha[cell]])"
    )
    assert all((a == 1) == (number in (0, 2)) for number, a in alpha)
    assert opened.evaluate("plot.parts.map((each) => each[1].visible)")[:2] == [False, True]
    opened.wait_for_timeout(600)  # two clicks at once would be a double click
    opened.mouse.click(*where)
    opened.wait_for_function("shown.size === data.clusters.length", timeout=10_000)


def test_buttons_switch_clusters_off_and_on(opened):
    button = opened.locator("#buttons button").first
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert opened.evaluate("plot.parts[0][1].visible") is False
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert opened.evaluate("plot.parts[0][1].visible") is True


def test_the_chosen_map_shows_the_flux_of_the_line(opened):
    names = opened.locator("#chosen option").all_text_contents()
    index = next(i for i, name in enumerate(names) if "[Ne II]" in name and "/" not in name)
    opened.select_option("#chosen", str(index))
    feature = opened.evaluate("data.features.find((each) => each.name === 'NeII_12.81')")
    cell = spaxel_of(opened, 1)
    assert opened.evaluate(f"maps.source.data.chosen[{cell}]") == feature["flux"][0]


def test_there_is_a_map_of_the_fractions_of_every_cluster(opened):
    count = opened.evaluate("data.clusters.length")
    assert opened.locator("#fraction-maps figure").count() == count
    captions = opened.locator("#fraction-maps figcaption").all_text_contents()
    assert captions == [f"cluster {number}" for number in range(1, count + 1)]
    names = [f"fraction_{number}" for number in range(1, count + 1)]
    columns = opened.evaluate("(names) => names.map((name) => maps.source.data[name])", names)
    inside = [number > 0 for number in opened.evaluate("maps.cluster")]
    for cell, *values in zip(inside, *columns, strict=True):
        assert sum(values) == pytest.approx(1.0 if cell else np.nan, abs=0.02, nan_ok=True)
    assert opened.locator("#fraction-maps canvas").count() > 0


def test_the_flux_axis_can_be_linear(opened):
    opened.uncheck("#logarithmic")
    assert opened.evaluate("plot.figure.y_scale.type") == "LinearScale"
    opened.check("#logarithmic")
    assert opened.evaluate("plot.figure.y_scale.type") == "LogScale"


def test_lines_are_saved_as_csv(opened, tmp_path):
    with opened.expect_download() as download:
        opened.click("#save-lines")
    path = tmp_path / "lines.csv"
    download.value.save_as(path)
    head, *rows = path.read_text().splitlines()
    assert head.startswith("cluster,feature,wavelength_um,flux,err")
    n_cluster = opened.evaluate("data.clusters.length")
    assert len(rows) == n_cluster * opened.evaluate("data.features.length")


def test_a_question_mark_shows_a_definition_and_leads_to_it(opened):
    help_link = opened.locator('#clusters th a.help[href$="#clusters.continuum_snr"]')
    assert "S/N" in help_link.get_attribute("title")
    help_link.click()
    opened.wait_for_selector("h1")
    assert opened.inner_text("h1") == "What the numbers mean"
    row = opened.locator('tr[id="clusters.continuum_snr"]')
    assert "S/N" in row.inner_text()


def test_a_question_mark_of_the_index_does_not_sort(browser, finished, report):
    for page in open_page(browser, report):
        page.locator('#galaxies th a.help[href$="#galaxies.snr"]').click()
        page.wait_for_selector('tr[id="galaxies.snr"]')


def test_a_narrow_window_needs_no_scrolling_to_the_side(browser, finished, report):
    root, receipt = finished
    for page in open_page(browser, page_path(root, receipt.galaxy), width=800):
        assert page.evaluate("document.documentElement.scrollWidth") <= 800


def test_the_index_sorts_filters_and_leads_to_the_galaxies(browser, finished, report):
    _, receipt = finished
    for page in open_page(browser, report):
        rows = page.locator("#galaxies tbody tr")
        assert rows.count() == 1
        page.fill("#filter", "no such galaxy")
        assert rows.count() == 0
        page.fill("#filter", receipt.galaxy.lower())
        assert rows.count() == 1
        page.click("#galaxies tbody a")
        page.wait_for_selector("h1")
        assert page.inner_text("h1") == receipt.galaxy


def test_ten_thousand_galaxies_are_sorted_and_shown_a_hundred_at_a_time(browser, report, tmp_path):
    shutil.copytree(report.parent, tmp_path / "report")
    script = tmp_path / "report" / "data" / "galaxies.js"
    data = json.loads(script.read_text().removeprefix("const SURVEY_GALAXIES = "))
    (row,) = data["rows"]
    data["rows"] = [[f"G{i}", row[1], i / 1e4, *row[3:]] for i in range(10_000)]
    script.write_text(f"const SURVEY_GALAXIES = {json.dumps(data)}")
    for page in open_page(browser, tmp_path / "report" / "index.html"):
        assert page.locator("#galaxies tbody tr").count() == 100
        assert "10000 of 10000" in page.inner_text("#count")
        for _ in range(2):
            page.click("#galaxies thead th:nth-child(4)", position={"x": 4, "y": 8})
        assert page.evaluate("view.rows[0].redshift") in (0, 0.9999)
        page.click("text=next")
        assert "page 2 of 100" in page.inner_text("#pages")
