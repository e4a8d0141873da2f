"""Tracers on the page of a galaxy: a row for each, and nothing where there are none."""

import json
import shutil
from pathlib import Path

import pytest

from catalogs.parts import Receipt
from catalogs.publish import publish_again
from catalogs.survey_parts import TRACED, TRACERS, commit_survey_part
from catalogs.validation.tracer_columns import CLUSTERS, FAILED, RELATED
from survey.pipeline.galaxy.tables import write_table
from survey.report.pages.paths import page_path, tracer_path
from survey.report.run import write_all
from tests.report.test_browser import CHROMIUM, browser, open_page  # noqa: F401

WORDS = "adjusted mutual information </script> <b>0.5</b>"


@pytest.fixture
def traced(finished: tuple[Path, Receipt], tmp_path: Path) -> tuple[Path, Receipt]:
    """The run with what two tracers say of its galaxy, one of which has a picture."""
    source, receipt = finished
    root = Path(shutil.copytree(source, tmp_path / "run", symlinks=True))
    common = {"galaxy": receipt.galaxy, "compared": CLUSTERS, "kind": "classes", "file": "a.fits"}
    good = {"tracer": "bpt", "outcome": RELATED, "meaning": WORDS, "value": 0.5, "n_spaxel": 40}
    bad = {"tracer": "radio/1", "outcome": FAILED, "meaning": "no such file"}
    part = commit_survey_part(
        TRACERS,
        root,
        "c" * 32,
        galaxies={receipt.galaxy: receipt.key},
        write=lambda folder: [
            write_table(folder, "tracers", [common | good, common | bad]),
            write_table(folder, "tracer_clusters", []),
        ],
        summary={TRACED: {}},
    )
    publish_again(root, part)
    picture = tracer_path(root, receipt.galaxy, "bpt")
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"a picture")
    write_all(root)
    return root, receipt


def test_the_script_of_a_galaxy_has_its_tracers_and_their_pictures(traced):
    root, receipt = traced
    report = root / "report"
    text = (report / "data" / "tracers.js").read_text()
    files = json.loads(text.removeprefix("const SURVEY_TRACER_FILES = "))
    assert list(files) == [receipt.galaxy]
    text = (report / files[receipt.galaxy]).read_text()
    assert "</script>" not in text
    said = json.loads(text.removeprefix("const SURVEY_TRACERS = "))
    assert [row[:3] for row in said["rows"]] == [
        ["bpt", CLUSTERS, RELATED],
        ["radio/1", CLUSTERS, FAILED],
    ]
    assert said["rows"][1][3] is None, "a failure has no value"
    assert {name: (report / path).read_bytes() for name, path in said["pictures"].items()} == {
        "bpt": b"a picture"
    }


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_page_shows_a_row_for_every_tracer_as_text(traced, browser):  # noqa: F811
    root, receipt = traced
    for page in open_page(browser, page_path(root, receipt.galaxy)):
        assert page.is_visible("#tracers")
        assert page.locator("#tracer-rows tbody tr").count() == 2
        assert WORDS in page.inner_text("#tracer-rows")
        assert page.locator("#tracer-pictures img").count() == 1


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_without_tracers_the_page_has_no_such_section(finished, browser):  # noqa: F811
    root, receipt = finished
    write_all(root)
    for page in open_page(browser, page_path(root, receipt.galaxy)):
        assert not page.is_visible("#tracers")
