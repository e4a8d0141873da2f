"""What is found in one galaxy, for notebooks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from survey.cubes.wcs import celestial_wcs
from survey.cubes.whole.full_grid import sky_coordinates
from survey.errors import ConfigError
from survey.export.galaxy_tables import GalaxyTables

if TYPE_CHECKING:
    from astropy.table import QTable
    from astropy.wcs import WCS
    from numpy.typing import NDArray


class Result:
    """The clusters of one galaxy.

    `survey.cluster` and `Run.result` make it.

    Parameters
    ----------
    tables : GalaxyTables
        The tables of the galaxy.
    """

    def __init__(self, tables: GalaxyTables) -> None:
        self._tables = tables

    def __repr__(self) -> str:
        about = self._tables.about
        return (
            f"<Result {about['galaxy']!r}: {about['n_cluster']} clusters of {about['n_spaxel']} "
            f"spaxels, {about['wavelength_min_um']:.4g} to {about['wavelength_max_um']:.4g} um>"
        )

    @property
    def galaxy(self) -> str:
        """Name of the galaxy."""
        return str(self._tables.about["galaxy"])

    @property
    def about(self) -> dict[str, Any]:
        """Its row of the table `galaxies`: position, redshift, how it was processed."""
        return dict(self._tables.about)

    @property
    def wcs(self) -> WCS | None:
        """Celestial coordinates of the maps, axes (x, y); None if the cube has none."""
        header = self._tables.celestial_header
        return celestial_wcs(header) if header else None

    @property
    def labels(self) -> xr.DataArray:
        """(y, x) int32: number of the cluster of every spaxel, 0 where there is none.

        With coordinates `y`, `x` (pixels from 0), `ra` and `dec` (degrees, ICRS), so that
        ``cube.flux.where(result.labels == 1)`` is cluster 1. `survey.wcs` gives its coordinates.
        """
        return self.map("cluster")

    def map(self, column: str) -> xr.DataArray:
        """A column of the table `spaxels` as an image.

        Parameters
        ----------
        column : str
            For example "snr" (per sample) or "shift_km_s" (km/s).

        Returns
        -------
        xarray.DataArray
            Of shape (y, x), in the unit of the column; where there is no spaxel 0 for whole numbers
            and NaN for others.

        Raises
        ------
        ConfigError
            If there is no such column of single numbers.
        """
        table = self._tables.tables["spaxels"]
        numbers = [
            field.name for field in table.schema
            if str(field.type) in ("int16", "int32", "float", "double", "bool")
        ]  # fmt: skip
        if column not in numbers:
            raise ConfigError(
                "column: no such column of spaxels", expected=", ".join(numbers), found=repr(column)
            )
        values = table[column].to_numpy()
        blank: Any = np.nan if values.dtype.kind == "f" else 0
        image: NDArray[Any] = np.full(self._tables.shape, blank, values.dtype)
        image[table["y"].to_numpy(), table["x"].to_numpy()] = values
        header = self._tables.celestial_header
        metadata = table.schema.field(column).metadata
        return xr.DataArray(
            image,
            dims=("y", "x"),
            coords=sky_coordinates(header, self._tables.shape),
            name=column,
            attrs={
                "units": metadata[b"unit"].decode(),
                "long_name": metadata[b"description"].decode(),
                "celestial_header": header,
            },
        )

    def table(self, name: str) -> QTable:
        """A table of the galaxy, with units and descriptions.

        Parameters
        ----------
        name : str
            "clusters", "measurements", "spectra", "spaxels", "parts", "splits" or "galaxies".

        Returns
        -------
        astropy.table.QTable
            Spectra as 2-D columns (clusters, wavelengths) in the unit of the cube.

        Raises
        ------
        ConfigError
            If there is no such table.
        """
        from survey.export.spectra import spectrum_table

        if name not in self._tables.tables:
            raise ConfigError(
                "name: no such table", expected=", ".join(self._tables.tables), found=repr(name)
            )
        return spectrum_table(self._tables) if name == "spectra" else self._tables.qtable(name)

    @property
    def spectra(self) -> Any:
        """The median spectra as a `specutils.SpectrumList`, one per cluster, in the rest frame.

        Raises
        ------
        ConfigError
            If specutils is not installed.
        """
        from survey.export.spectra import specutils_spectra

        return specutils_spectra(self._tables)

    def features(self, *, detected: bool = False) -> QTable:
        """The lines and bands of all clusters, a row each, with units.

        Parameters
        ----------
        detected : bool
            Only those that are detected.

        Returns
        -------
        astropy.table.QTable
            The table `measurements`: `cluster`, `feature`, `flux` and `err` (W m-2 arcsec-2) and
            more.
        """
        table = self._tables.qtable("measurements")
        return table[table["detected"]] if detected else table

    def plot(self) -> tuple[Any, Any]:
        """Draw the clusters on the sky beside their median spectra, with pyplot.

        Returns
        -------
        tuple of matplotlib.axes.Axes
            The map (arcsec from the centre) and the spectra (rest wavelength in micron, unit of the
            cube); ``axes[0].figure.savefig("clusters.pdf")`` keeps it.
        """
        import matplotlib.pyplot as plt

        from survey.report.galaxy import fill_figure

        tables = self._tables
        return fill_figure(
            plt.figure(), tables.about, tables.frame("clusters"), tables.frame("spaxels"),
            tables.frame("spectra"), reference=tables.reference,
        )  # fmt: skip

    def export(self, folder: str | Path) -> list[Path]:
        """Write maps (FITS), spectra (FITS, ECSV), regions (DS9) and the figure (PDF).

        Parameters
        ----------
        folder : path
            Made if it is not there.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        ConfigError
            If `folder` is a file.
        """
        from survey.export.galaxy import export_galaxy

        if Path(folder).is_file():
            raise ConfigError("folder: it is a file", file=folder)
        return export_galaxy(self._tables, Path(folder))
