"""What latents are made of and where they go: spectra from files and catalogs, published tables."""
