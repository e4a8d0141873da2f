"""Reads the catalog: pandas frames, tables with units, maps on the sky.

``pandas.read_parquet("RUN/catalog/clusters.parquet")`` works without this package. `Catalog` adds
units, maps, errors that say what to do, and one version for everything that is read. The last
matters while a run is publishing: pyarrow opens a file twice, and if the link is swapped in these
milliseconds, a plain path leads to two files and the read fails.

pandas, Dask and astropy are imported by the method that needs them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalogs.errors import CatalogError
from catalogs.places.addresses import is_url
from catalogs.places.bucket import BucketPath
from catalogs.versions import MANIFEST, Manifest, current_version, link_of

if TYPE_CHECKING:
    import dask.dataframe
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from astropy.table import QTable
    from astropy.wcs import WCS
    from numpy.typing import NDArray


FEW_NAMES = 8
"""So many are all listed where none resembles what was asked for."""


def open_catalog(run: str | Path) -> Catalog:
    """Open the current catalog of a run.

    Parameters
    ----------
    run : str or Path
        The run directory, or the folder of a catalog itself, also ``s3://bucket/folder`` of a copy.

    Raises
    ------
    CatalogError
        If there is no catalog.

    Examples
    --------
    >>> catalog = open_catalog("RUN")
    >>> good = catalog.clusters.query("not low_snr")[["galaxy", "cluster", "flux_NeII_12.81"]]
    >>> catalog.qtable("galaxies")["ra"].unit
    Unit("deg")
    """
    if is_url(run):
        return _open_copy(str(run))
    run = Path(run)
    version = run if (run / MANIFEST).is_file() else current_version(run)
    if version is None:
        raise CatalogError(
            "no catalog found",
            file=run,
            expected="a run directory with a published catalog",
            advice="Check that `survey run` has finished its first galaxy, and that this is its "
            "--out directory.",
        )
    return Catalog(version)


def _open_copy(url: str) -> Catalog:
    place = BucketPath.of(url)
    try:
        found = (place / MANIFEST).is_file()
    except Exception as error:  # of botocore, of no common family
        raise CatalogError(
            f"the bucket cannot be read ({type(error).__name__}: {error})", file=url
        ) from error
    if not found:
        raise CatalogError(
            "no catalog found",
            file=url,
            expected="a folder that `survey catalog export RUN --to` has written",
        )
    return Catalog(place)


class Catalog:
    """One version of a catalog. It stays the same while newer ones are published.

    Parameters
    ----------
    path : Path or BucketPath
        Folder of the version; `open_catalog` finds it.
    """

    def __init__(self, path: str | Path | BucketPath) -> None:
        self.path = path if isinstance(path, BucketPath) else Path(path)
        # Of a bucket; None for files of this machine.
        self._filesystem = getattr(self.path, "filesystem", None)

    @property
    def folder(self) -> Path:
        """Its folder on this machine.

        Raises
        ------
        CatalogError
            If it is a copy in a bucket.
        """
        if isinstance(self.path, BucketPath):
            raise CatalogError("only a catalog on a disk can do this", file=str(self.path))
        return self.path

    @property
    def place(self) -> str:
        """Where it is, as people name it: ``RUN/catalog`` for the version of a run."""
        return str(link_of(self.path) if isinstance(self.path, Path) else self.path)

    def __repr__(self) -> str:
        return f"Catalog({self.place!r})"

    @cached_property
    def galaxies(self) -> pd.DataFrame:
        """One row per galaxy. Read once: copy before you change it."""
        return self._read("galaxies")

    @cached_property
    def clusters(self) -> pd.DataFrame:
        """One row per cluster: geometry, lines, bands. Read once: copy before you change it."""
        return self._read("clusters")

    @cached_property
    def quarantine(self) -> pd.DataFrame:
        """One row per galaxy that could not be processed."""
        return self._read("quarantine")

    @cached_property
    def latents(self) -> pd.DataFrame:
        """One row per cluster: its latents, and how unusual it is. Empty if there are none."""
        return self._read("latents")

    @cached_property
    def importances(self) -> pd.DataFrame:
        """One row per ratio: its importance for the classes. Empty if not classified."""
        return self._read("importances")

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row per class and way of measuring: how often the classes are right."""
        return self._read("scores")

    @cached_property
    def diagrams(self) -> pd.DataFrame:
        """One row per contour of a class in a plane of two log ratios."""
        return self._read("diagrams")

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, as in the columns `p_<class>`; none if not classified."""
        return Manifest.read(self.path).vocabulary.classes

    def spaxels(self, galaxy: str | None = None, columns: list[str] | None = None) -> pd.DataFrame:
        """One row per spaxel: of one galaxy, or of all (which may be large: see `dask`)."""
        return self._read("spaxels", galaxy, columns)

    def parts(self, galaxy: str | None = None, columns: list[str] | None = None) -> pd.DataFrame:
        """The connected parts of the clusters of one galaxy, or of all."""
        return self._read("parts", galaxy, columns)

    def splits(self, galaxy: str | None = None, columns: list[str] | None = None) -> pd.DataFrame:
        """The decisions of the walk down the tree of one galaxy, or of all."""
        return self._read("splits", galaxy, columns)

    def validation(
        self, galaxy: str | None = None, columns: list[str] | None = None
    ) -> pd.DataFrame:
        """How much to believe of one galaxy, or of all. Empty if not validated."""
        return self._read("validation", galaxy, columns)

    def tracers(self, galaxy: str | None = None, columns: list[str] | None = None) -> pd.DataFrame:
        """The clusters of one galaxy, or of all, beside maps that were made without them."""
        return self._read("tracers", galaxy, columns)

    def tracer_clusters(
        self, galaxy: str | None = None, columns: list[str] | None = None
    ) -> pd.DataFrame:
        """The spaxels of every cluster by class of a map, or the values of the map there."""
        return self._read("tracer_clusters", galaxy, columns)

    def spectra(self, galaxy: str | None = None, columns: list[str] | None = None) -> pd.DataFrame:
        """The spectra of the clusters of one galaxy, or of all, as columns of arrays."""
        return self._read("spectra", galaxy, columns)

    def measurements(
        self, galaxy: str | None = None, columns: list[str] | None = None
    ) -> pd.DataFrame:
        """One row per cluster and line or band, of one galaxy or of all."""
        return self._read("measurements", galaxy, columns)

    def wide(
        self,
        lines: Iterable[str],
        columns: Iterable[str] = ("flux", "err"),
        galaxy: str | None = None,
    ) -> pd.DataFrame:
        """Measurements of any lines and bands as columns, one row per cluster.

        Parameters
        ----------
        lines : names of lines and bands, also those without columns in `clusters`
        columns : columns of the table `measurements`
        galaxy : str, optional
            One galaxy; all by default.

        Returns
        -------
        DataFrame
            Indexed by galaxy and cluster, with columns `flux_<line>`, `err_<line>` ... in this
            order for every line; missing where a spectrum does not cover it.

        Raises
        ------
        CatalogError
            If a line was measured in no cluster, or a column does not exist.

        Examples
        --------
        >>> catalog = open_catalog("RUN")
        >>> wide = catalog.wide(["NeII_12.81", "NiII_12.73"], ["region_flux"])
        >>> list(wide.columns)
        ['region_flux_NeII_12.81', 'region_flux_NiII_12.73']
        """
        import pandas as pd

        wanted, of_each = list(dict.fromkeys(lines)), list(dict.fromkeys(columns))
        key = ["galaxy", "cluster"]
        rows = self.measurements(galaxy, [*key, "feature", *of_each])
        self._require(wanted, sorted(set(rows["feature"])), "measured line or band")
        clusters = self.clusters[key]
        if galaxy is not None:
            clusters = clusters[clusters["galaxy"] == galaxy]
        index = pd.MultiIndex.from_frame(clusters)
        found = {
            f"{column}_{name}": of_line[column].reindex(index)
            for name in wanted
            for of_line in [rows[rows["feature"] == name].set_index(key)]
            for column in of_each
        }
        return pd.DataFrame(found, index=index)

    def qtable(self, table: str, galaxy: str | None = None) -> QTable:
        """A table for astropy, with units and descriptions.

        Lists of equal length become 2-D columns, so that for one galaxy
        ``qtable("spectra", galaxy)["median"]`` has the shape (clusters, wavelengths).
        """
        from catalogs.fields import to_qtable

        return to_qtable(self.arrow(table, galaxy))

    def arrow(self, table: str, galaxy: str | None = None) -> pa.Table:
        """A table of one galaxy, or of all, as an Arrow table with the metadata of its columns."""
        import pyarrow.parquet as pq

        from catalogs.formats.vo_parquet import without_vo

        found = pq.read_table(
            _place(self._table_path(table)),
            filters=self._filters(galaxy),
            filesystem=self._filesystem,
        )
        return found.replace_schema_metadata(without_vo(found.schema.metadata))

    def spaxel_map(
        self, galaxy: str, column: str = "cluster"
    ) -> tuple[NDArray[np.generic], WCS | None]:
        """A column of `spaxels` as an image of one galaxy.

        Parameters
        ----------
        galaxy : str
            Its name.
        column : str
            A column of the table `spaxels`.

        Returns
        -------
        image : ndarray, shape (shape_y, shape_x)
            Where there is no spaxel, 0 in an image of integers and NaN in others.
        wcs : astropy.wcs.WCS or None
            Celestial coordinates of the image, None if the cube had none.

        Raises
        ------
        CatalogError
            If the galaxy or the column is not in the catalog.
        """
        import numpy as np

        spaxels = self.spaxels(galaxy, list(dict.fromkeys(["y", "x", column])))
        about = self.galaxies.set_index("galaxy").loc[galaxy].to_dict()
        values = spaxels[column].to_numpy()
        blank = 0 if np.issubdtype(values.dtype, np.integer) else np.nan
        image = np.full((about["shape_y"], about["shape_x"]), blank, dtype=values.dtype)
        image[spaxels["y"], spaxels["x"]] = values
        return image, _celestial_wcs(about["celestial_header"])

    def dask(self, table: str) -> dask.dataframe.DataFrame:
        """A table as a Dask frame, for tables that do not fit into memory."""
        import dask.dataframe

        path = self._table_path(table)
        return dask.dataframe.read_parquet(_place(path), filesystem=self._filesystem or "fsspec")

    def describe(self, table: str) -> str:
        """Columns of a table with types, units, UCDs and descriptions, as Markdown."""
        from catalogs.fields import describe_fields

        return describe_fields(self.arrow_schema(table))

    def arrow_schema(self, table: str) -> pa.Schema:
        """The Arrow schema of a table, with units and descriptions in the fields' metadata."""
        import pyarrow.parquet as pq

        from catalogs.formats.vo_parquet import without_vo

        schema = pq.read_schema(_place(self.files(table)[0]), filesystem=self._filesystem)
        return schema.with_metadata(without_vo(schema.metadata))

    def files(self, table: str) -> list[Path] | list[BucketPath]:
        """The Parquet files of a table, in order of their rows."""
        path = self._table_path(table)
        if path.name.endswith(".parquet"):
            return [path]  # type: ignore[return-value]
        return sorted(path.glob("*.parquet"), key=str)  # type: ignore[return-value]

    @property
    def tables(self) -> list[str]:
        """Names of the tables."""
        return sorted(path.stem for path in self.path.glob("[!._]*"))

    def row_counts(self) -> dict[str, int]:
        """Number of rows of every table, from the footers of the files."""
        import pyarrow.parquet as pq

        return {
            table: sum(
                pq.read_metadata(_place(file), filesystem=self._filesystem).num_rows
                for file in self.files(table)
            )
            for table in self.tables
        }

    def _read(
        self, table: str, galaxy: str | None = None, columns: list[str] | None = None
    ) -> pd.DataFrame:
        import pandas as pd

        path = self._table_path(table)
        if columns is not None:
            self._require(columns, self.arrow_schema(table).names, f"column of table {table!r}")
        return pd.read_parquet(
            _place(path),
            columns=columns,
            filters=self._filters(galaxy),
            filesystem=self._filesystem,
        )

    def _filters(self, galaxy: str | None) -> list[tuple[str, str, str]] | None:
        if galaxy is None:
            return None
        known = list(self.galaxies["galaxy"])
        failed = self.quarantine.set_index("galaxy")["message"]
        if galaxy not in known and galaxy in failed.index:
            raise CatalogError(f"galaxy {galaxy!r} is in quarantine", found=failed[galaxy])
        self._require([galaxy], known, "galaxy")
        return [("galaxy", "==", galaxy)]

    def _require(self, names: list[str], known: list[str], what: str) -> None:
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, cutoff=0.5)
                raise CatalogError(
                    f"no {what} is called {name!r}",
                    file=self.place,
                    advice=_advice(near, known),
                )

    def _table_path(self, table: str) -> Path | BucketPath:
        if not (self.path / MANIFEST).is_file():
            raise CatalogError(
                "this version of the catalog has been replaced and removed",
                file=str(self.path),
                advice="Open the catalog again.",
            )
        self._require([table], self.tables, "table")
        file = self.path / f"{table}.parquet"
        return file if file.is_file() else self.path / table


def _advice(near: list[str], known: list[str]) -> str | None:
    if near:
        return f"Did you mean {' or '.join(map(repr, near))}?"
    return f"There is {', '.join(map(repr, known))}." if len(known) <= FEW_NAMES else None


def _place(path: Path | BucketPath) -> str | Path:
    """A file as Parquet's readers take it, beside the file system that it is in."""
    return path.path if isinstance(path, BucketPath) else path


def _celestial_wcs(header: Any) -> WCS | None:
    if not isinstance(header, str) or not header:
        return None
    from astropy.io import fits
    from astropy.wcs import WCS

    return WCS(fits.Header.fromstring(header, sep="\n"))
