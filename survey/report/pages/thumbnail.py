"""The small map of a galaxy's clusters: one dot a spaxel, in the colours of its page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from catalogs.durable import replacing
from survey.report.offsets import offset_matrix
from survey.report.palette import cluster_colors

NOT_CLUSTERED = "#dddddd"
MOST_PIXELS = 160
"""Of a side; larger maps are thinned out."""


def write_thumbnail(galaxy: dict[str, Any], spaxels: pd.DataFrame, path: Path) -> None:
    """Write the map as a PNG, north up where the axes of the cube are near those of the sky."""
    image = np.zeros((galaxy["shape_y"], galaxy["shape_x"]), dtype=np.uint8)
    image[spaxels["y"], spaxels["x"]] = np.minimum(spaxels["cluster"].to_numpy(int) + 1, 255)
    matrix = offset_matrix(galaxy["celestial_header"] or "", galaxy["spaxel_area_arcsec2"])
    if matrix[0, 0] > 0:
        image = image[:, ::-1]  # east is left
    if matrix[1, 1] > 0:
        image = image[::-1]  # the first row of a picture is its top
    step = -(-max(image.shape) // MOST_PIXELS)
    image = np.ascontiguousarray(image[::step, ::step])
    colors = ["#ffffff", NOT_CLUSTERED, *cluster_colors(int(galaxy["n_cluster"]))][:256]
    drawn = Image.fromarray(image, mode="P")
    drawn.putpalette([int(color[i : i + 2], 16) for color in colors for i in (1, 3, 5)])
    drawn.info["transparency"] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        drawn.save(unfinished, format="PNG", transparency=0, optimize=True)
