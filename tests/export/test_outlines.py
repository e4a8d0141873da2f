"""Outlines of any set of pixels enclose exactly these."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from matplotlib.path import Path

from survey.export.regions import outlines


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.booleans()))
def test_outlines_enclose_the_pixels_and_no_others(inside):
    y, x = np.indices(inside.shape)
    points = np.stack([x.ravel(), y.ravel()], axis=-1)
    crossings = np.zeros(inside.shape, dtype=int)
    area = 0.0
    for corners in outlines(inside):
        closed = np.concatenate([corners, corners[:1]])
        area += float(np.sum(closed[:-1, 0] * closed[1:, 1] - closed[1:, 0] * closed[:-1, 1]) / 2)
        crossings += Path(closed).contains_points(points).reshape(inside.shape)
        assert (np.abs(np.diff(closed, axis=0)) > 0).sum(axis=1).tolist() == [1] * len(corners)
    np.testing.assert_array_equal(crossings % 2 == 1, inside)
    assert area == inside.sum()


def test_a_ring_has_an_outline_and_a_hole():
    ring = np.ones((3, 3), dtype=bool)
    ring[1, 1] = False
    shapes = list(outlines(ring))
    assert sorted(len(corners) for corners in shapes) == [4, 4]
