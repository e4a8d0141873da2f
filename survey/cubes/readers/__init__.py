"""One module for every kind of cube, and the one that the settings describe."""
