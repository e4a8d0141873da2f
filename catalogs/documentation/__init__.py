"""What the columns of the catalog mean, in the form that people read."""
