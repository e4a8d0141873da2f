"""Lines, PAH bands and the continuum slope of cluster spectra: arrays in, numbers out."""
