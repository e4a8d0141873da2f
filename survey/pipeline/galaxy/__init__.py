"""One galaxy, from its files to its committed part. Begin with `stages`."""
