"""Reference data (lines, bands, instruments, ...) and the published catalog.

This package imports nothing of `survey`: a catalog can be read without the code that made it.
"""

from catalogs.errors import CatalogError
from catalogs.query import Catalog, open_catalog
from catalogs.versions import SCHEMA_VERSION

__all__ = ["SCHEMA_VERSION", "Catalog", "CatalogError", "open_catalog"]
