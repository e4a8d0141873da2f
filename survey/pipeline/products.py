"""What a galaxy's part holds besides tables: the record of the cut, the model cube."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from survey.clustering.cut import Cut
from survey.clustering.reconstruct import reconstruct
from survey.cubes.fits_cube import write_cube
from survey.pipeline.clusters import Clusters


def write_cut(path: Path, cut: Cut) -> None:
    """Write how the number of clusters was chosen, as JSON; NaN becomes null."""
    record = {
        "k": cut.k,
        "criterion": cut.criterion,
        "runner_up": cut.runner_up,
        "curve": {
            name: [float(value) if np.isfinite(value) else None for value in values]
            for name, values in cut.curve.items()
        },
    }
    path.write_text(json.dumps(record, indent=1), encoding="utf-8")


def write_reconstruction(path: Path, clusters: Clusters) -> None:
    """Write the cube as its clusters describe it, and what they leave, as FITS.

    The wavelengths are those that were clustered, in the rest frame.
    """
    prepared, cube = clusters.prepared, clusters.cube
    model, residual = reconstruct(
        prepared.flux,
        clusters.cut.labels,
        clusters.profiles.median,
        clusters.shifts,
        prepared.wavelength_um,
    )
    y, x = (cube[axis].values[prepared.spaxels] for axis in "yx")
    shape = (cube.attrs["shape_y"], cube.attrs["shape_x"])
    write_cube(
        path,
        {"MODEL": _as_cube(model, y, x, shape), "RESIDUAL": _as_cube(residual, y, x, shape)},
        wavelength_um=prepared.wavelength_um,
        celestial_header=cube.attrs["celestial_header"],
        flux_unit=cube.attrs["flux_unit"],
    )


def _as_cube(
    spectra: NDArray[np.floating],
    y: NDArray[np.integer],
    x: NDArray[np.integer],
    shape: tuple[int, int],
) -> NDArray[np.float32]:
    cube = np.full((spectra.shape[1], *shape), np.nan, dtype=np.float32)
    cube[:, y, x] = spectra.T
    return cube
