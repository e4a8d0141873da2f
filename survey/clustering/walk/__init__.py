"""The walk down the tree: which of its splits are real, and what is a cluster."""
