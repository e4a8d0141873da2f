"""Representations of spectra: what each learns, and how it is kept on disk."""
