"""What clustering one cube will cost, known before it starts.

The law was fitted to measurements of the block-transform engine (2,500 x 2,400 and 5,000 x 4,563,
13 lags, one core) and of fastcluster.
"""

from __future__ import annotations

from dataclasses import dataclass

from survey.clustering.distances import MAX_FLOAT64_SPECTRA

PAIR_SECONDS = 50e-9
PAIR_PLANE_SECONDS = 0.05e-9
LINKAGE_SECONDS = 2e-8  # per spaxel squared
REFERENCE_LAGS = 13
FLOAT64_COST = 1.8
BASE_BYTES = 300 * 2**20  # a worker process with the numerical libraries loaded
COPIES_OF_SPECTRA = 6  # flux, error, bad, prepared, normalised, transforms


@dataclass(frozen=True)
class Projection:
    """Projected cost of clustering one cube on one core."""

    n_spaxel: int
    n_plane: int
    condensed_bytes: int
    peak_bytes: int
    distance_seconds: float
    linkage_seconds: float

    @property
    def seconds(self) -> float:
        """Distances and linkage together."""
        return self.distance_seconds + self.linkage_seconds


def project_clustering(n_spaxel: int, n_plane: int, max_shift: int = 6) -> Projection:
    """Project memory (bytes) and time (seconds, one core) from the size of a cube."""
    pairs = n_spaxel * (n_spaxel - 1) // 2
    double = n_spaxel <= MAX_FLOAT64_SPECTRA
    item = 8 if double else 4
    lags = (2 * max_shift + 1) / REFERENCE_LAGS
    distance = pairs * (PAIR_SECONDS * lags + PAIR_PLANE_SECONDS * n_plane)
    # fastcluster works on one float64 copy of what it is given.
    condensed, linkage_copy = pairs * item, pairs * 8
    spectra = n_spaxel * n_plane * item * COPIES_OF_SPECTRA
    return Projection(
        n_spaxel=n_spaxel,
        n_plane=n_plane,
        condensed_bytes=condensed,
        peak_bytes=BASE_BYTES + spectra + condensed + linkage_copy,
        distance_seconds=distance * (FLOAT64_COST if double else 1.0),
        linkage_seconds=LINKAGE_SECONDS * n_spaxel**2,
    )
