"""Input and output of latents: spectra from files and catalogs, and published tables."""
