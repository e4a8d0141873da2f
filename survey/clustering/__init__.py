"""Clustering of spectra: distances, linkage, cut, profiles. Arrays in, arrays out."""
