import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import Table
from typer.testing import CliRunner

from catalogs.reference import load_gatos_sample
from survey.classes.labelling.regions import parse_regions
from survey.cli import app
from survey.config import ReadSettings, load_settings
from survey.cubes.registry import read_cube
from survey.errors import ConfigError
from survey.simulate import simulate_archive
from survey.simulate.designs import load_design
from survey.simulate.galaxy import Region
from survey.simulate.instruments import load_toml
from survey.simulate.observation import Observation
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
    assert not (out / "labels.ecsv").exists()


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


def test_the_gatos_like_archive_has_the_sample_of_the_paper():
    members = load_design("gatos-like").members
    names = [row["like"] for row in load_toml("archives.toml")["gatos-like"]["galaxies"]]
    assert names == [galaxy.galaxy for galaxy in load_gatos_sample()]
    for galaxy, member in zip(load_gatos_sample(), members, strict=True):
        assert galaxy.distance_mpc == pytest.approx(member.redshift * 299_792 / 70, rel=1e-3)
        named = {"Starburst": "starburst", "LINER": "liner"}
        expected = next((k for t, k in named.items() if galaxy.type.startswith(t)), "seyfert")
        assert expected in member.kind or (expected == "seyfert" and member.kind == "composite")
    assert sum(member.labelled for member in members) == len(members) // 2


@pytest.fixture(scope="module")
def gatos_like(tmp_path_factory):
    out = tmp_path_factory.mktemp("gatos-like")
    return out, simulate_archive(out, archive="gatos-like", **SMALL)


def test_half_of_the_gatos_like_galaxies_have_labels_of_all_classes(gatos_like):
    out, cubes = gatos_like
    members = load_design("gatos-like").members
    assert len(cubes) == len(members) == 15
    regions = parse_regions((out / "labels.ecsv").read_text(), "ecsv")
    assert {region.galaxy for region in regions} == {
        f"SIM-{number:03d}" for number, member in enumerate(members, start=1) if member.labelled
    }
    assert {region.class_name for region in regions} == {"AGN", "SF", "other"}
    targets = Table.read(out / "targets.ecsv")
    assert list(targets["redshift"]) == [member.redshift for member in members]


def test_a_gatos_like_galaxy_with_a_jet_has_shocked_gas_of_its_own_class(gatos_like):
    truth = truth_path(gatos_like[1][12])
    with fits.open(truth) as hdus:
        components = hdus["COMPONENTS"].data
        jet = components["region"] == Region.JET
        assert list(components["class"][jet]) == ["other"]
        assert list(components["spectrum"][jet]) == ["shock"]
        assert set(components["class"][~jet]) == {"AGN", "SF"}
        assert Region.JET in hdus["TRUTH_MAP"].data


def test_a_cube_of_channel_4_is_read_as_one_and_holds_its_lines(tmp_path):
    (path,) = simulate_archive(tmp_path, 1, size=(8, 8), window="ch4", seed=1)
    assert path.name == "SIM-001_ch4_s3d.fits"
    cube = read_cube(path, ReadSettings())
    assert (cube.attrs["instrument"], cube.attrs["band"]) == ("MIRI/MRS", "ch4")
    with fits.open(truth_path(path)) as hdus:
        lines = set(hdus["LINES"].data["line"])
    assert {"SIII_18.71", "NeV_24.32", "OIV_25.89", "FeII_25.99"} <= lines
    assert not {"NeII_12.81", "NeIII_15.56"} & lines


def test_a_cube_of_muse_is_read_as_one_with_the_flux_that_was_simulated(tmp_path):
    (path,) = simulate_archive(tmp_path, 1, size=(10, 10), window="muse", snr=1e6, seed=2)
    cube = read_cube(path, ReadSettings())
    assert cube.attrs["instrument"] == "MUSE"
    with fits.open(truth_path(path)) as hdus:
        lines = [row for row in hdus["LINES"].data if row["line"] == "OIII_5007"]
        total = sum(row["flux_in_cube"] for row in lines)
        observed_um = lines[0]["observed_wavelength"]
    near = np.abs(cube["wavelength"].values - observed_um) < 0.002
    wavelength_um, flux = cube["wavelength"].values[near], cube["flux"].values[near]
    sides = np.r_[0:4, -4:0]
    spectrum = np.nansum(flux, axis=(1, 2))
    level = np.polyval(np.polyfit(wavelength_um[sides], spectrum[sides], 1), wavelength_um)
    unit = units.Unit("1e-20 erg / (s cm2 AA)")
    line = ((spectrum - level).sum() * np.diff(wavelength_um[:2])[0] * unit * units.um).to("W/m2")
    covered = np.isfinite(cube["flux"].values).any(axis=0).mean()
    assert 0.7 * covered < line.value / total < 1.1


def test_fringes_of_an_instrument_without_any_are_refused():
    with pytest.raises(ConfigError, match=r"fringes.*MUSE"):
        Observation(window="muse", fringe_amplitude=0.01)


def test_labels_of_another_archive_are_not_left_behind(tmp_path):
    (tmp_path / "labels.ecsv").write_text("stale")
    simulate_archive(tmp_path, 1, **SMALL)
    assert not (tmp_path / "labels.ecsv").exists()


def test_the_command_simulates_an_archive_by_name(tmp_path):
    arguments = ["simulate", str(tmp_path), "--archive", "gatos-like", "--galaxies", "2"]
    small = ["--size", "8", "--window", "ch3-short"]
    done = CliRunner().invoke(app, arguments + small)
    assert done.exit_code == 0, done.output
    assert "survey classify" in done.output
    assert len(Table.read(tmp_path / "targets.ecsv")) == 2
    assert (tmp_path / "labels.ecsv").is_file()


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_seeded(recipe):
    for diverse in (False, True):
        one, same, other = (
            draw_galaxy("X", recipe, np.random.default_rng(s), field_arcsec=5.0, diverse=diverse)
            for s in (1, 1, 2)
        )
        assert one == same != other
        assert 0 < one.redshift < 0.05


@pytest.mark.parametrize(
    "mistake", [{"n_galaxies": 0}, {"seed": -1}, {"workers": 0}, {"archive": "quasars"}]
)
def test_an_impossible_archive_is_refused(mistake, tmp_path):
    with pytest.raises(ConfigError, match="expected"):
        simulate_archive(tmp_path, **mistake)
    assert not list(tmp_path.iterdir())
