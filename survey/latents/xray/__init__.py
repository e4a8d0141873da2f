"""X-ray spectra: OGIP files, responses, folding, and the Chandra Source Catalog."""
