"""Representations of spectra, and their models on disk."""
