"""Files in the part of a galaxy besides tables: the record of the cut, the model cube."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from survey.clustering.cut import Cut
from survey.clustering.reconstruct import reconstruct
from survey.cubes.write_fits import write_cube
from survey.pipeline.galaxy.clusters import Clusters
from survey.spectra.blocks import Allocate, row_blocks

_BLOCK_SAMPLES = 2**22


def write_cut(path: Path, cut: Cut) -> None:
    """Write how the number of clusters was chosen, as JSON; NaN becomes null.

    Decisions of the walk are the table `splits`.
    """
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


def write_reconstruction(path: Path, clusters: Clusters, allocate: Allocate) -> None:
    """Write the model cube of the clusters, and the residual, as FITS.

    The wavelengths are those that were clustered, in the rest frame. Spectra are modelled row by
    row and written plane by plane; `allocate` makes the table "model" in between.
    """
    prepared, cube = clusters.prepared, clusters.cube
    flux, model = prepared.flux, allocate("model", prepared.flux.shape, np.dtype(np.float32))
    for rows in row_blocks(flux.shape, _BLOCK_SAMPLES):
        model[rows], _ = reconstruct(
            flux[rows],
            clusters.cut.labels[rows],
            clusters.profiles.median,
            clusters.shifts[rows],
            prepared.wavelength_um,
        )
    y, x = (cube[axis].values[prepared.spaxels] for axis in "yx")
    image = (cube.attrs["shape_y"], cube.attrs["shape_x"])
    width = max(1, _BLOCK_SAMPLES // (image[0] * image[1]))

    def planes(spectra: Callable[[slice], NDArray[np.floating]]) -> Iterator[NDArray[np.float32]]:
        for start in range(0, flux.shape[1], width):
            yield _as_cube(spectra(slice(start, start + width)), y, x, image)

    write_cube(
        path,
        {
            "MODEL": planes(lambda part: model[:, part]),
            "RESIDUAL": planes(lambda part: flux[:, part] - model[:, part]),
        },
        shape=(flux.shape[1], *image),
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
