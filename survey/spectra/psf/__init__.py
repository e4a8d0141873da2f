"""The point-spread function: its profile, the point source of a galaxy, one resolution for all."""
