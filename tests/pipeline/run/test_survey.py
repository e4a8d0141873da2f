"""A survey on a real cluster: what is bad is set aside, what is done is not done again."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from catalogs import open_catalog
from catalogs.verify import verify
from survey.config import Settings, build_settings
from survey.engine import submit
from survey.engine.cluster import Cluster
from survey.errors import ConfigError, InfrastructureError
from survey.pipeline.galaxy.target import Target
from survey.pipeline.run import publisher as growing
from survey.pipeline.run.status import read_status
from survey.pipeline.run.survey import Results, run_survey
from survey.pipeline.run.targets import read_targets
from tests.pipeline.conftest import DAMAGES

Run = Callable[..., Results]


@pytest.fixture(scope="module")
def mixed_run(
    tmp_path_factory: pytest.TempPathFactory,
    targets: list[Target],
    damaged_targets: list[Target],
    settings: Settings,
    cluster: Cluster,
) -> tuple[Path, Results]:
    """Good and damaged cubes together."""
    root = tmp_path_factory.mktemp("mixed")
    return root, run_survey(root, [*damaged_targets, *targets], settings, cluster)


def test_bad_cubes_are_set_aside_and_the_others_finish(mixed_run, damaged_targets):
    root, results = mixed_run
    assert results.count("computed") == 2
    assert results.count("quarantined") == len(damaged_targets)
    catalog = open_catalog(root)
    assert catalog.galaxies["galaxy"].tolist() == ["SIM-001", "SIM-002"]
    assert set(catalog.quarantine["galaxy"]) == {target.galaxy for target in damaged_targets}
    assert all(check.ok for check in verify(root))


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_has_one_message_that_names_file_and_fault(mixed_run, damage):
    root, _ = mixed_run
    row = open_catalog(root).quarantine.set_index("galaxy").loc[damage]
    _, words = DAMAGES[damage]
    assert row["error"] == "DataError"
    assert f"{damage}.fits" in row["message"]
    assert pd.Series([row["message"]]).str.contains(words, case=False, regex=True).all(), row[
        "message"
    ]
    assert "Traceback" not in row["message"]


def test_a_missing_file_is_named(mixed_run):
    root, _ = mixed_run
    message = open_catalog(root).quarantine.set_index("galaxy").loc["absent", "message"]
    assert "absent.fits" in message
    assert "no such file" in message


def test_the_ledger_knows_how_it_went(mixed_run, damaged_targets):
    root, _ = mixed_run
    status = read_status(root)
    assert status.state == "complete"
    assert status.n_done == status.n_galaxies == 2 + len(damaged_targets)
    assert set(status.failures) == {target.galaxy for target in damaged_targets}


@pytest.fixture(scope="module")
def run_root(tmp_path_factory: pytest.TempPathFactory, targets, settings, cluster) -> Path:
    root = tmp_path_factory.mktemp("good")
    run_survey(root, targets[:1], settings, cluster)
    return root


def test_a_second_run_computes_nothing(run_root, targets, settings, cluster):
    before = (run_root / "catalog").resolve()
    results = run_survey(run_root, targets[:1], settings, cluster)
    assert (results.count("computed"), results.count("reused")) == (0, 1)
    assert (run_root / "catalog").resolve() == before, "and publishes nothing new"


def test_a_new_galaxy_adds_itself(run_root, targets, settings, cluster):
    results = run_survey(run_root, targets, settings, cluster)
    assert (results.count("computed"), results.count("reused")) == (1, 1)
    assert len(open_catalog(run_root).galaxies) == 2


def test_pandas_alone_reads_the_catalog(run_root):
    code = (
        "import sys; sys.modules.update(survey=None, catalogs=None, astropy=None)\n"
        "import pandas as pd\n"
        f"root = {str(run_root / 'catalog')!r}\n"
        "clusters = pd.read_parquet(f'{root}/clusters.parquet')\n"
        "spaxels = pd.read_parquet(f'{root}/spaxels', columns=['galaxy', 'cluster'],"
        " filters=[('galaxy', '==', 'SIM-001')])\n"
        "assert clusters['flux_NeII_12.81'].notna().all()\n"
        "print(len(clusters), spaxels['galaxy'].unique().tolist())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(maxsplit=1)[1].strip() == "['SIM-001']"


def test_the_run_says_with_which_settings(run_root, settings):
    text = (run_root / "survey.toml").read_text()
    assert "k = 3" in text
    assert "fingerprint" in text


def test_a_damaged_part_is_computed_again(run_root, targets, settings, cluster):
    (victim,) = run_root.glob("parts/SIM-001/commit-*")
    content = bytearray(victim.read_bytes())
    content[1000] ^= 1
    victim.write_bytes(bytes(content))
    results = run_survey(run_root, targets, settings, cluster)
    assert (results.count("computed"), results.count("reused")) == (1, 1)
    # The last part contains the profiles, which are computed again from the stored cube and tree.
    assert results.reports["SIM-001"].computed == (
        "prepare", "cut", "profiles", "features", "commit"
    )  # fmt: skip
    assert any("discarded" in note for note in results.reports["SIM-001"].notes)


def test_stores_may_be_dropped_and_are_not_missed(tmp_path, targets, cluster, settings):
    engine = settings.engine.model_copy(update={"keep_stores": False})
    frugal = settings.model_copy(update={"engine": engine})
    run_survey(tmp_path, targets[:1], frugal, cluster)
    assert not list((tmp_path / "cubes").glob("*"))
    results = run_survey(tmp_path, targets[:1], frugal, cluster)
    assert results.count("reused") == 1


def test_a_lost_cluster_keeps_what_is_done(tmp_path, targets, settings, cluster, monkeypatch):
    real = submit.run_tasks

    def dying(*args, **kwargs):
        yield next(real(*args, **kwargs))
        raise InfrastructureError("the Dask cluster was lost")

    monkeypatch.setattr(submit, "run_tasks", dying)
    with pytest.raises(InfrastructureError):
        run_survey(tmp_path, targets, settings, cluster)
    assert len(open_catalog(tmp_path).galaxies) == 1
    assert read_status(tmp_path).state == "interrupted"
    monkeypatch.undo()
    results = run_survey(tmp_path, targets, settings, cluster)
    assert results.count("reused") >= 1
    assert len(open_catalog(tmp_path).galaxies) == 2


def test_a_catalog_never_shrinks_while_a_run_goes_on(
    tmp_path, targets, settings, cluster, monkeypatch
):
    run_survey(tmp_path, targets, settings, cluster)
    changed = build_settings({"cut": {"criterion": "fixed", "k": 4}})
    sizes = []

    def look(report):
        sizes.append(len(open_catalog(tmp_path).galaxies))

    monkeypatch.setattr(growing, "PUBLISH_EVERY_S", 0.0)
    run_survey(tmp_path, targets, changed, cluster, on_report=look)
    assert sizes == [2, 2]
    assert (open_catalog(tmp_path).galaxies["n_cluster"] == 4).all()


def test_one_directory_has_one_survey_at_a_time(tmp_path, targets, settings, cluster):
    def meddle(report):
        with pytest.raises(ConfigError, match="another survey"):
            run_survey(tmp_path, targets, settings, cluster)

    run_survey(tmp_path, targets[:1], settings, cluster, on_report=meddle)


def test_a_survey_without_targets_is_refused(tmp_path, settings, cluster):
    with pytest.raises(ConfigError, match="no targets"):
        run_survey(tmp_path, [], settings, cluster)


def test_ledger_lines_are_json_with_times(run_root):
    lines = (run_root / "logs" / "ledger.jsonl").read_text().splitlines()
    assert all("time" in json.loads(line) for line in lines)


@pytest.mark.parametrize("path", ["two-stage", "rounds"])
def test_more_galaxies_with_tiles_than_slots_all_finish(
    path: str, tmp_path: Path, targets: list[Target], cluster: Cluster
) -> None:
    settings = build_settings({"linkage": {"path": path}, "report": {"figures": False}})
    many = [replace(targets[0], galaxy=f"galaxy {number}") for number in range(6)]
    assert run_survey(tmp_path, many, settings, cluster).count("computed") == 6


def test_workers_in_another_folder_find_cubes_of_a_relative_table(
    tmp_path, archive, settings, cluster, monkeypatch
):
    monkeypatch.chdir(archive)  # the workers of the cluster run already, elsewhere
    targets = read_targets("targets.ecsv")
    assert run_survey(tmp_path / "run", targets, settings, cluster).count("computed") == 2
