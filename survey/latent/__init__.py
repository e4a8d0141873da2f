"""Latent representations of spectra: sets of spectra, models, evaluation. No files, no Dask."""
