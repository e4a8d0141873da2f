"""Positions with a class or a value, such as sources of a catalog, on the spaxels of a cube."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.cubes.files.cube_file import CubeFile
from survey.cubes.wcs import angle_deg, sky_position
from survey.errors import DataError

NOWHERE = -1
RA, DEC = ("ra", "raj2000", "ra_icrs", "_raj2000"), ("dec", "dej2000", "de_icrs", "_dej2000")
"""Names that columns of coordinates may have, in any case of letters."""


@dataclass(frozen=True)
class Positions:
    """Rows of a table.

    Attributes
    ----------
    ra, dec : (n,) arrays
        ICRS, degrees.
    values : (n,) array
        Text or numbers.
    file : str
        Where they are from, for messages.
    """

    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    values: NDArray[Any]
    file: str

    def at_spaxels(
        self, celestial: str, shape: tuple[int, int], radius_arcsec: float
    ) -> NDArray[np.intp]:
        """(ny, nx) the row of the position of every spaxel; `NOWHERE` without one.

        A position is that of the spaxel that is nearest to it, if it is within it, and of others
        with a centre within `radius_arcsec`; of several the nearest counts.

        Raises
        ------
        DataError
            If no position is on the cube.
        """
        from scipy.spatial import cKDTree  # slow to import

        n_y, n_x = shape
        y, x = np.mgrid[0:n_y, 0:n_x]
        centres = _on_sphere(*sky_position(celestial, x.ravel(), y.ravel()))
        places = _on_sphere(self.ra, self.dec)
        found = np.full(n_y * n_x, NOWHERE, np.intp)
        within = max(radius_arcsec, 0.0)
        distance, row = cKDTree(places).query(centres)
        near = distance <= _chord(within)
        found[near] = row[near]
        # Its own spaxel always, and the nearest position of those in one.
        apart, spaxel = cKDTree(centres).query(places)
        own = np.flatnonzero(apart <= _half_diagonal(centres, shape))
        farthest_first = own[np.argsort(-apart[own], kind="stable")]
        found[spaxel[farthest_first]] = farthest_first
        if (found == NOWHERE).all():
            middle = sky_position(celestial, (n_x - 1) / 2, (n_y - 1) / 2)
            to_middle = np.linalg.norm(places - _on_sphere(*middle), axis=-1)
            nearest = np.rad2deg(2 * np.arcsin(np.minimum(to_middle.min() / 2, 1))) * 3600
            raise DataError(
                "no position of the table is on the galaxy",
                file=self.file,
                expected=f"some within the field around {float(middle[0]):.5f} "
                f"{float(middle[1]):+.5f}",
                found=f'the nearest of {len(self.ra)} at {nearest:.3g}" from there',
            )
        return found.reshape(shape)


def read_positions(file: CubeFile, column: str) -> Positions:
    """The positions of a table (ECSV, CSV, FITS, VOTable), with one of its columns.

    Rows without a position or a value are left out.

    Raises
    ------
    DataError
        If it cannot be read, or lacks a column.
    """
    from astropy.table import Table  # slow to import

    path = file.local
    if path is None:
        raise DataError("tables of positions are read from a disk", file=file.address)
    if not path.is_file():
        raise DataError("no such file", file=path)
    try:
        kind = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".txt": "ascii"}.get(path.suffix)
        table = Table.read(path, format=kind)
    except Exception as error:  # astropy's readers raise whatever their parsers do
        raise DataError(
            "cannot be read as a table", file=path, expected="ECSV, CSV, FITS or VOTable",
            found=(str(error) or type(error).__name__).splitlines()[0],
        ) from None  # fmt: skip
    ra, dec = (_angles(table, names, path) for names in (RA, DEC))
    values = table[_column(table, (column,), path)]
    missing = np.ma.getmaskarray(np.ma.asarray(values))
    data = np.asarray(np.ma.getdata(np.ma.asarray(values)))
    if data.dtype.kind == "S":
        data = data.astype(str)
    if data.dtype.kind == "f":
        missing = missing | ~np.isfinite(data)
    elif data.dtype.kind in "OU":
        data = np.array([str(value).strip() for value in data], dtype=str)
        missing = missing | (data == "")
    kept = np.isfinite(ra) & np.isfinite(dec) & (np.abs(dec) <= 90) & ~missing
    if not kept.any():
        raise DataError("no row has a position and a value", file=path, found=f"{len(table)} rows")
    return Positions(ra[kept], dec[kept], data[kept], str(path))


def _column(table: Any, names: tuple[str, ...], path: object) -> str:
    for name in table.colnames:
        if name.lower() in names or name in names:
            return str(name)
    raise DataError(
        f"the table has no column {names[0]!r}",
        file=str(path),
        expected=" or ".join(names),
        found=", ".join(table.colnames),
    )


def _angles(table: Any, names: tuple[str, ...], path: object) -> NDArray[np.float64]:
    """A column of angles in degrees, NaN where it is none."""
    column = table[_column(table, names, path)]
    unit = str(column.unit) if column.unit is not None else ""
    filled = np.ma.filled(np.ma.asarray(column), "" if column.dtype.kind in "OSU" else np.nan)
    if filled.dtype.kind in "OSU":
        texts = [t.decode() if isinstance(t, bytes) else str(t) for t in filled]
        return np.array([angle_deg(text, is_ra="ra" in names) for text in texts])
    factor = {"rad": 180 / np.pi, "hourangle": 15.0, "h": 15.0}.get(unit, 1.0)
    return np.asarray(filled, np.float64) * factor


def _on_sphere(ra: Any, dec: Any) -> NDArray[np.float64]:
    """Unit vectors (..., 3)."""
    ra, dec = np.deg2rad(ra), np.deg2rad(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def _chord(arcsec: float) -> float:
    return float(2 * np.sin(np.deg2rad(arcsec / 3600) / 2))


def _half_diagonal(centres: NDArray[np.float64], shape: tuple[int, int]) -> float:
    """Half the diagonal of a spaxel, as a chord."""
    grid = centres.reshape(*shape, 3)
    down, right = grid[min(1, shape[0] - 1), 0], grid[0, min(1, shape[1] - 1)]
    return float(np.sqrt(np.sum((down - grid[0, 0]) ** 2) + np.sum((right - grid[0, 0]) ** 2))) / 2
