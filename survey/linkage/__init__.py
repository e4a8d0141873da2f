"""The tree of all spaxels, in the ways that different amounts of memory allow."""
