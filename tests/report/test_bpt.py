"""Optical diagrams of a run that nobody classified."""

from pathlib import Path
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from catalogs.class_columns import DIAGRAMS
from catalogs.reference import packaged_reference
from survey.classes.ratios import Limit
from survey.report.bpt import bpt_section, measured_planes
from survey.report.demarcations import demarcated_planes, demarcation_handles, draw_demarcations
from survey.report.diagnostic_diagrams import draw_plane
from survey.report.palette import cluster_colors

NII = ("NII_6583/Halpha_6563", "OIII_5007/Hbeta_4861")
NO_CONTOURS = pd.DataFrame({column.name: [] for column in DIAGRAMS})


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


@pytest.fixture
def clusters() -> pd.DataFrame:
    """Star formation, a Seyfert, a limit, and a cluster where nothing was measured."""
    kinds = {"log": np.nan, "logerr": 0.05, "loglimit": 0}
    columns = {
        f"{kind}_{name}": value
        for name in packaged_reference().ratio_names
        for kind, value in kinds.items()
    }
    frame = pd.DataFrame({"galaxy": "NGC 1", "cluster": [1, 2, 3, 4]} | columns)
    frame[f"log_{NII[0]}"] = [-0.8, 0.1, 0.2, np.nan]
    frame[f"log_{NII[1]}"] = [-0.3, 0.9, 0.0, np.nan]
    frame.loc[2, f"loglimit_{NII[1]}"] = int(Limit.LOWER)
    return frame


def catalog(clusters: pd.DataFrame, path: Path) -> SimpleNamespace:
    return SimpleNamespace(clusters=clusters, diagrams=NO_CONTOURS, classes=(), path=path)


def test_only_planes_that_were_measured_are_drawn(clusters):
    assert measured_planes(clusters) == [NII]
    clusters[f"log_{NII[1]}"] = np.nan
    assert measured_planes(clusters) == []


def test_the_page_counts_the_regions_that_the_lines_part(clusters, tmp_path):
    section = bpt_section(catalog(clusters, Path("v0001")), tmp_path)
    assert "1 SF, 1 Seyfert, 2 limits or not measured" in section.text
    drawn = (tmp_path / "bpt.png").stat().st_mtime_ns
    bpt_section(catalog(clusters, Path("v0001")), tmp_path)
    assert (tmp_path / "bpt.png").stat().st_mtime_ns == drawn, "of the same version: once"
    bpt_section(catalog(clusters, Path("v0002")), tmp_path)
    assert (tmp_path / "bpt.png").stat().st_mtime_ns != drawn


def test_what_the_page_shows_already_or_was_not_measured_has_no_section(clusters, tmp_path):
    assert bpt_section(catalog(clusters, Path("v0001")), tmp_path, drawn=[NII]) is None
    clusters[f"log_{NII[1]}"] = np.nan
    assert bpt_section(catalog(clusters, Path("v0001")), tmp_path) is None
    assert not (tmp_path / "bpt.png").exists()


def test_without_classes_a_galaxy_has_the_colours_and_numbers_of_its_map(axes, clusters):
    draw_plane(axes, clusters, NO_CONTOURS, (), NII)
    measured = next(c for c in axes.collections if type(c) is PathCollection)
    assert [to_hex(color) for color in measured.get_facecolors()] == cluster_colors(4)[:2]
    assert {"1", "2", "3"} <= {text.get_text() for text in axes.texts}


def test_many_galaxies_without_classes_are_grey(axes, clusters):
    clusters.loc[1, "galaxy"] = "NGC 2"
    draw_plane(axes, clusters, NO_CONTOURS, (), NII)
    measured = next(c for c in axes.collections if type(c) is PathCollection)
    (color,) = {to_hex(color) for color in measured.get_facecolors()}
    assert color[1:3] == color[3:5] == color[5:7]


@pytest.mark.parametrize("plane", demarcated_planes())
def test_regions_are_named_where_the_lines_say_they_are(axes, plane):
    axes.set_xlim(-2.0, 0.8)
    axes.set_ylim(-1.2, 1.4)
    draw_demarcations(axes, plane)
    rows = [row for row in packaged_reference().demarcations if (row.x, row.y) == plane]
    named = {text.get_text(): text.get_position() for text in axes.texts}
    assert set(named) == {getattr(row, side) for row in rows for side in ("below", "above")} - {""}
    assert named["Seyfert"][1] > named["LINER"][1]
    assert named["SF"][0] < named["LINER"][0]
    assert axes.get_xlim() == (-2.0, 0.8)


def test_a_line_between_seyferts_and_liners_ends_at_the_starburst_line(axes):
    axes.set_xlim(-1.5, 0.5)
    axes.set_ylim(-1.2, 1.4)
    draw_demarcations(axes, NII)
    (line,) = (line for line in axes.lines if line.get_label() == "Schawinski2007")
    x = line.get_xdata()[np.isfinite(line.get_ydata())]
    assert x.min() == pytest.approx(-0.18, abs=0.03)


def test_the_legend_gives_the_references():
    labels = [handle.get_label() for handle in demarcation_handles([NII])]
    assert labels == ["Kauffmann et al. 2003", "Kewley et al. 2001", "Schawinski et al. 2007"]
