"""Spectra as plain arrays: grid, masks, impossible voxels, noise, normalisation. Knows no files."""
