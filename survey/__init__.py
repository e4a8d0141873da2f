"""Spaxel Survey: clusters of similar spectra in archives of integral-field cubes."""

__version__ = "0.1.0"
