"""Cubes: reading any instrument's FITS file, joining sub-bands, and storing spectra in Zarr."""
