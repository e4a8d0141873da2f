"""The definition, literally: SciPy's squared distances of the overlapping samples.

It is slow and simple, and the reference that the other engines are tested against.
"""

from __future__ import annotations

from survey.distances.engines.base import Engine
from survey.distances.lags import Array, lag_range, overlap, overlap_scale


class NaiveEngine(Engine):
    """One call of `scipy.spatial.distance.cdist` per lag."""

    name = "naive"
    tile_size = 128

    def lag_distances(self, tile: slice, panel: slice, workspace: tuple[Array, ...]) -> Array:
        """See `Engine.lag_distances`."""
        from scipy.spatial.distance import cdist  # slow to load

        left, right = self.left[tile], self.right[panel]
        distances = workspace[0][:, : len(left), : len(right)]
        scales = overlap_scale(self.max_shift, self.n_samples)
        for out, lag, scale in zip(distances, lag_range(self.max_shift), scales, strict=True):
            here, there = overlap(lag, self.n_samples)
            out[...] = scale * cdist(left[:, here], right[:, there], "sqeuclidean")
        return distances
