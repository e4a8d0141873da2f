"""The tree of all spaxels, by algorithms for different amounts of memory."""
