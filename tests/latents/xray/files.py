"""Small OGIP files: three channels or a few more, every part of them to be changed by a test."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits

CHANNELS = 8
COUNTS = np.array([0, 3, 1, 4, 1, 5, 9, 2])

Column = tuple[str, np.ndarray]


def spectrum(
    columns: list[fits.Column] | None = None, *, drop: tuple[str, ...] = (), **cards: object
) -> fits.BinTableHDU:
    """A SPECTRUM extension of type I; more columns and cards are added, or take the place."""
    basic = {
        "CHANNEL": fits.Column("CHANNEL", "J", array=np.arange(1, CHANNELS + 1)),
        "COUNTS": fits.Column("COUNTS", "J", array=COUNTS),
    }
    basic |= {column.name: column for column in columns or []}
    hdu = fits.BinTableHDU.from_columns([v for k, v in basic.items() if k not in drop])
    header = {
        "EXTNAME": "SPECTRUM",
        "HDUCLAS1": "SPECTRUM",
        "HDUCLAS2": "TOTAL",
        "EXPOSURE": 1000.0,
        "BACKSCAL": 1e-6,
        "AREASCAL": 1.0,
        "BACKFILE": "none",
        "RESPFILE": "small.rmf",
        "ANCRFILE": "small.arf",
        "TELESCOP": "CHANDRA",
        "INSTRUME": "TOY",
        "DETCHANS": CHANNELS,
    } | cards
    hdu.header.update({k: v for k, v in header.items() if k not in drop})
    return hdu


def write(path: Path, *tables: fits.BinTableHDU) -> Path:
    """The tables as a FITS file with checksums."""
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(path, checksum=True, overwrite=True)
    return path


def rmf(
    matrix: np.ndarray,
    *,
    first: int = 1,
    variable: bool = True,
    change: Callable[[dict], None] = lambda columns: None,
    drop: tuple[str, ...] = (),
    **cards: object,
) -> list[fits.BinTableHDU]:
    """MATRIX and EBOUNDS of a matrix (e, c) of probabilities, its zeros left out.

    `first` is the number of the first channel; `change` may alter the columns.
    """
    n_energies, n_channels = matrix.shape
    begins, lengths, values = [], [], []
    for row in matrix:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], (row > 0).astype(int), [0]])))
        begins.append(edges[::2] + first)
        lengths.append(edges[1::2] - edges[::2])
        values.append(row[row > 0])
    columns: dict = {
        "ENERG_LO": ("E", energies(n_energies)[:-1]),
        "ENERG_HI": ("E", energies(n_energies)[1:]),
        "N_GRP": ("I", np.array([len(one) for one in begins])),
    }
    if variable:
        columns |= {
            "F_CHAN": ("PI()", _ragged(begins)),
            "N_CHAN": ("PI()", _ragged(lengths)),
            "MATRIX": ("PE()", _ragged(values)),
        }
    else:
        width = max(map(len, begins))
        length = max(map(len, values))
        columns |= {
            "F_CHAN": (f"{width}I", _padded(begins, width)),
            "N_CHAN": (f"{width}I", _padded(lengths, width)),
            "MATRIX": (f"{length}E", _padded(values, length)),
        }
    change(columns)
    table = fits.BinTableHDU.from_columns(
        [fits.Column(k, form, array=v) for k, (form, v) in columns.items() if k not in drop]
    )
    header: dict = {"EXTNAME": "MATRIX", "HDUCLAS1": "RESPONSE", "HDUCLAS2": "RSP_MATRIX"}
    if "F_CHAN" not in drop:
        header[f"TLMIN{[k for k in columns if k not in drop].index('F_CHAN') + 1}"] = first
    table.header.update(header | cards)
    nominal = np.linspace(1.0, 9.0, n_channels + 1)
    bounds = fits.BinTableHDU.from_columns(
        [
            fits.Column("CHANNEL", "J", array=np.arange(first, first + n_channels)),
            fits.Column("E_MIN", "E", array=nominal[:-1]),
            fits.Column("E_MAX", "E", array=nominal[1:]),
        ]
    )
    bounds.header.update({"EXTNAME": "EBOUNDS", "HDUCLAS1": "RESPONSE", "HDUCLAS2": "EBOUNDS"})
    return [table, bounds]


def arf(n_energies: int, area_cm2: float = 100.0) -> fits.BinTableHDU:
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("ENERG_LO", "E", array=energies(n_energies)[:-1]),
            fits.Column("ENERG_HI", "E", array=energies(n_energies)[1:]),
            fits.Column("SPECRESP", "E", array=np.full(n_energies, area_cm2)),
        ]
    )
    table.header.update({"EXTNAME": "SPECRESP", "HDUCLAS1": "RESPONSE", "HDUCLAS2": "SPECRESP"})
    return table


def energies(count: int) -> np.ndarray:
    return np.linspace(1.0, 9.0, count + 1)


def _ragged(rows: list[np.ndarray]) -> np.ndarray:
    out = np.empty(len(rows), dtype=object)
    out[:] = rows
    return out


def _padded(rows: list[np.ndarray], width: int) -> np.ndarray:
    return np.array([np.pad(row, (0, width - len(row))) for row in rows])
