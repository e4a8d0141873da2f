"""Writes spectra and responses as OGIP files, as programs for X-ray spectra read them.

A spectrum and its background are two SPECTRUM extensions of one file, as in the Chandra Source
Catalog; the response is an RMF and an ARF.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

from catalogs.durable import replacing
from survey.latents.grid import Floats
from survey.latents.xray.fold import Response

FIRST_CHANNEL = 1


def write_spectrum(
    path: Path, counts: Floats, background: Floats, *, exposure_s: float, background_area: float,
    rmf: str, arf: str, name: str = "", frame_s: float | None = None,
) -> None:  # fmt: skip
    """Write counts (c,) of a source region, and those of a background region.

    Parameters
    ----------
    path : Path
    counts, background : array (c,)
    exposure_s : float
    background_area : float
        Of the background region, relative to that of the source.
    rmf, arf : str
        Names of the response files, in the same folder.
    name : str
        OBJECT.
    frame_s : float, optional
        TIMEDEL, the time of a frame of the camera.
    """
    hdus = [fits.PrimaryHDU()]
    for values, kind, size in ((counts, "TOTAL", 1.0), (background, "BKG", background_area)):
        channels = np.arange(FIRST_CHANNEL, FIRST_CHANNEL + len(values))
        columns = [
            fits.Column("CHANNEL", "J", array=channels),
            fits.Column("COUNTS", "J", unit="count", array=np.rint(values).astype(np.int32)),
        ]
        hdu = fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
        hdu.header.update(
            {
                "HDUCLASS": "OGIP", "HDUCLAS1": "SPECTRUM", "HDUCLAS2": kind,
                "HDUCLAS3": "COUNT", "TELESCOP": "CHANDRA", "INSTRUME": "ACIS", "OBJECT": name,
                "EXPOSURE": exposure_s, "BACKSCAL": size, "AREASCAL": 1.0, "BACKFILE": path.name,
                "RESPFILE": rmf, "ANCRFILE": arf, "DETCHANS": len(values), "POISSERR": True,
            }
        )  # fmt: skip
        if frame_s is not None:
            hdu.header["TIMEDEL"] = frame_s
        hdus.append(hdu)
    _write(path, hdus)


def write_response(response: Response, rmf: Path, arf: Path) -> None:
    """Write a response as an RMF, whose rows add up to one, and an ARF with the rest."""
    matrix = response.matrix.toarray()
    area = matrix.sum(axis=1)
    low, high = response.energies.edges[:-1], response.energies.edges[1:]
    begins, lengths, rows = [], [], []
    for row, total in zip(matrix, area, strict=True):
        filled = np.flatnonzero(row)
        first, last = (filled[0], filled[-1] + 1) if len(filled) else (0, 1)
        begins.append(np.array([first + FIRST_CHANNEL]))
        lengths.append(np.array([last - first]))
        rows.append((row[first:last] / max(total, 1e-300)).astype(np.float32))
    columns = [
        fits.Column("ENERG_LO", "E", unit="keV", array=low),
        fits.Column("ENERG_HI", "E", unit="keV", array=high),
        fits.Column("N_GRP", "I", array=np.ones(len(rows), np.int16)),
        fits.Column("F_CHAN", "1I", array=np.concatenate(begins)),
        fits.Column("N_CHAN", "1I", array=np.concatenate(lengths)),
        fits.Column("MATRIX", "PE()", array=_ragged(rows)),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="MATRIX")
    table.header.update(
        {"HDUCLASS": "OGIP", "HDUCLAS1": "RESPONSE", "HDUCLAS2": "RSP_MATRIX",
         "HDUCLAS3": "REDIST", "TLMIN4": FIRST_CHANNEL}
    )  # fmt: skip
    edges = response.channels.edges
    numbers = np.arange(FIRST_CHANNEL, FIRST_CHANNEL + len(response.channels))
    bounds = fits.BinTableHDU.from_columns(
        [
            fits.Column("CHANNEL", "J", array=numbers),
            fits.Column("E_MIN", "E", unit="keV", array=edges[:-1]),
            fits.Column("E_MAX", "E", unit="keV", array=edges[1:]),
        ],
        name="EBOUNDS",
    )
    bounds.header.update({"HDUCLAS1": "RESPONSE", "HDUCLAS2": "EBOUNDS"})
    _write(rmf, [fits.PrimaryHDU(), table, bounds])
    areas = fits.BinTableHDU.from_columns(
        [
            fits.Column("ENERG_LO", "E", unit="keV", array=low),
            fits.Column("ENERG_HI", "E", unit="keV", array=high),
            fits.Column("SPECRESP", "E", unit="cm**2", array=area),
        ],
        name="SPECRESP",
    )
    areas.header.update({"HDUCLAS1": "RESPONSE", "HDUCLAS2": "SPECRESP"})
    _write(arf, [fits.PrimaryHDU(), areas])


def _write(path: Path, hdus: list[fits.PrimaryHDU | fits.BinTableHDU]) -> None:
    with replacing(path) as unfinished:
        fits.HDUList(hdus).writeto(unfinished, checksum=True, overwrite=True)


def _ragged(rows: list[np.ndarray]) -> np.ndarray:
    out = np.empty(len(rows), dtype=object)
    out[:] = rows
    return out
