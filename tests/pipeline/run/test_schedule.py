"""Large galaxies first: by what they cost, as far as their headers tell."""

import gzip

import numpy as np
import pytest
from astropy.io import fits

from survey.config import Settings
from survey.engine import submit
from survey.pipeline.galaxy.target import Target
from survey.pipeline.run.schedule import projected_demand
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
