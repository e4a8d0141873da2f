"""Files before they are FITS: what may be opened, how much of it is read, how it is unpacked."""
