"""Spectra as plain arrays: grids, masks, noise, normalisation. No files, no Dask."""
