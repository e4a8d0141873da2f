"""What a command loads: nobody should wait for libraries that are not used."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from survey.simulate import simulate_archive

LOADED = """
import atexit, gc, json, sys
PARTS = {"pyarrow.compute", "pyarrow.parquet", "pyarrow.dataset"}
def tell():
    names = {name.partition(".")[0] for name in sys.modules} | (set(sys.modules) & PARTS)
    names |= {"mostly searched"} if len(gc.get_objects()) > gc.get_freeze_count() else set()
    print("loaded " + json.dumps(sorted(names)))
atexit.register(tell)
from survey.cli import main
sys.argv = ["survey", *sys.argv[1:]]
main()
"""
SCIENCE = {"numba", "sklearn", "skops", "torch", "zarr", "fastcluster", "reproject", "regions"}
TABLES = {"pandas", "xarray", "astropy", "pyarrow"}
PICTURES = {"matplotlib", "bokeh"}
CLUSTERS = {"dask", "distributed"}


def loaded_by(*arguments: object) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.rpartition("loaded ")[2]))


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """An archive of one galaxy with its finished run, and what that has loaded."""
    folder = tmp_path_factory.mktemp("imports")
    simulate_archive(folder, 1, size=(8, 8), window=(12.5, 13.1), seed=2)
    return folder, loaded_by(
        "run", folder / "survey.toml", "--workers", 0, "--no-figures", "--quiet",
        "--set", "cut.criterion=fixed", "--set", "cut.k=2",
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(computed: tuple[Path, set[str]]) -> Path:
    """The archive."""
    return computed[0]


def test_a_run_loads_no_pages_before_somebody_asks_for_one(computed):
    assert not computed[1] & PICTURES


def test_a_run_does_not_search_its_libraries_for_garbage(computed):
    assert "mostly searched" not in computed[1]


def test_help_and_status_load_no_science_tables_pictures_or_clusters(finished):
    heavy = SCIENCE | TABLES | PICTURES | CLUSTERS
    assert not loaded_by("--help") & heavy
    assert not loaded_by("status", finished / "run") & heavy


def test_a_finished_run_loads_nothing_that_computes_draws_or_runs_elsewhere(finished):
    loaded = loaded_by("run", finished / "run" / "survey.toml", "--quiet")
    needless = SCIENCE | PICTURES | CLUSTERS | {"pandas", "xarray", "astropy", "scipy", "tenacity"}
    needless |= {"pyarrow.compute", "pyarrow.parquet", "pyarrow.dataset"}
    assert not loaded & needless, loaded & needless


def test_a_look_at_a_cube_loads_nothing_that_computes_draws_or_runs_elsewhere(finished):
    (cube,) = finished.glob("*_s3d.fits")
    heavy = SCIENCE | PICTURES | CLUSTERS | {"pandas", "xarray", "scipy"}
    assert not loaded_by("inspect", cube) & heavy
