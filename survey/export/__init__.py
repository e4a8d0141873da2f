"""The result of one galaxy for other programs: maps with WCS, spectra, regions, the figure."""
