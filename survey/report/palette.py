"""Colours of clusters: distinct for any colour vision, the same on every panel."""

from __future__ import annotations

SEQUENCE = (
    "#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#92dadd",
)  # fmt: skip
"""The ten colours of Petroff (2021, arXiv:2107.02270) for any colour vision, without two greys:
grey is for spaxels that are not clustered."""

MORE = "viridis"
"""A colour map in the order of the clusters, if there are more of them than colours."""


def cluster_colors(n: int) -> list[str]:
    """`n` colours as hexadecimal strings; cluster i has colour i - 1."""
    if n <= len(SEQUENCE):
        return list(SEQUENCE[:n])
    import matplotlib  # slow to load, and seldom needed
    from matplotlib.colors import to_hex

    ramp = matplotlib.colormaps[MORE]
    return [to_hex(ramp(i / (n - 1))) for i in range(n)]
