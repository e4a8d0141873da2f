"""Formats of other programs: VOParquet and HATS."""
