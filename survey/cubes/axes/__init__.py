"""The axes of a FITS cube: their order in the file, and wavelengths from any spectral axis."""
