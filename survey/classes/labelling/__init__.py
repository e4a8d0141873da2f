"""Initial labels of clusters: regions of the sky, nuclei and discs, and what they label."""
