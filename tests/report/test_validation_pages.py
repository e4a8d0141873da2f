"""Verdicts on the pages: those of the catalog, and none where a galaxy was not validated."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from catalogs import open_catalog
from catalogs.parts import Receipt
from catalogs.publish import publish_again
from catalogs.survey_parts import VALIDATION, commit_survey_part
from catalogs.validation.columns import ROBUST, SENSITIVE, VERDICT_QUESTION
from survey.pipeline.galaxy.tables import write_table
from survey.report.pages.paths import page_path
from survey.report.run import write_all
from tests.report.test_browser import CHROMIUM, browser, open_page  # noqa: F401

WORDS = "</script> other ways find <b>all</b> of it"


def row(galaxy: str, cluster: int, verdict: str, **more: Any) -> dict[str, Any]:
    return {
        "galaxy": galaxy,
        "question": VERDICT_QUESTION,
        "variant": "cluster" if cluster else "galaxy",
        "cluster": cluster,
        "measure": "stability",
        "value": 0.875,
        "n_null": 0,
        "verdict": verdict,
        "meaning": WORDS,
        **more,
    }


@pytest.fixture
def judged(finished: tuple[Path, Receipt], tmp_path: Path) -> tuple[Path, Receipt]:
    """The run with verdicts in its catalog, and its pages."""
    source, receipt = finished
    root = Path(shutil.copytree(source, tmp_path / "run", symlinks=True))
    n_cluster = len(open_catalog(root).clusters)
    rows = [row(receipt.galaxy, number, SENSITIVE) for number in range(1, n_cluster + 1)]
    rows.append(row(receipt.galaxy, 0, ROBUST))
    rows.append(row(receipt.galaxy, 0, ROBUST, question="linkage", variant="ward"))
    part = commit_survey_part(
        VALIDATION,
        root,
        "a" * 32,
        galaxies={receipt.galaxy: receipt.key},
        write=lambda folder: write_table(folder, VALIDATION.name, rows),
        summary={"answers": {}},
    )
    publish_again(root, part)
    write_all(root)
    return root, receipt


def test_verdicts_of_the_catalog_are_in_the_scripts_of_the_pages(judged):
    root, receipt = judged
    text = (root / "report" / "data" / "validation.js").read_text()
    assert "</script>" not in text
    verdicts = json.loads(text.removeprefix("const SURVEY_VERDICTS = "))
    own = verdicts[receipt.galaxy]
    assert own["verdict"] == ROBUST == open_catalog(root).galaxies["verdict"].iloc[0]
    assert {one[0] for one in own["clusters"].values()} == {SENSITIVE}
    assert (root / "report" / own["file"]).is_file()


def test_pages_of_a_run_that_was_not_validated_have_no_verdicts(finished):
    root, _ = finished
    index = write_all(root)
    text = (index.parent / "data" / "validation.js").read_text()
    assert json.loads(text.removeprefix("const SURVEY_VERDICTS = ")) == {}
    assert "Verdicts on galaxies" not in index.read_text()


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_page_of_a_galaxy_shows_its_verdict_and_every_answer(judged, browser):  # noqa: F811
    root, receipt = judged
    for page in open_page(browser, page_path(root, receipt.galaxy)):
        assert page.inner_text("#verdict") == f"{ROBUST}: {WORDS}."
        assert page.locator("#answers tbody tr").count() == 1
        assert f"{SENSITIVE} (0.88)" in page.inner_text("#clusters")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_index_finds_galaxies_by_verdict(judged, browser):  # noqa: F811
    root, _ = judged
    for page in open_page(browser, root / "report" / "index.html"):
        assert page.inner_text("td.verdict") == ROBUST
        page.fill("#filter", SENSITIVE)
        assert page.locator("#galaxies tbody tr").count() == 0
        page.fill("#filter", ROBUST)
        assert page.locator("#galaxies tbody tr").count() == 1
