"""Maps on the sky: north up, east left, offsets in arcsec from the photometric centre.

Every spaxel is drawn as its quadrilateral on the sky. A rotated field is drawn rotated, and nothing
is resampled.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from numpy.typing import ArrayLike, NDArray

CORNERS = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
SCALE_BAR_STEPS_ARCSEC = (0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300)


def draw_spaxels(
    axes: Axes,
    x: ArrayLike,
    y: ArrayLike,
    *,
    centre: tuple[float, float],
    matrix: NDArray[np.float64],
    **style: object,
) -> PolyCollection:
    """Add spaxels at pixel positions (x, y) as quadrilaterals of the sky.

    `style` goes to matplotlib's `PolyCollection`: `facecolors` for classes, or `array`,
    `cmap` and `norm` for values.
    """
    pixels = np.stack([np.asarray(x), np.asarray(y)], axis=-1) - np.asarray(centre)
    quads = (pixels[:, None, :] + CORNERS) @ matrix.T
    # A hairline of its own colour closes the seams that antialiasing leaves.
    options: dict[str, object] = {"linewidths": 0.2, "edgecolors": "face"} | style
    collection = PolyCollection(list(quads), **options)  # type: ignore[arg-type]
    axes.add_collection(collection)
    return collection


def frame_sky(axes: Axes, corners_of: Sequence[PolyCollection], *, note: str = "") -> None:
    """Limits, orientation, labels, scale bar and centre of a map drawn by `draw_spaxels`."""
    points = np.concatenate(
        [path.vertices for collection in corners_of for path in collection.get_paths()]
    )
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.06 * float((high - low).max())
    axes.set_xlim(high[0] + margin, low[0] - margin)  # east is left
    axes.set_ylim(low[1] - margin, high[1] + margin)
    axes.set_aspect("equal")
    axes.set_xlabel("east offset (arcsec)")
    axes.set_ylabel("north offset (arcsec)")
    axes.plot(0, 0, marker="+", color="black", markersize=11, markeredgewidth=1.8, zorder=5)
    axes.plot(0, 0, marker="+", color="white", markersize=9, markeredgewidth=0.8, zorder=6)
    _scale_bar(axes, note)


def _scale_bar(axes: Axes, note: str) -> None:
    right, left = sorted(axes.get_xlim())
    bottom, top = axes.get_ylim()
    width, height = left - right, top - bottom
    length = max(
        (step for step in SCALE_BAR_STEPS_ARCSEC if step <= 0.3 * width),
        default=SCALE_BAR_STEPS_ARCSEC[0],
    )
    start, level = left - 0.05 * width, bottom + 0.05 * height
    axes.plot([start, start - length], [level, level], color="black", linewidth=2.5, zorder=7)
    text = f'{length:g}"' + (f" ({note})" if note else "")
    axes.text(start, level + 0.015 * height, text, fontsize=8, va="bottom", ha="left", zorder=7)
