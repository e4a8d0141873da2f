"""Figures of a classification are checked for what they show."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.quiver import Quiver
from PIL import Image

from catalogs.reference import packaged_reference
from survey.classes.ratios import Limit
from survey.report.diagnostic_diagrams import (
    draw_plane,
    draw_planes,
    drawn_contours,
    mixed_colors,
    ratio_label,
)
from survey.report.palette import cluster_colors
from survey.report.scores import draw_confusion, draw_importances, draw_reliability, draw_scores

CLASSES = ("AGN", "SF")
X, Y = "NII_6583/Halpha_6563", "OIII_5007/Hbeta_4861"
CONTOURS = pd.DataFrame(
    {
        "origin": "sample",
        "x_ratio": [X, X, "other"],
        "y_ratio": [Y, Y, Y],
        "class": ["AGN", "SF", "SF"],
        "level": [0.5, 0.9, 0.9],
        "x": [[0.0, 1.0, 0.0]] * 3,
        "y": [[0.0, 1.0, 0.0]] * 3,
    }
)
SCORES = pd.DataFrame(
    {
        "method": "forest",
        "measured": ["in-sample"] * 2 + ["out-of-bag"] * 2,
        "class": ["AGN", "SF"] * 2,
        "classes": ["AGN SF"] * 4,
        "n": [4, 0] * 2,
        "balanced_accuracy": [0.75, 0.75, np.nan, np.nan],
        "balanced_majority": [0.5, 0.5, np.nan, np.nan],
        "confusion": [[3, 1], [0, 0]] * 2,
        "reliability_p": [[0.1, 0.9]] * 4,
        "reliability_fraction": [[0.0, 1.0]] * 4,
        "reliability_count": [[1, 3]] * 4,
    }
)


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


@pytest.fixture
def clusters() -> pd.DataFrame:
    """Two measured, an upper limit, a lower limit, one not measured, one without class."""
    n = 6
    frame = pd.DataFrame({"p_AGN": [1.0, 0.5, 0.0, 0.0, 1.0, np.nan]})
    frame["p_SF"] = 1 - frame["p_AGN"]
    frame["galaxy"] = ["NGC 1"] * 3 + ["NGC 2"] * 3
    for name in (X, Y):
        frame[f"log_{name}"] = np.linspace(-1.0, 0.2, n)
        frame[f"logerr_{name}"] = 0.1
        frame[f"loglimit_{name}"] = 0
    frame.loc[2, f"loglimit_{Y}"] = int(Limit.UPPER)
    frame.loc[3, f"loglimit_{X}"] = int(Limit.LOWER)
    frame.loc[4, f"log_{X}"] = np.nan
    return frame


def test_the_colour_of_a_cluster_mixes_its_classes(clusters):
    agn, sf = (np.array(to_rgb(color)) for color in cluster_colors(2))
    colors = mixed_colors(clusters, CLASSES)
    np.testing.assert_allclose(colors[0], agn)
    np.testing.assert_allclose(colors[1], (agn + sf) / 2)
    assert len(set(colors[5])) == 1, "grey without class"


def test_limits_are_arrows_in_their_direction_and_measurements_are_not(axes, clusters):
    draw_plane(axes, clusters, CONTOURS, CLASSES, (X, Y))
    arrows = [item for item in axes.collections if isinstance(item, Quiver)]
    directions = {(u, v) for item in arrows for u, v in zip(item.U, item.V, strict=True)}
    assert directions == {(0.0, -1.0), (1.0, 0.0)}
    measured, limits = (c for c in axes.collections if type(c) is PathCollection)
    assert (len(measured.get_offsets()), len(limits.get_offsets())) == (3, 2)


def test_a_plane_has_its_own_contours_and_published_lines(axes, clusters):
    draw_plane(axes, clusters, CONTOURS, CLASSES, (X, Y))
    published = [row for row in packaged_reference().demarcations if (row.x, row.y) == (X, Y)]
    named = [line for line in axes.lines if line.get_label() in {row.name for row in published}]
    assert len(named) == len(published) == 3
    assert len([line for line in axes.lines if len(line.get_xdata()) == 3]) == 2


def test_new_galaxies_are_drawn_over_the_contours_of_the_model(axes, clusters):
    of_model = CONTOURS.assign(origin="model", x=[[-3.0, 2.0, -3.0]] * 3)
    shown = drawn_contours(pd.concat([CONTOURS, of_model]))
    assert set(shown["origin"]) == {"model"}
    draw_plane(axes, clusters, shown, CLASSES, (X, Y))
    assert [list(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 3] == [
        [-3.0, 2.0, -3.0]
    ] * 2
    left, right = axes.get_xlim()
    assert left < -3.0, "all of them, also where there is no new cluster"
    assert right > 2.0
    measured = [c for c in axes.collections if type(c) is PathCollection][:-1]
    assert [len(c.get_offsets()) for c in measured] == [2, 1], "a marker for each galaxy"
    assert drawn_contours(CONTOURS) is CONTOURS


def test_ratios_are_written_as_people_write_them():
    assert ratio_label("NeIII_15.56/NeII_12.81") == "[Ne III] / [Ne II]"
    assert "+" in ratio_label("SII_6716+SII_6731/Halpha_6563")
    assert ratio_label("slope_alpha") == "slope_alpha"


def test_confusion_is_written_in_numbers_and_missing_labels_have_no_curve(axes):
    rows = SCORES[SCORES["measured"] == "in-sample"].set_index("class")
    draw_confusion(axes, rows)
    assert [text.get_text() for text in axes.texts] == ["3", "1", "0", "0"]
    axes.clear()
    draw_reliability(axes, rows)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["AGN"]


def test_the_figures_say_what_they_were_made_from(tmp_path: Path, clusters):
    importances = pd.DataFrame(
        {"method": "forest", "predictor": [X, "slope_alpha"], "importance": [0.7, 0.3],
         "importance_std": 0.1, "permutation": [0.2, -0.1], "permutation_std": np.nan}
    )  # fmt: skip
    paths = [tmp_path / f"{name}.png" for name in ("planes", "importances", "scores")]
    draw_planes(clusters, CONTOURS, CLASSES, [(X, Y)], paths[0], stamp="key")
    draw_importances(importances, paths[1], stamp="key")
    draw_scores(SCORES, paths[2], stamp="key")
    for path in paths:
        with Image.open(path) as image:
            assert image.info["Source"] == "key"
