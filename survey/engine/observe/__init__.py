"""What Dask's own pages and metrics show of a survey."""
