"""Large galaxies first, few workers for few galaxies: by what headers tell of their cost."""

import gzip

import numpy as np
import pytest
from astropy.io import fits

from survey.config import EngineSettings, Settings
from survey.engine import submit
from survey.engine.cluster import LazyCluster
from survey.pipeline.galaxy.target import Target
from survey.pipeline.run.schedule import Demand, projected_demand, start_for
from survey.pipeline.run.survey import run_survey


@pytest.fixture
def cube(tmp_path):
    """Writes a cube of some shape, of which nothing but the size is right."""

    def write(name, shape, kind=np.uint8):
        science = fits.ImageHDU(np.zeros(shape, kind), name="SCI")
        fits.HDUList([fits.PrimaryHDU(), science]).writeto(tmp_path / name)
        return Target(name, (tmp_path / name,))

    return write


def test_many_spaxels_cost_more_than_many_bytes(cube):
    wide = cube("wide.fits", (50, 80, 80))
    deep = cube("deep.fits", (800, 20, 20), np.float64)
    assert deep.files[0].local.stat().st_size > wide.files[0].local.stat().st_size
    costs = [projected_demand(target, Settings()) for target in (wide, deep)]
    assert costs[0].seconds > 10 * costs[1].seconds
    assert costs[0].memory_bytes > costs[1].memory_bytes


def test_sub_bands_of_a_galaxy_count_as_one_cube(cube):
    bands = [cube(f"{band}.fits", (300, 30, 30)) for band in range(3)]
    merged = Target("merged", tuple(band.files[0] for band in bands))
    whole = projected_demand(cube("whole.fits", (900, 30, 30)), Settings())
    assert projected_demand(merged, Settings()) == whole


def test_compression_makes_a_galaxy_no_smaller(cube, tmp_path):
    plain = cube("plain.fits", (300, 30, 30))
    packed = Target("packed", (tmp_path / "packed.fits.gz",))
    packed.files[0].local.write_bytes(gzip.compress(plain.files[0].local.read_bytes()))
    assert projected_demand(packed, Settings()) == projected_demand(plain, Settings())


def test_a_file_that_tells_nothing_asks_for_nothing(tmp_path):
    page = tmp_path / "page.fits"
    page.write_text("not found")
    for file in (page, tmp_path / "absent.fits"):
        assert projected_demand(Target("odd", (file,)), Settings()).seconds == 0


def test_a_survey_starts_with_the_dearest_galaxy(cube, tmp_path, cluster, monkeypatch):
    targets = [cube(f"{n}.fits", (100, n, n)) for n in (10, 40, 20, 30)]
    started = []

    def look(client, function, tasks, **kwargs):
        started.extend(task.name for task in tasks)
        return iter(())

    monkeypatch.setattr(submit, "run_tasks", look)
    run_survey(tmp_path / "run", targets, Settings(), cluster)
    assert started == ["40.fits", "30.fits", "20.fits", "10.fits"]


@pytest.mark.parametrize(
    ("seconds", "workers"), [([3.0], 1), ([3.0, 3.0], 2), ([3.0] * 9, 3), ([900.0], 3)]
)
def test_only_a_large_galaxy_gets_more_workers_than_there_are_galaxies(seconds, workers):
    engine = EngineSettings(workers=3, dashboard=False)
    demands = {f"N{number}": Demand(one) for number, one in enumerate(seconds)}
    with LazyCluster(engine) as cluster:
        start_for(demands, cluster, engine, warn=pytest.fail)
        assert len(cluster.client.scheduler_info(n_workers=-1)["workers"]) == workers


def test_the_process_that_computes_itself_stays_without_workers():
    engine = EngineSettings(workers=0)
    with LazyCluster(engine) as cluster:
        cluster.use_at_most(1)
        assert cluster.settings.workers == 0
