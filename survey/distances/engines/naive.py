"""The definition, literally: SciPy's squared distances of the overlapping samples.

It is slow and simple, and the reference that the other engines are tested against.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from survey.distances.engines.base import Engine, nearest_lag
from survey.distances.lags import Array, lag_range, overlap, overlap_scale


class NaiveEngine(Engine):
    """One call of `scipy.spatial.distance.cdist` per lag."""

    name = "naive"
    tile_size = 128

    def workspace(self) -> tuple[Array, ...]:
        """See `Engine.workspace`: distances at every lag."""
        return (np.empty((self.n_lags, self.tile_size, self.panel_size), self.dtype),)

    def nearest(
        self, tile: slice, panel: slice, workspace: tuple[Array, ...], out: Array
    ) -> npt.NDArray[np.bool_]:
        """See `Engine.nearest`."""
        from scipy.spatial.distance import cdist  # slow to load

        left, right = self.left[tile], self.right[panel]
        distances = workspace[0][:, : len(left), : len(right)]
        scales = overlap_scale(self.max_shift, self.n_samples)
        for at_lag, lag, scale in zip(distances, lag_range(self.max_shift), scales, strict=True):
            here, there = overlap(lag, self.n_samples)
            at_lag[...] = scale * cdist(left[:, here], right[:, there], "sqeuclidean")
        return nearest_lag(distances, out)
