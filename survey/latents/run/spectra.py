"""Spectra of a run as sets of spectra: of its clusters, or of the spaxels of a galaxy.

All galaxies come onto one rest-frame grid, so that one model can learn from the whole archive.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from catalogs.query import open_catalog
from survey.config import load_settings
from survey.cubes.store import read_block
from survey.errors import ConfigError, DataError
from survey.latents.grid import Grid
from survey.latents.spectra import SpectrumSet, concatenate
from survey.pipeline.galaxy.stages import Galaxy
from survey.pipeline.run.survey import SETTINGS_FILE, TARGETS_FILE
from survey.pipeline.run.targets import read_targets
from survey.spectra.grid import log_grid, rest_wavelength, velocity_step_km_s
from survey.spectra.noise import local_noise

SHARED_BY = 0.5
"""The common grid covers the wavelengths that more than this fraction of the galaxies have."""

BLOCK_SPAXELS = 1024

Floats = npt.NDArray[np.float64]


def common_grid(run: str | Path, *, step_km_s: float | None = None) -> Grid:
    """A rest-frame grid in steps of constant velocity for the spectra of a run.

    Parameters
    ----------
    run : path
        Directory of a run with a catalog.
    step_km_s : float, optional
        Default: the median step of the galaxies.

    Raises
    ------
    DataError
        If the galaxies have no wavelengths in common.
    """
    return _common_grid(_wavelengths(open_catalog(run).spectra()), step_km_s)


def cluster_spectra(run: str | Path, *, grid: Grid | None = None) -> SpectrumSet:
    """Median spectra of all clusters in the catalog of a run, with the errors of the medians.

    Names are "galaxy/cluster", sources the galaxies. Samples without an error, as in clusters
    of one spaxel, are masked.

    Parameters
    ----------
    run : path
        Directory of a run with a catalog.
    grid : Grid, optional
        In micron, rest frame. Default: `common_grid(run)`.

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


def spaxel_spectra(run: str | Path, galaxy: str, *, grid: Grid | None = None) -> SpectrumSet:
    """Spectra of the spaxels of a galaxy that were clustered, with their empirical noise.

    They are those of `prepare` before normalisation; samples that were bridged there are
    masked. Names are "galaxy/y,x", the source is the galaxy. Noise is that of every stretch of
    a spectrum, and taken as independent from sample to sample, which that of drizzled cubes is
    not quite. A converted cube that the run did not keep is converted again.

    Parameters
    ----------
    run : path
        Directory of a run.
    galaxy : str
    grid : Grid, optional
        In micron, rest frame. Default: that of the galaxy itself.

    Raises
    ------
    ConfigError
        If the run has no such galaxy.
    """
    root = Path(run).resolve()
    for name in (SETTINGS_FILE, TARGETS_FILE):
        if not (root / name).is_file():
            raise ConfigError("no survey has run in this directory", file=root, expected=name)
    targets = {target.galaxy: target for target in read_targets(root / TARGETS_FILE)}
    if galaxy not in targets:
        raise ConfigError(
            f"the run has no galaxy {galaxy!r}", file=root, expected=", ".join(targets)
        )
    worked = Galaxy(targets[galaxy], load_settings(root / SETTINGS_FILE), root)
    own = Grid.from_centres(worked.prepared.wavelength_um, "um")
    return concatenate(
        [block if grid is None else block.rebinned(grid) for block in _spaxel_blocks(worked, own)]
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


def _spaxel_blocks(galaxy: Galaxy, grid: Grid) -> Iterator[SpectrumSet]:
    prepared, cube = galaxy.prepared, galaxy.cube
    name = galaxy.target.galaxy
    y, x = (cube[axis].values[prepared.spaxels] for axis in "yx")
    rest_um = rest_wavelength(cube["wavelength"].values, galaxy.redshift)
    plane = _nearest(rest_um, prepared.wavelength_um)
    for start in range(0, len(prepared.spaxels), BLOCK_SPAXELS):
        block = slice(start, min(start + BLOCK_SPAXELS, len(prepared.spaxels)))
        stored = prepared.spaxels[block]
        bad = read_block(galaxy.store_path, slice(int(stored[0]), int(stored[-1]) + 1))[2]
        flux = prepared.flux[block].astype(np.float64)
        noise = local_noise(flux)
        usable = ~bad[stored - stored[0]][:, plane] & (noise > 0)
        yield SpectrumSet(
            flux,
            grid,
            "flux",
            mask=usable,
            ids=np.array([f"{name}/{a},{b}" for a, b in zip(y[block], x[block], strict=True)]),
            sources=np.full(len(flux), name),
            redshift=np.full(len(flux), galaxy.redshift),
            frame="rest",
            ivar=np.divide(1.0, noise**2, out=np.zeros_like(noise), where=usable),
        )


def _nearest(sorted_um: Floats, wanted_um: Floats) -> npt.NDArray[np.intp]:
    """Places in `sorted_um` that are nearest to each of `wanted_um`."""
    middle = (sorted_um[1:] + sorted_um[:-1]) / 2
    return np.searchsorted(middle, wanted_um)


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
            "galaxies with different units of flux make no one set of spectra",
            expected="one unit",
            found=", ".join(units),
        )
