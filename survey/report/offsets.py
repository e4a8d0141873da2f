"""From pixels of a cube to offsets on the sky."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.cubes.wcs import celestial_wcs


def offset_matrix(celestial_header: str, spaxel_area_arcsec2: float) -> NDArray[np.float64]:
    """(2, 2) matrix from pixels (x, y) to arcsec (east, north).

    Without celestial coordinates the columns of the cube are drawn to the right, its rows
    upwards, and a spaxel has its area.
    """
    if celestial_header:
        return np.asarray(celestial_wcs(celestial_header).pixel_scale_matrix) * 3600.0
    side = float(np.sqrt(spaxel_area_arcsec2)) if np.isfinite(spaxel_area_arcsec2) else 1.0
    return np.array([[-side, 0.0], [0.0, side]])
