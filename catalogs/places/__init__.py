"""Where catalogs are: folders of this machine, and buckets."""
