"""Maps of fractions are checked for what they show: colours and outlines, not pixels."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from survey.report import fractions as module
from survey.report.fractions import COLOR_MAP, draw_fractions, has_fractions
from survey.report.galaxy import BACKGROUND

GALAXY = {
    "galaxy": "X", "celestial_header": "", "spaxel_area_arcsec2": 1.0, "centre_x": 1, "centre_y": 1,
}  # fmt: skip


@pytest.fixture
def spaxels() -> pd.DataFrame:
    """3 x 3 spaxels: a column of cluster 1, a column of cluster 2, one that is not clustered."""
    y, x = (axis.ravel() for axis in np.indices((3, 3)))
    share = np.linspace(0.0, 1.0, 9)
    return pd.DataFrame(
        {
            "x": x,
            "y": y,
            "cluster": np.array([1, 2, 0])[x],
            "fractions": [
                np.array([one, 1 - one]) if column < 2 else None
                for one, column in zip(share, x, strict=True)
            ],
        }
    )


@pytest.fixture
def panels(spaxels, tmp_path, monkeypatch):
    """The axes of the maps; the figure is kept open."""
    monkeypatch.setattr(module.plt, "close", lambda figure: None)
    draw_fractions(GALAXY, spaxels, tmp_path / "fractions.png", stamp="key")
    figure = plt.gcf()
    yield figure.axes[:2]
    monkeypatch.undo()
    plt.close(figure)


def test_every_map_has_the_fractions_of_its_cluster_and_grey_where_there_are_none(panels, spaxels):
    for place, axes in enumerate(panels):
        drawn = [to_hex(color) for color in axes.collections[0].get_facecolor()]
        for color, found in zip(drawn, spaxels["fractions"], strict=True):
            known = found is not None
            expected = matplotlib.colormaps[COLOR_MAP](found[place]) if known else BACKGROUND
            assert color == to_hex(expected)


def test_a_line_surrounds_the_spaxels_of_the_cluster(panels):
    for axes, middle in zip(panels, (-1.0, 0.0), strict=True):
        sides = np.array(axes.collections[1].get_segments())
        assert len(sides) == 8  # of a column of three
        corners = sides.reshape(-1, 2)
        np.testing.assert_allclose(np.abs(corners[:, 0]).max(), abs(middle) + 0.5)
        np.testing.assert_allclose(np.ptp(corners, axis=0), (1.0, 3.0))
        # Every corner belongs to two sides: the line is closed.
        assert set(np.unique(corners, axis=0, return_counts=True)[1]) == {2}


def test_there_is_nothing_to_draw_of_one_cluster_or_without_fractions(spaxels):
    assert has_fractions(spaxels)
    assert not has_fractions(spaxels.assign(fractions=None))
    assert not has_fractions(spaxels.assign(fractions=[np.ones(1)] * len(spaxels)))


@pytest.mark.parametrize(("count", "columns"), [(2, 2), (4, 4), (5, 3), (6, 3), (8, 4), (9, 3)])
def test_maps_are_in_rows_that_leave_few_places_empty(count, columns):
    assert module._columns(count) == columns
