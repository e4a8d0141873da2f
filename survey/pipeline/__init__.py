"""The stages of one galaxy, and the fan-out over an archive of them."""
