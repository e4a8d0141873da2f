"""A finished or growing run, for notebooks."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from catalogs.parts import PartStore, Receipt
from catalogs.query import Catalog, open_catalog
from catalogs.versions import Manifest
from survey.api.results import Result
from survey.cubes.whole.full_grid import full_cube
from survey.errors import ConfigError
from survey.export.galaxy_tables import GalaxyTables
from survey.pipeline.galaxy.stage import store_path
from survey.pipeline.reference import reference_of_run


def open(run: str | Path) -> Run:
    """Open the catalog of a run, with its cubes.

    Parameters
    ----------
    run : path
        The run directory.

    Returns
    -------
    Run
        One version of the catalog: tables in pandas, Dask and astropy, maps, cubes.

    Raises
    ------
    CatalogError
        If the run has no catalog yet.

    Examples
    --------
    >>> run = survey.open("RUN")
    >>> nuclei = run.clusters.query("nuclear")[["galaxy", "flux_NeII_12.81"]]
    >>> cube = run.cube("SIM-001")  # Dask arrays: nothing is read yet
    >>> cube.flux[:, 5, 5].compute().dims
    ('wavelength',)
    """
    root = Path(run)
    return Run(root, Path(str(open_catalog(root).path)))


class Run(Catalog):
    """The catalog of a run (see `catalogs.Catalog`), and what else the run directory has.

    Parameters
    ----------
    root : Path
        The run directory.
    path : Path
        Folder of the version of the catalog.
    """

    def __init__(self, root: Path, path: Path) -> None:
        super().__init__(path)
        self.root = root

    def __repr__(self) -> str:
        return f"Run({str(self.root)!r})"

    def cube(self, galaxy: str) -> xr.Dataset:
        """The converted cube of a galaxy on its full spaxel grid.

        Parameters
        ----------
        galaxy : str
            Its name.

        Returns
        -------
        xarray.Dataset
            `flux`, `error` and `bad` over (wavelength, y, x) as Dask arrays, of which only what is
            computed is read; units and coordinates as of `survey.read`.

        Raises
        ------
        CatalogError
            If the galaxy is not in the catalog.
        ConfigError
            If the run did not keep the converted cube.
        IntegrityError
            If the cube on disk is damaged.
        """
        receipt = self._receipt(galaxy)
        path = store_path(self.root, galaxy, receipt.summary["keys"]["read"])
        if not path.is_dir():
            raise ConfigError(
                f"the converted cube of {galaxy!r} was not kept",
                file=path,
                advice="Run the survey again with engine.keep_stores = true, or read the file with "
                "survey.read.",
            )
        return full_cube(path)

    def result(self, galaxy: str) -> Result:
        """The clusters of a galaxy of the run.

        Parameters
        ----------
        galaxy : str
            Its name.

        Returns
        -------
        Result
            As of `survey.cluster`, with the classes of the survey.

        Raises
        ------
        CatalogError
            If the galaxy is not in the catalog.
        """
        return Result(GalaxyTables.from_catalog(self, galaxy, reference_of_run(self.root)))

    def _receipt(self, galaxy: str) -> Receipt:
        self._filters(galaxy)  # refuses unknown galaxies, and says which are alike
        part = next(part for part in Manifest.read(self.path).parts if part[0] == galaxy)
        return Receipt.read(PartStore(self.root).path(*part))
