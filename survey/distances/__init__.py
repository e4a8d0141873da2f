"""Distances of every pair of spectra, minimised over a velocity shift."""
