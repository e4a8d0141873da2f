"""Where the tree is cut, and spectra and geometry of the clusters. Arrays in, arrays out."""
