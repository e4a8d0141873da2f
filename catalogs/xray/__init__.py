"""Tables of X-ray sources, which `survey latent run` makes of a list of sources."""
