"""Figures are checked for what they show: axes, artists and colours, not pixels."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")


from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from astropy.io.fits import Header
from astropy.wcs import WCS
from matplotlib.colors import to_hex
from PIL import Image
from scipy.cluster.hierarchy import fcluster, linkage

from catalogs.parts import Receipt
from catalogs.reference import packaged_reference
from survey.errors import IntegrityError
from survey.report.dendrogram import draw_tree
from survey.report.galaxy import BACKGROUND, draw_cluster_map, draw_spectra
from survey.report.offsets import offset_matrix
from survey.report.palette import cluster_colors
from survey.report.pictures import draw_pictures, picture_paths
from survey.report.sky import draw_spaxels, frame_sky
from survey.report.tree import ABOVE_CUT, branch_colors


def rows_of(part, table):
    """A table of a part, whatever its columns."""
    return pd.read_feather(BytesIO(Receipt.read(part).read_bytes(f"{table}.arrow")))


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


@pytest.fixture(scope="module")
def tables(finished: tuple[Path, Receipt]) -> dict[str, pd.DataFrame]:
    _, receipt = finished
    names = ("galaxies", "clusters", "spaxels", "spectra")
    return {name: rows_of(receipt.path, name) for name in names}


@pytest.mark.parametrize("n", [1, 6, 10, 11, 40])
def test_every_cluster_has_a_colour_of_its_own(n):
    assert len(set(cluster_colors(n))) == n


def header(angle_deg: float, step_arcsec: float = 0.2) -> str:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [10.0, -50.0]
    wcs.wcs.crpix = [1.0, 1.0]
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    wcs.wcs.cdelt = [-step_arcsec / 3600, step_arcsec / 3600]
    wcs.wcs.pc = [[c, -s], [s, c]]
    return wcs.to_header().tostring(sep="\n")


@pytest.mark.parametrize("angle_deg", [0.0, 33.0, 120.0, -75.0])
def test_spaxels_are_drawn_where_they_are_on_the_sky(axes, angle_deg):
    text = header(angle_deg)
    x, y = np.array([3.0, 7.0]), np.array([0.0, 5.0])
    drawn = draw_spaxels(axes, x, y, centre=(0.0, 0.0), matrix=offset_matrix(text, 0.04))
    wcs = WCS(Header.fromstring(text, sep="\n"))
    sky = wcs.pixel_to_world(x, y)
    centre = wcs.pixel_to_world(0, 0)
    east, north = centre.spherical_offsets_to(sky)
    middles = np.array([path.vertices[:4].mean(axis=0) for path in drawn.get_paths()])
    np.testing.assert_allclose(middles[:, 0], east.arcsec, atol=1e-3)
    np.testing.assert_allclose(middles[:, 1], north.arcsec, atol=1e-3)


def test_north_is_up_and_east_is_left(axes):
    drawn = draw_spaxels(axes, [0, 5], [0, 5], centre=(0, 0), matrix=offset_matrix(header(0), 0.04))
    frame_sky(axes, [drawn])
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    assert left > right
    assert bottom < top


def test_without_celestial_coordinates_a_spaxel_keeps_its_area():
    matrix = offset_matrix("", 0.25)
    assert abs(np.linalg.det(matrix)) == pytest.approx(0.25)


def test_the_map_shows_every_spaxel_in_the_colour_of_its_cluster(axes, tables):
    galaxy = tables["galaxies"].iloc[0].to_dict()
    colors = cluster_colors(len(tables["clusters"]))
    draw_cluster_map(axes, galaxy, tables["spaxels"], colors)
    drawn = [to_hex(color) for color in axes.collections[0].get_facecolor()]
    lookup = [BACKGROUND, *colors]
    assert drawn == [lookup[cluster] for cluster in tables["spaxels"]["cluster"]]


def test_the_spectra_are_drawn_with_lines_named_and_bands_shaded(axes, tables):
    galaxy = tables["galaxies"].iloc[0].to_dict()
    k = len(tables["clusters"])
    draw_spectra(axes, galaxy, tables["clusters"], tables["spectra"], cluster_colors(k))
    assert axes.get_yscale() == "log"
    assert "[Ne II]" in {text.get_text() for text in axes.texts}
    low, high = axes.get_xlim()
    inside = [
        band for band in packaged_reference().bands
        if band.integration_um[0] < high and band.integration_um[1] > low
    ]  # fmt: skip
    assert len(axes.patches) == len(inside)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(labels) == k
    assert sum("nucleus" in label for label in labels) == 1


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_dendrogram_is_cut_into_k(tmp_path, k):
    tree = linkage(np.random.default_rng(0).normal(size=(60, 3)), "ward")
    cut = {"k": k, "criterion": "fixed", "runner_up": None, "curve": {}}
    labels = fcluster(tree, k, "maxclust")
    draw_tree("a galaxy", tree, labels, cut, pd.DataFrame(), tmp_path / "tree.png")
    with Image.open(tmp_path / "tree.png") as image:
        assert image.size[0] > 1000


def test_the_dendrogram_of_a_walk_shows_its_decisions(tmp_path):
    tree = linkage(np.random.default_rng(0).normal(size=(60, 3)), "average")
    splits = pd.DataFrame(
        {
            "step": ["split", "split", "blend"],
            "height": [tree[-1, 2], tree[-2, 2], np.nan],
            "accepted": [True, False, False],
            "meaning": "a reason",
            "n_left": 20,
            "n_right": 40,
            "shape": 0.2,
        }
    )
    cut = {"k": 2, "criterion": "walk", "runner_up": None, "curve": {}}
    labels = fcluster(tree, 2, "maxclust")
    draw_tree("a galaxy", tree, labels, cut, splits, tmp_path / "tree.png")
    with Image.open(tmp_path / "tree.png") as image:
        assert image.size[0] > 1000


def test_branches_have_the_colours_of_their_clusters():
    tree = linkage(np.random.default_rng(0).normal(size=(60, 3)), "ward")
    labels = fcluster(tree, 4, "maxclust")
    colors = branch_colors(tree, labels)
    palette = cluster_colors(4)
    assert set(colors[-3:]) == {ABOVE_CUT}
    for color, merge in zip(colors[:-3], tree[:-3], strict=True):
        for child in merge[:2].astype(int):
            own = palette[labels[child] - 1] if child < 60 else colors[child - 60]
            assert own == color


def test_pictures_are_drawn_once_per_result(finished):
    root, receipt = finished
    draw_pictures(root, receipt.galaxy, receipt.key)
    paths = picture_paths(root, receipt.galaxy)
    before = [path.stat().st_mtime_ns for path in paths]
    draw_pictures(root, receipt.galaxy, receipt.key)
    assert [path.stat().st_mtime_ns for path in paths] == before


def test_pictures_of_a_part_that_is_gone_are_refused(finished):
    root, receipt = finished
    with pytest.raises(IntegrityError, match="part of SIM-001 is missing"):
        draw_pictures(root, receipt.galaxy, "0" * 32)
