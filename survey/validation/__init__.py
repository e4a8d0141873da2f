"""How much to believe of a partition: other choices, noise, the point-spread function."""
