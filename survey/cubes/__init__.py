"""Cubes: FITS files of any instrument are read, joined, and stored in Zarr.

`scratch` holds temporary tables of matrices and spectra on disk, for galaxies that do not fit into
memory.
"""
