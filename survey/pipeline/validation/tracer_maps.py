"""A tracer on the spaxels of a galaxy, from its file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.config.tracers import TracerSettings
from survey.cubes.files.cube_file import CubeFile
from survey.cubes.sky_maps import NEAREST, read_sky_map
from survey.cubes.sky_positions import NOWHERE, read_positions
from survey.errors import DataError

MOST_CLASSES = 100


@dataclass(frozen=True)
class GriddedTracer:
    """A tracer on the grid of a cube.

    Attributes
    ----------
    values : (ny, nx) array
        Values, or the numbers 1, 2, ... of the classes; NaN where there is none.
    classes : tuple of str, optional
        Names of the classes; None if it has values.
    """

    values: NDArray[np.float64]
    classes: tuple[str, ...] | None = None


def gridded(
    tracer: TracerSettings, file: CubeFile, celestial: str, shape: tuple[int, int]
) -> GriddedTracer:
    """Bring a tracer to the grid of a cube.

    Parameters
    ----------
    tracer : TracerSettings
    file : CubeFile
        Where it is of this galaxy.
    celestial : str
        Text of the celestial header of the cube.
    shape : (ny, nx)
        Of its grid.

    Raises
    ------
    DataError
        If the cube has no celestial coordinates; if the file cannot be read, or nothing of it is on
        the cube; if it does not have what `kind` says.
    """
    if not celestial:
        raise DataError(
            "the cube has no celestial coordinates, so that no map can be laid over it",
            file=file.address,
        )
    if tracer.table is not None:
        return _from_table(tracer, file, celestial, shape)
    found = read_sky_map(file, celestial, shape, extension=tracer.extension, plane=tracer.plane)
    for value in tracer.missing:
        found.values[found.values == value] = np.nan
    if tracer.kind != "classes":
        return GriddedTracer(found.on_grid(celestial, shape, tracer.resample))
    _refuse_fractions(found.values, file)
    on_grid = found.on_grid(celestial, shape, NEAREST)
    numbers = [int(value) for value in np.unique(on_grid[np.isfinite(on_grid)])]
    names = {number: str(number) for number in numbers}
    if tracer.classes is not None:
        named = {int(number): name for number, name in tracer.classes.items()}
        names = {number: named[number] for number in named if number in names}
        if not names:
            raise DataError(
                "the map has none of the named classes on the galaxy",
                file=file.address,
                expected=", ".join(tracer.classes),
                found=", ".join(map(str, numbers[:10])),
            )
    return _as_codes({number: on_grid == number for number in names}, names, file)


def _as_codes(
    where: dict[int, NDArray[np.bool_]], names: dict[int, str], file: CubeFile
) -> GriddedTracer:
    """Classes numbered 1, 2, ...; several numbers may have one name."""
    classes = tuple(dict.fromkeys(names.values()))
    if len(classes) > MOST_CLASSES:
        raise DataError(
            f"a map of {len(classes)} classes",
            file=file.address,
            expected=f"at most {MOST_CLASSES}",
            found="more",
            advice='For a map of values say kind = "continuous".',
        )
    codes = np.full(next(iter(where.values())).shape, np.nan)
    for number, inside in where.items():
        codes[inside] = classes.index(names[number]) + 1
    return GriddedTracer(codes, classes)


def _refuse_fractions(values: NDArray[np.float64], file: CubeFile) -> None:
    known = values[np.isfinite(values)]
    broken = known[known != np.rint(known)]
    if broken.size:
        raise DataError(
            "a map of classes has values that are no whole numbers",
            file=file.address,
            expected="a number for every class",
            found=f"{broken[0]:.6g}",
            advice='For a map of values say kind = "continuous".',
        )


def _from_table(
    tracer: TracerSettings, file: CubeFile, celestial: str, shape: tuple[int, int]
) -> GriddedTracer:
    positions = read_positions(file, tracer.column_name)
    row = positions.at_spaxels(celestial, shape, tracer.radius_arcsec)
    near = row != NOWHERE
    if tracer.kind != "classes":
        if positions.values.dtype.kind not in "fiu":
            raise DataError(
                f"the column {tracer.column_name!r} has no numbers",
                file=file.address,
                expected="values",
                found=str(positions.values[0]),
                advice='For classes say kind = "classes".',
            )
        values = np.full(shape, np.nan)
        values[near] = positions.values[row[near]]
        return GriddedTracer(values)
    texts = np.array([str(value) for value in positions.values])
    names = dict(enumerate(dict.fromkeys(sorted(set(texts[row[near]].tolist())))))
    where = {number: near & (texts[row] == name) for number, name in names.items()}
    if tracer.elsewhere is not None:
        names[len(names)] = tracer.elsewhere
        where[len(where)] = ~near
    return _as_codes(where, names, file)
