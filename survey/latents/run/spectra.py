"""The spectra of all clusters of a run as one set of spectra.

All galaxies are resampled to one rest-frame grid, so that one model can learn from the whole
archive.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from catalogs.query import open_catalog
from survey.errors import DataError
from survey.latents.grid import Grid
from survey.latents.spectra import SpectrumSet, concatenate
from survey.spectra.grid import log_grid, velocity_step_km_s

SHARED_BY = 0.5
"""The common grid covers the wavelengths that more than this fraction of the galaxies have."""

Floats = npt.NDArray[np.float64]


def cluster_spectra(run: str | Path, *, grid: Grid | None = None) -> SpectrumSet:
    """Median spectra of all clusters in the catalog of a run, with the errors of the medians.

    Names are "galaxy/cluster", sources the galaxies. Samples without an error, as in clusters
    of one spaxel, are masked.

    Parameters
    ----------
    run : path
        Directory of a run with a catalog.
    grid : Grid, optional
        In micron, rest frame. Default: one that most galaxies cover.

    Raises
    ------
    DataError
        If the galaxies have different units of flux.
    """
    catalog = open_catalog(run)
    table = catalog.spectra()
    _require_one_unit(table)
    grid = _common_grid(_wavelengths(table), None) if grid is None else grid
    redshift = catalog.galaxies.set_index("galaxy")["redshift"]
    return concatenate(
        [
            _clusters_of(str(name), rows, float(redshift[name])).rebinned(grid)
            for name, rows in table.groupby("galaxy", sort=True)
        ]
    )


def _clusters_of(galaxy: str, rows: pd.DataFrame, redshift: float) -> SpectrumSet:
    median, error = (np.stack(list(rows[name])).astype(np.float64) for name in ("median", "err"))
    usable = np.isfinite(median) & (error > 0) & np.isfinite(error)
    return SpectrumSet(
        median,
        Grid.from_centres(rows["wavelength_um"].iloc[0], "um"),
        "flux",
        mask=usable,
        ids=np.array([f"{galaxy}/{cluster}" for cluster in rows["cluster"]]),
        sources=np.full(len(rows), galaxy),
        redshift=np.full(len(rows), redshift),
        frame="rest",
        ivar=np.divide(1.0, error**2, out=np.zeros_like(error), where=usable),
    )


def _wavelengths(table: pd.DataFrame) -> list[Floats]:
    first = table.drop_duplicates("galaxy")["wavelength_um"]
    return [np.asarray(one, dtype=np.float64) for one in first]


def _common_grid(wavelengths_um: list[Floats], step_km_s: float | None) -> Grid:
    if not wavelengths_um:
        raise DataError("the catalog has no spectra")
    if step_km_s is None:
        step_km_s = float(np.median([np.median(velocity_step_km_s(w)) for w in wavelengths_um]))
    low, high = _shared_range(np.array([[w[0], w[-1]] for w in wavelengths_um]))
    centres = log_grid(low, high, step_km_s) if high > low else np.zeros(0)
    if len(centres) < 2:
        raise DataError(
            "the galaxies have no wavelengths in common",
            expected="most of them to cover one range in the rest frame",
            found=", ".join(f"{w[0]:.4g} to {w[-1]:.4g} um" for w in wavelengths_um[:5]),
        )
    return Grid.from_centres(centres, "um")


def _shared_range(ranges: Floats) -> tuple[float, float]:
    """The longest stretch that more than `SHARED_BY` of the ranges (n, 2) cover."""
    cuts = np.unique(ranges)
    middle = (cuts[1:] + cuts[:-1]) / 2
    inside = (ranges[:, :1] < middle) & (middle < ranges[:, 1:])
    shared = np.concatenate([[False], inside.mean(axis=0) > SHARED_BY, [False]])
    begins, ends = np.flatnonzero(np.diff(shared.astype(int))).reshape(-1, 2).T
    if not len(begins):
        return 0.0, 0.0
    best = np.argmax(cuts[ends] - cuts[begins])
    return float(cuts[begins[best]]), float(cuts[ends[best]])


def _require_one_unit(table: pd.DataFrame) -> None:
    units = sorted(table["flux_unit"].unique())
    if len(units) > 1:
        raise DataError(
            "the galaxies have different units of flux",
            expected="one unit",
            found=", ".join(units),
        )
