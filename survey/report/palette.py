"""Colours of clusters: distinct for any colour vision, the same on every panel."""

from __future__ import annotations

import matplotlib
from matplotlib.colors import to_hex

SEQUENCE = "petroff10"
"""Petroff (2021, arXiv:2107.02270): ten colours optimised for accessibility."""

GREYS = ("#94a4a2", "#717581")
"""Those of them that are used; grey is for spaxels that are not clustered."""

MORE = "viridis"
"""A colour map in the order of the clusters, if there are more of them than colours."""


def cluster_colors(n: int) -> list[str]:
    """`n` colours as hexadecimal strings; cluster i has colour i - 1."""
    sequence = [to_hex(color) for color in matplotlib.color_sequences[SEQUENCE]]
    sequence = [color for color in sequence if color not in GREYS]
    if n <= len(sequence):
        return sequence[:n]
    ramp = matplotlib.colormaps[MORE]
    return [to_hex(ramp(i / (n - 1))) for i in range(n)]
