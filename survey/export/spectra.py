"""The spectra of the clusters of one galaxy: as a table, and as objects of specutils."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
from astropy.nddata import StdDevUncertainty
from astropy.table import QTable

from survey.errors import ConfigError
from survey.export.galaxy_tables import GalaxyTables

SPECTRA = ("median", "std", "err", "mean", "sum", "err_sum", "ivar_mean")


def flux_unit(galaxy: GalaxyTables) -> u.Unit:
    """Unit of the spectra."""
    return u.Unit(galaxy.about["flux_unit"])


def spectrum_table(galaxy: GalaxyTables) -> QTable:
    """All spectra of one galaxy, a row per cluster, with units.

    Returns
    -------
    QTable
        `cluster`; `wavelength_um` (clusters, wavelengths), rest frame, vacuum; `median`, `err` and
        the others of the table `spectra` in the unit of the cube.
    """
    table = galaxy.qtable("spectra")
    table.remove_column("flux_unit")
    for name in SPECTRA:
        values = np.atleast_2d(table[name])
        table[name] = u.Quantity(values, flux_unit(galaxy), dtype=np.float32)
    return table


def specutils_spectra(galaxy: GalaxyTables) -> Any:
    """The median spectra as a `specutils.SpectrumList`, one of each cluster, brightest first.

    The errors of the medians are their uncertainties. Wavelengths are of the rest frame.

    Raises
    ------
    ConfigError
        If specutils is not installed.
    """
    try:
        import specutils
    except ImportError:
        raise ConfigError(
            "spectra need the package specutils, which is not installed",
            advice='pip install specutils; or take .table("spectra"), which has the same numbers.',
        ) from None
    kind = getattr(specutils, "Spectrum", None) or specutils.Spectrum1D
    table = spectrum_table(galaxy)
    return specutils.SpectrumList(
        kind(
            flux=row["median"],
            spectral_axis=row["wavelength_um"],
            uncertainty=StdDevUncertainty(row["err"]),
            mask=~np.isfinite(row["median"]),
            meta={
                "galaxy": galaxy.about["galaxy"],
                "cluster": int(row["cluster"]),
                "redshift": galaxy.about["redshift"],
                "frame": "rest",
            },
        )
        for row in table
    )
