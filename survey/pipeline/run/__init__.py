"""The archive: plan it, schedule its galaxies, publish their catalog."""
