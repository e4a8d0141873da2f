"""The walk on observed cubes of which something is known from elsewhere."""

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from catalogs.parts import Receipt
from survey.config import Settings
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.galaxy.target import Target


def rows_of(part, table):
    """A table of a part, whatever its columns."""
    return pd.read_feather(BytesIO(Receipt.read(part).read_bytes(f"{table}.arrow")))


pytestmark = pytest.mark.real_data


@pytest.fixture
def clusters_of(shared_data, tmp_path):
    """Rows of the tables of a galaxy, by its files and its redshift, with default settings."""

    def run(files, redshift):
        paths = tuple(sorted(shared_data.glob(files)))
        part = GalaxyRunner(Target("galaxy", paths, redshift), Settings(), tmp_path).result().path
        names = ("galaxies", "clusters", "spaxels", "splits")
        return {name: rows_of(part, name) for name in names}

    return run


@pytest.mark.parametrize("band", ["short", "medium"])
def test_the_star_16_cygni_b_is_one_cluster(clusters_of, band):
    found = clusters_of(f"mrs/16CygB_Level3_ch4-{band}_s3d.fits.gz", 0.0)
    assert found["galaxies"]["n_cluster"][0] == 1


def test_the_nucleus_of_ngc_7469_is_a_cluster_apart_from_ring_and_disc(clusters_of):
    found = clusters_of("mrs/NGC7469*.fits.gz", 0.016317)
    galaxy, clusters, spaxels = found["galaxies"].iloc[0], found["clusters"], found["spaxels"]
    nucleus = clusters[clusters["nuclear"]].iloc[0]
    assert 5 <= nucleus["n_spaxel"] <= 40
    inside = spaxels[spaxels["cluster"] == nucleus["cluster"]]
    offset = np.hypot(inside["y"] - galaxy["centre_y"], inside["x"] - galaxy["centre_x"])
    assert offset.max() < 6
    others = clusters[~clusters["nuclear"] & (clusters["n_spaxel"] > 50)]
    assert len(others) >= 2
    offset = np.hypot(spaxels["y"] - galaxy["centre_y"], spaxels["x"] - galaxy["centre_x"])
    medians = offset.groupby(spaxels["cluster"]).median()[others["cluster"]]
    assert medians.max() > 1.5 * medians.min()
    assert found["splits"]["accepted"].any()


def test_the_h_alpha_arc_of_abell_478_is_a_cluster(clusters_of, shared_data):
    found = clusters_of("muse/A478_minicube.fits.gz", 0.086)
    spaxels = found["spaxels"][found["spaxels"]["cluster"] > 0]
    with fits.open(shared_data / "muse/A478_minicube.fits.gz") as file:
        data, header = file["DATA"].data.astype(float), file["DATA"].header
    wavelength_um = 1e-4 * (
        header["CRVAL3"] + header["CD3_3"] * (np.arange(len(data)) + 1 - header["CRPIX3"])
    )
    # H alpha and [N II] over the continuum on either side.
    rest = wavelength_um / 1.086
    inside = (rest > 0.6530) & (rest < 0.6600)
    beside = ((rest > 0.6450) & (rest < 0.6510)) | ((rest > 0.6620) & (rest < 0.6680))
    width = np.nanmean(data[inside], axis=0) / np.nanmean(data[beside], axis=0) - 1
    of_spaxel = width[spaxels["y"], spaxels["x"]]
    medians = pd.Series(of_spaxel).groupby(spaxels["cluster"].to_numpy()).median()
    assert len(medians) >= 2
    assert medians.max() > 2 * medians.min()


def test_no_bin_of_sami_209807_is_divided(clusters_of, shared_data):
    found = clusters_of("sami/209807_A_sectors_red.fits.gz", 0.0)
    spaxels = found["spaxels"][found["spaxels"]["cluster"] > 0]
    with fits.open(shared_data / "sami/209807_A_sectors_red.fits.gz") as file:
        bins = file["BIN_MASK"].data.astype(int)
    of_bin = spaxels.groupby(bins[spaxels["y"], spaxels["x"]])["cluster"].nunique()
    assert found["galaxies"]["n_cluster"][0] >= 2
    assert (of_bin == 1).all()
