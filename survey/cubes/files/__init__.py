"""Files before they are FITS: where they are, what may be opened, how it is read and unpacked."""
