"""Latents: spectra as a few numbers, from X-ray files or from the clusters of a survey."""
