"""The second system: spectra as a few numbers, from X-ray files or from clusters of a survey."""
