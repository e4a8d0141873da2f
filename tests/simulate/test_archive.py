import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from survey.config import load_settings
from survey.errors import ConfigError
from survey.simulate import simulate_archive
from survey.simulate.galaxy import Region
from survey.simulate.recipes import RECIPES, draw_galaxy
from survey.simulate.write import truth_path

SMALL = {"size": (10, 12), "window": (12.7, 13.1), "seed": 5}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    out = tmp_path_factory.mktemp("archive")
    done = []
    cubes = simulate_archive(out, 4, on_done=done.append, **SMALL)
    assert done == cubes
    return out, cubes


def test_an_archive_has_cubes_truth_targets_and_settings(archive):
    out, cubes = archive
    assert [path.name for path in cubes] == [f"SIM-00{n}_ch3-short_s3d.fits" for n in (1, 2, 3, 4)]
    assert all(path.is_file() and truth_path(path).is_file() for path in cubes)

    targets = Table.read(out / "targets.ecsv")
    assert targets.colnames == ["galaxy", "files", "redshift", "ra", "dec"]
    assert len(set(targets["redshift"])) == 4
    for row in targets:
        header = fits.getheader(out / row["files"])
        assert (row["galaxy"], row["ra"], row["dec"]) == tuple(
            header[card] for card in ("TARGNAME", "TARG_RA", "TARG_DEC")
        )
        truth = fits.getheader(truth_path(out / row["files"]))
        assert truth["REDSHIFT"] == row["redshift"]

    settings = load_settings(out / "survey.toml")
    assert (out / settings.targets).is_file()


def test_a_galaxy_does_not_depend_on_the_number_of_galaxies(archive, tmp_path):
    (alone,) = simulate_archive(tmp_path, 1, **SMALL)
    assert alone.read_bytes() == archive[1][0].read_bytes()


def test_an_archive_does_not_depend_on_the_number_of_workers(archive, tmp_path):
    cubes = simulate_archive(tmp_path, 4, workers=2, **SMALL)
    for ours, theirs in zip(cubes, archive[1], strict=True):
        assert ours.read_bytes() == theirs.read_bytes()
        assert truth_path(ours).read_bytes() == truth_path(theirs).read_bytes()


def test_kinds_of_galaxy_look_different(archive):
    seyfert, starburst, liner, composite = (
        set(np.unique(fits.getdata(truth_path(path), "TRUTH_MAP"))) - {0} for path in archive[1]
    )
    assert {Region.AGN, Region.CONE} <= seyfert
    assert starburst == {Region.DISC, Region.CLUMP}
    assert liner == {Region.AGN, Region.DISC}
    assert {Region.AGN, Region.CLUMP} <= composite


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_seeded(recipe):
    one, same, other = (
        draw_galaxy("X", recipe, np.random.default_rng(seed), field_arcsec=5.0)
        for seed in (1, 1, 2)
    )
    assert one == same != other
    assert 0 < one.redshift < 0.05


@pytest.mark.parametrize(
    "mistake", [{"n_galaxies": 0}, {"seed": -1}, {"workers": 0}, {"recipes": ("quasar",)}]
)
def test_an_impossible_archive_is_refused(mistake, tmp_path):
    with pytest.raises(ConfigError, match="expected"):
        simulate_archive(tmp_path, **mistake)
    assert not list(tmp_path.iterdir())
