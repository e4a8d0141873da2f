"""A survey of cubes on a web server and in a bucket."""

from dataclasses import replace

import pandas as pd
import pytest

from survey.cubes.files import remote
from survey.errors import ConfigError, SurveyError, Unconfirmed
from survey.pipeline.galaxy.task import GalaxyTask, process_galaxy
from survey.pipeline.run.survey import run_survey
from survey.pipeline.run.targets import read_targets, write_targets


@pytest.fixture
def served(web, targets, tmp_path):
    """The galaxies of the archive in a targets table of URLs."""
    rows = ["galaxy,files,redshift"]
    for target in targets:
        (file,) = target.files
        web.files[f"cubes/{file.name}"] = file.local.read_bytes()
        rows.append(f"{target.galaxy},{web.url}/cubes/{file.name},{target.redshift}")
    (tmp_path / "targets.csv").write_text("\n".join(rows))
    return tmp_path / "targets.csv"


def test_a_survey_of_urls_is_that_of_the_files(
    served, web, targets, settings, cluster, tmp_path_factory
):
    root, here = tmp_path_factory.mktemp("there"), tmp_path_factory.mktemp("here")
    there = read_targets(served)
    assert [file.address for file in there[0].files] == [
        f"{web.url}/cubes/{targets[0].files[0].name}"
    ]
    results = run_survey(root, there, settings, cluster)
    assert results.count("computed") == len(targets)
    run_survey(here, targets, settings, cluster)
    columns = ["galaxy", "cluster", "n_spaxel", "flux_NeII_12.81"]
    one, other = (
        pd.read_parquet(folder / "catalog" / "clusters.parquet", columns=columns)
        for folder in (root, here)
    )
    pd.testing.assert_frame_equal(one, other)
    assert not list(root.rglob("*.fits"))
    assert read_targets(root / "targets.ecsv") == sorted(there, key=lambda target: target.galaxy)

    web.requests.clear()
    web.sent = 0
    again = run_survey(root, there, settings, cluster)
    assert again.count("reused") == len(targets)
    largest = max(map(len, web.files.values()))
    assert web.sent < largest / 2  # headers, to order the galaxies
    assert len(web.requests) <= 4 * len(targets)


def test_a_changed_file_of_a_server_is_computed_again(served, web, settings, tmp_path):
    target = read_targets(served)[0]
    task = GalaxyTask(target, settings, tmp_path / "run")
    assert process_galaxy(task).outcome == "computed"
    assert process_galaxy(task).outcome == "reused"
    name = f"cubes/{target.files[0].name}"
    content = web.files[name]
    web.files[name] = content.replace(b"SIMULATE", b"ANOTHER ", 1).ljust(len(content) + 2880, b"\0")
    assert process_galaxy(task).outcome == "computed"


def test_a_server_that_is_down_is_named_and_asked_again_by_the_next_run(
    served, web, settings, tmp_path, monkeypatch
):
    monkeypatch.setattr(remote, "FIRST_WAIT_S", 0.001)
    target = read_targets(served)[0]
    task = GalaxyTask(target, settings, tmp_path / "run")
    web.fault = lambda path, number: 503
    with pytest.raises(Unconfirmed) as asked:  # another worker may reach it
        process_galaxy(task)
    report = asked.value.result
    assert report.failure["error"] == "InfrastructureError"
    assert "HTTP 503" in report.failure["message"]
    assert target.files[0].address in report.failure["message"]
    web.fault = lambda path, number: None
    assert process_galaxy(task).outcome == "computed"


def test_sub_bands_of_a_bucket_and_a_disk_may_be_mixed(bucket, targets, settings, tmp_path):
    one, other = targets
    bucket.upload_file(one.files[0].address, "cube.fits")
    mixed = replace(one, galaxy="mixed", files=("s3://cubes/cube.fits",))
    assert process_galaxy(GalaxyTask(mixed, settings, tmp_path)).outcome == "computed"
    write_targets([mixed, other], tmp_path / "targets.ecsv")
    assert read_targets(tmp_path / "targets.ecsv") == sorted(
        [mixed, other], key=lambda target: target.galaxy
    )


def test_a_row_whose_address_cannot_be_read_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("galaxy,files\nNGC 1,ftp://host/cube.fits\n")
    with pytest.raises(ConfigError, match=r"line 2 of t.csv, galaxy NGC 1: .*found ftp://"):
        read_targets(tmp_path / "t.csv")


def test_a_run_is_not_written_to_a_bucket(targets, settings, cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SurveyError, match=r"local or shared POSIX.*found s3://bucket/run"):
        run_survey("s3://bucket/run", targets, settings, cluster)
    assert not list(tmp_path.iterdir())
