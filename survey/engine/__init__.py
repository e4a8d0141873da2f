"""The only floor that knows the Dask cluster: where work runs, and what it may cost."""
