"""Downloads cubes from public archives: what there is, how large it is, then the files."""
