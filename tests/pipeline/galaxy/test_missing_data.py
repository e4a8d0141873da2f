"""Impossible voxels, and holes however they are marked, change neither partition nor fluxes."""

import numpy as np
import pytest
from astropy.io import fits
from sklearn.metrics import adjusted_rand_score

from catalogs.flags import GalaxyFlag, SpaxelFlag
from catalogs.part_tables import read_part_table
from survey.config import build_settings
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.galaxy.target import Target

SHAPE = (500, 12, 12)
WAVELENGTH_UM = 12.3 + 0.0025 * np.arange(SHAPE[0])
REDSHIFT = 0.016


def two_sources(seed=3):
    """A bright core of rising spectrum with a strong line, on a disc with another slope."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    distance = np.hypot(y - 5.5, x - 5.5)
    light, core = 300 * np.exp(-distance / 4) + 5, distance < 3.5
    slope = np.where(core, 2.0, 0.5)
    flux = light * (WAVELENGTH_UM[:, None, None] / 12) ** slope
    centre = 12.8135 * (1 + REDSHIFT)
    profile = np.exp(-0.5 * ((WAVELENGTH_UM - centre) / (centre * 70 / 3e5)) ** 2)
    flux += profile[:, None, None] * np.where(core, 1.0, 2.0) * light * 2
    error = np.broadcast_to(light / 25, SHAPE)
    return (flux + error * rng.normal(size=SHAPE)).astype("f4"), error.astype("f4"), core


def write_cube(path, flux, error, quality):
    primary = fits.PrimaryHDU()
    primary.header.update(
        TELESCOP="JWST", INSTRUME="MIRI", CHANNEL="3", BAND="SHORT", TARGNAME=path.stem,
        TARG_RA=150.0, TARG_DEC=2.0,
    )  # fmt: skip
    header = fits.Header()
    header.update(
        CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CTYPE3="WAVE", CUNIT1="deg", CUNIT2="deg",
        CUNIT3="um", CRPIX1=6.5, CRPIX2=6.5, CRPIX3=1.0, CRVAL1=150.0, CRVAL2=2.0,
        CRVAL3=WAVELENGTH_UM[0], CDELT1=-0.2 / 3600, CDELT2=0.2 / 3600, CDELT3=0.0025,
        BUNIT="MJy/sr",
    )  # fmt: skip
    images = [fits.ImageHDU(flux, header, name="SCI"), fits.ImageHDU(error, name="ERR")]
    fits.HDUList([primary, *images, fits.ImageHDU(quality, name="DQ")]).writeto(path)
    return path


@pytest.fixture
def run(tmp_path):
    """Runs a cube; returns the rows of its galaxy, clusters and spaxels."""

    def run_cube(name, flux, error, quality=None, position=(), redshift=REDSHIFT):
        quality = np.zeros(SHAPE, "u4") if quality is None else quality
        path = write_cube(tmp_path / f"{name}_s3d.fits", flux, error, quality)
        settings = build_settings({"cut": {"criterion": "fixed", "k": 2}})
        receipt = GalaxyRunner(
            Target(name, (path,), redshift, *position), settings, tmp_path
        ).result()
        tables = (read_part_table(receipt, name) for name in ("galaxies", "clusters", "spaxels"))
        galaxy, clusters, spaxels = (table.to_pandas() for table in tables)
        return galaxy.iloc[0], clusters, spaxels

    return run_cube


def agreement(spaxels, core):
    return adjusted_rand_score(core[spaxels["y"], spaxels["x"]], spaxels["cluster"])


@pytest.mark.parametrize("value", [1e30, -1e4, "hot"])
def test_three_impossible_voxels_change_no_partition_and_are_counted(run, value):
    flux, error, core = two_sources()
    places = ((100, 300, 450), (2, 9, 5), (3, 10, 11))
    flux[places] = 1000 * flux[places] if value == "hot" else value
    galaxy, clusters, spaxels = run("galaxy", flux, error)
    assert agreement(spaxels, core) == 1.0
    assert sorted(clusters["n_spaxel"]) == sorted([core.sum(), (~core).sum()])
    assert galaxy["n_impossible"] == 3
    assert galaxy["flags"] & GalaxyFlag.IMPOSSIBLE_VOXELS
    flagged = spaxels[spaxels["flags"] & int(SpaxelFlag.IMPOSSIBLE_VOXELS) > 0]
    assert sorted(zip(flagged["y"], flagged["x"], strict=True)) == sorted(
        zip(*places[1:], strict=True)
    )


@pytest.mark.parametrize("marked", ["512", "513", "zero flux and error", "zero and NaN error"])
def test_holes_are_missing_data_however_they_are_marked(run, marked):
    flux, error, core = two_sources()
    _, clean, _ = run("clean", flux, error)
    hole = np.random.default_rng(9).random(SHAPE) < 0.05
    flux = np.where(hole, 0, flux).astype("f4")
    quality = np.zeros(SHAPE, "u4")
    if marked.startswith("51"):
        quality[hole] = int(marked)
    else:
        error = np.where(hole, np.nan if "NaN" in marked else 0, error).astype("f4")
    galaxy, clusters, spaxels = run("holes", flux, error, quality)
    assert agreement(spaxels, core) == 1.0
    assert galaxy["n_impossible"] == 0
    for found, without in zip(clusters.itertuples(), clean.itertuples(), strict=True):
        assert found.n_spaxel == without.n_spaxel
    line, err = "flux_NeII_12.81", "err_NeII_12.81"
    assert (np.abs(clusters[line] - clean[line]) < np.hypot(clusters[err], clean[err])).all()


def test_a_clean_cube_has_no_impossible_voxels(run):
    galaxy, _, spaxels = run("clean", *two_sources()[:2])
    assert galaxy["n_impossible"] == 0
    assert not galaxy["flags"] & GalaxyFlag.IMPOSSIBLE_VOXELS
    assert not (spaxels["flags"] & int(SpaxelFlag.IMPOSSIBLE_VOXELS)).any()


@pytest.mark.parametrize(
    ("position", "published", "replaced"),
    [
        ((), (150.0, 2.0), False),  # that of the header
        ((150.0001, 2.0001), (150.0001, 2.0001), False),
        ((150.1, 2.0), (150.0, 2.0), True),
        ((0.0, 0.0), (150.0, 2.0), True),
        ((999.0, 2.0), (150.0, 2.0), True),
    ],
)
def test_a_position_that_is_not_on_the_cube_is_not_published(run, position, published, replaced):
    galaxy, _, spaxels = run("galaxy", *two_sources()[:2], position=position)
    assert (galaxy["ra"], galaxy["dec"]) == pytest.approx(published)
    assert bool(galaxy["flags"] & GalaxyFlag.POSITION_REPLACED) is replaced
    assert spaxels["ra"].min() < galaxy["ra"] < spaxels["ra"].max()


@pytest.mark.parametrize(
    ("factor", "doubtful"), [(1.0, False), (0.05, False), (1e-3, True), (1e3, True), (-1.0, True)]
)
def test_errors_that_cannot_be_errors_are_flagged(run, factor, doubtful):
    flux, error, _ = two_sources()
    galaxy, _, _ = run("galaxy", flux, (factor * error).astype("f4"))
    assert bool(galaxy["flags"] & GalaxyFlag.ERRORS_DOUBTFUL) is doubtful


@pytest.mark.parametrize(("off_km_s", "suspect"), [(0, False), (150, False), (-600, True)])
def test_a_redshift_that_displaces_all_lines_alike_is_flagged(run, off_km_s, suspect):
    galaxy, clusters, _ = run(
        "galaxy", *two_sources()[:2], redshift=REDSHIFT - off_km_s / 3e5 * (1 + REDSHIFT)
    )
    assert clusters["velocity_km_s"].median() == pytest.approx(off_km_s, abs=60)
    assert bool(galaxy["flags"] & GalaxyFlag.REDSHIFT_SUSPECT) is suspect
