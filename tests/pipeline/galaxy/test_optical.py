"""Optical cubes, from their files to the diagnostic ratios."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from catalogs.parts import Receipt
from catalogs.validation.tracer_columns import MAY_BE_CHANCE, RELATED
from survey.config import Settings
from survey.config.tracers import load_tracers
from survey.cubes.files.cube_file import CubeFile
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.run.targets import targets_from_cubes
from survey.pipeline.validation.trace_task import clustered_field
from survey.pipeline.validation.tracer_maps import gridded
from survey.report.bpt import measured_planes
from survey.validation.tracers.measure import trace_classes, trace_velocities
from tests.published_maps import bpt_codes, write_tracers


def rows_of(part, table):
    """A table of a part, whatever its columns."""
    return pd.read_feather(BytesIO(Receipt.read(part).read_bytes(f"{table}.arrow")))


pytestmark = pytest.mark.real_data

RATIOS = {
    "NII_6583/Halpha_6563": (("NII6583",), ("Halpha",)),
    "SII_6716+SII_6731/Halpha_6563": (("SII6716", "SII6731"), ("Halpha",)),
    "OIII_5007/Hbeta_4861": (("OIII5007",), ("Hbeta",)),
}
TOLERANCE_DEX = {
    "NII_6583/Halpha_6563": 0.08,
    "SII_6716+SII_6731/Halpha_6563": 0.12,
    "OIII_5007/Hbeta_4861": 0.15,
}
"""Largest difference of a cluster from the maps, where errors are smaller. Without stellar
absorption under H beta, which here is as strong as its emission, the last would be 0.3."""


@pytest.fixture(scope="module")
def sami(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The part of a SAMI galaxy, both arms together."""
    files = sorted((shared_data / "sami").glob("*sectors*.fits.gz"))
    (target,) = targets_from_cubes(files, merge_bands=True)
    assert target.galaxy == "209807", "by its name in the headers of both arms"
    return GalaxyRunner(target, Settings(), tmp_path_factory.mktemp("sami")).result().path


def flux_map(shared_data: Path, line: str) -> np.ndarray:
    flux = fits.getdata(shared_data / "sami" / f"209807_A_{line}_default_1-comp.fits")
    return flux[0] if flux.ndim == 3 else flux


def test_ratios_of_a_sami_galaxy_agree_with_the_maps_of_the_survey(sami, shared_data):
    clusters = rows_of(sami, "clusters")
    spaxels = rows_of(sami, "spaxels")
    for name, terms in RATIOS.items():
        above, below = (sum(flux_map(shared_data, line) for line in term) for term in terms)
        measured = clusters[clusters[f"loglimit_{name}"] == 0]
        assert len(measured) >= 5
        differences = []
        for row in measured.to_dict("records"):
            own = spaxels[spaxels["cluster"] == row["cluster"]]
            theirs = np.nanmedian((above / below)[own["y"], own["x"]])
            differences.append(row[f"log_{name}"] - np.log10(theirs))
            allowed = max(TOLERANCE_DEX[name], 3 * row[f"logerr_{name}"])
            assert abs(differences[-1]) < allowed, (name, row["cluster"])
        assert abs(np.median(differences)) < 0.05, name


def test_clusters_beside_the_published_maps_of_the_galaxy(sami, shared_data, tmp_path):
    tracers = load_tracers(write_tracers(shared_data / "sami", tmp_path))
    galaxy = rows_of(sami, "galaxies").iloc[0].to_dict()
    clusters = clustered_field(Receipt.read(sami), galaxy, tmp_path)
    celestial, shape = galaxy["celestial_header"], (galaxy["shape_y"], galaxy["shape_x"])
    on_grid = {
        name: gridded(tracer, CubeFile.of(tracer.file_of("209807"), tmp_path), celestial, shape)
        for name, tracer in tracers.items()
    }
    # The maps have the pixels of the cube: nothing is displaced.
    codes = np.where(bpt_codes(shared_data / "sami") > 0, bpt_codes(shared_data / "sami"), np.nan)
    assert np.array_equal(on_grid["bpt"].values, codes, equal_nan=True)
    bpt = trace_classes(clusters, on_grid["bpt"].values, draws=199)
    assert bpt.n_class == 3
    assert bpt.outcome == MAY_BE_CHANCE, "nearly all of it is one class"
    assert bpt.value < 0.1
    _, gas, _ = trace_velocities(clusters, on_grid["gas velocity by sector"].values, draws=199)
    assert gas.outcome == RELATED
    assert gas.p_value == 1 / 200
    assert gas.value > 0.9
    assert gas.line is not None
    assert 0.6 < gas.line.slope < 0.95
    assert abs(gas.line.intercept) < 20
    assert gas.line.scatter < 30


def test_the_gap_between_the_arms_is_not_measured(sami):
    galaxy = rows_of(sami, "galaxies").iloc[0]
    clusters = rows_of(sami, "clusters")
    assert galaxy["band"] == "blue+red"
    assert clusters["nuclear"].any()
    assert clusters["flux_HeI_5876"].isna().all()
    assert clusters["flux_OII_3728"].notna().all()
    assert len(measured_planes(clusters)) == 3


def test_a_muse_cube_gives_all_ratios_of_the_bpt_diagrams(shared_data, tmp_path):
    (target,) = targets_from_cubes([shared_data / "muse" / "A478_minicube.fits.gz"], redshift=0.086)
    part = GalaxyRunner(target, Settings(), tmp_path).result().path
    clusters = rows_of(part, "clusters")
    assert len(measured_planes(clusters)) == 3
    # The nebula of a cooling cluster: as much [N II] as H alpha, little [O III], much [O I].
    nucleus = clusters[clusters["nuclear"]].iloc[0]
    assert nucleus["log_NII_6583/Halpha_6563"] == pytest.approx(0.0, abs=0.1)
    assert nucleus["log_OIII_5007/Hbeta_4861"] < -0.2
    assert nucleus["log_OI_6300/Halpha_6563"] > -0.9
