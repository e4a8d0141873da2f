"""Tracers of a run on a real cluster: what they say, and one error for every bad one."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from catalogs import open_catalog
from catalogs.publish import publish_again
from catalogs.survey_parts import TRACED, VALIDATION, commit_survey_part
from catalogs.validation.tracer_columns import FAILED, RELATED
from catalogs.verify import verify
from survey.config import Settings, build_settings
from survey.config.tracers import load_tracers
from survey.cubes.wcs import read_header
from survey.engine.cluster import Cluster
from survey.pipeline.galaxy.tables import write_table
from survey.pipeline.run.prune import prune
from survey.pipeline.run.survey import run_survey
from survey.pipeline.validation.run import plan_validation
from survey.pipeline.validation.tracers import TracedRun, measure_tracers
from survey.report.run import write_index_pages, write_tracer

BAD = """
[absent]
kind = "continuous"
map = "{galaxy}_radio.fits"

[elsewhere]
kind = "continuous"
map = "elsewhere.fits"

["no wcs"]
kind = "continuous"
map = "bare.fits"

[stranger]
kind = "classes"
map = "{galaxy}.fits"
galaxies = ["SIM-0001"]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, targets, cluster: Cluster) -> Path:
    """A run of two galaxies of three clusters each, and maps of their clusters beside it."""
    root = tmp_path_factory.mktemp("traced") / "run"
    settings: Settings = build_settings(
        {"cut": {"criterion": "fixed", "k": 3}, "report": {"figures": False}}
    )
    run_survey(root, targets, settings, cluster)
    catalog = open_catalog(root)
    for row in catalog.galaxies.to_dict("records"):
        own = catalog.spaxels(row["galaxy"])
        image = np.zeros((row["shape_y"], row["shape_x"]), np.int16)
        image[own["y"], own["x"]] = own["cluster"]
        header = read_header(row["celestial_header"])
        fits.PrimaryHDU(image, header).writeto(root.parent / f"{row['galaxy']}.fits")
        fits.PrimaryHDU(image).writeto(root.parent / "bare.fits", overwrite=True)
        header["CRVAL1"] += 1
        fits.PrimaryHDU(image, header).writeto(root.parent / "elsewhere.fits", overwrite=True)
    first = catalog.spaxels(catalog.galaxies["galaxy"].iloc[0])
    table = Table({"ra": first["ra"], "dec": first["dec"], "value": first["snr"].astype(float)})
    table.write(root.parent / "snr.ecsv")
    return root


GOOD = """
[clusters]
kind = "classes"
map = "{{galaxy}}.fits"
classes = {{ 1 = "bright", 2 = "middle", 3 = "faint" }}
draws = 39

[snr]
kind = "continuous"
table = "snr.ecsv"
galaxies = ["{first}"]
draws = 39
"""


def traced(root: Path, cluster: Cluster, text: str) -> TracedRun:
    file = root.parent / "tracers.toml"
    file.write_text(text)
    return measure_tracers(
        root, load_tracers(file), file.parent, plan_validation(root), cluster, draw=write_tracer
    )


@pytest.fixture(scope="module")
def good(run: Path, cluster: Cluster) -> str:
    """A file of tracers without faults."""
    return GOOD.format(first=open_catalog(run).galaxies["galaxy"].iloc[0])


@pytest.fixture
def copied(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run.parent, tmp_path / "copy", symlinks=True)) / "run"


@pytest.fixture(scope="module")
def measured(run: Path, cluster: Cluster, good: str) -> TracedRun:
    return traced(run, cluster, good + BAD)


def test_a_map_of_the_clusters_themselves_is_related_to_them(run, measured):
    rows = open_catalog(run).tracers()
    own = rows[rows["tracer"] == "clusters"]
    assert len(own) == 2
    assert (own["outcome"] == RELATED).all()
    assert own["value"].to_numpy() == pytest.approx(1.0)
    assert (own["p_value"] == own["p_floor"]).all()
    cells = open_catalog(run).tracer_clusters()
    cells = cells[cells["tracer"] == "clusters"]
    names = dict(enumerate(("bright", "middle", "faint"), 1))
    assert (cells["class"] == cells["cluster"].map(names)).all()
    counts = open_catalog(run).clusters.set_index(["galaxy", "cluster"])["n_spaxel"]
    assert (cells.set_index(["galaxy", "cluster"])["n_spaxel"] == counts).all()


def test_values_of_positions_are_those_of_the_spaxels(run, measured):
    catalog = open_catalog(run)
    galaxy = catalog.galaxies["galaxy"].iloc[0]
    cells = catalog.tracer_clusters(galaxy)
    found = cells[cells["tracer"] == "snr"].set_index("cluster")["median"]
    spaxels = catalog.spaxels(galaxy)
    expected = spaxels[spaxels["cluster"] > 0].groupby("cluster")["snr"].median()
    assert found.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-5)


def test_every_bad_tracer_has_one_error_row_and_stops_no_other(run, measured):
    rows = open_catalog(run).tracers()
    failed = rows[rows["outcome"] == FAILED]
    galaxies = list(open_catalog(run).galaxies["galaxy"])
    expected = [(g, t) for g in galaxies for t in ("absent", "elsewhere", "no wcs")]
    expected.append(("SIM-0001", "stranger"))
    assert sorted(zip(failed["galaxy"], failed["tracer"], strict=True)) == sorted(expected)
    words = {
        "absent": "_radio.fits: no such file",
        "elsewhere": "does not overlap",
        "no wcs": "no celestial coordinates",
        "stranger": "did you mean",
    }
    for row in failed.to_dict("records"):
        assert words[row["tracer"]] in row["meaning"]
    assert set(measured.failures) == {*galaxies, "SIM-0001"}
    assert measured.counts[FAILED] == 7
    assert measured.counts[RELATED] >= 2
    assert [check for check in verify(run) if not check.ok] == []


def test_every_comparison_has_a_picture_and_a_line_on_the_pages(run, measured):
    page = write_index_pages(run)
    text = (page.parent / "data" / "tracers.js").read_text()
    files = json.loads(text.removeprefix("const SURVEY_TRACER_FILES = "))
    for galaxy in open_catalog(run).galaxies["galaxy"]:
        script = (page.parent / files[galaxy]).read_text()
        said = json.loads(script.removeprefix("const SURVEY_TRACERS = "))
        assert "clusters" in [row[0] for row in said["rows"]]
        for picture in said["pictures"].values():
            assert (page.parent / picture).read_bytes().startswith(b"\x89PNG")
        assert "clusters" in said["pictures"]
        assert "absent" not in said["pictures"]


def test_nothing_is_measured_twice_and_one_new_tracer_is_measured_alone(
    copied, cluster, good, measured
):
    traced(copied, cluster, good)
    version = open_catalog(copied).path.name
    again = traced(copied, cluster, good)
    assert open_catalog(copied).path.name == version
    assert not any(report.computed for report in again.reports if report.keys)
    before = {path: path.stat().st_mtime_ns for path in copied.glob(f"parts/*/{TRACED}-*")}
    more = good + '\n[again]\nkind = "continuous"\nmap = "{galaxy}.fits"\ndraws = 19\n'
    traced(copied, cluster, more)
    after = {path: path.stat().st_mtime_ns for path in copied.glob(f"parts/*/{TRACED}-*")}
    assert len(after) == len(before) + 2
    assert before.items() <= after.items()
    rows = open_catalog(copied).tracers()
    assert set(rows["tracer"]) == {"clusters", "snr", "again"}


def test_tracers_stay_when_verdicts_are_made_again_and_pruning_keeps_them(copied, measured):
    rows = open_catalog(copied).tracers()
    catalog = open_catalog(copied).galaxies
    part = commit_survey_part(
        VALIDATION,
        copied,
        "b" * 32,
        galaxies=dict(zip(catalog["galaxy"], catalog["part_key"], strict=True)),
        write=lambda folder: write_table(folder, VALIDATION.name, []),
        summary={"answers": {}},
    )
    publish_again(copied, part)
    assert open_catalog(copied).tracers().equals(rows)
    kept = set(copied.glob(f"parts/*/{TRACED}-*"))
    assert len(kept) == 3
    prune(copied, remove=True)
    assert set(copied.glob(f"parts/*/{TRACED}-*")) == kept


def test_what_was_said_of_a_galaxy_that_changed_since_is_not_shown(
    copied, targets, cluster, good, measured
):
    settings = build_settings({"cut": {"criterion": "fixed", "k": 2}, "report": {"figures": False}})
    run_survey(copied, targets, settings, cluster)
    rows = open_catalog(copied).tracers()
    assert set(rows["galaxy"]) <= {"SIM-0001"}
    traced(copied, cluster, good)
    rows = open_catalog(copied).tracers()
    assert len(rows[rows["tracer"] == "clusters"]) == 2
