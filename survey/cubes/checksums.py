"""DATASUM and CHECKSUM of FITS: compared with the bytes of an extension (standard, appendix J)."""

from __future__ import annotations

from typing import IO, Any

import numpy as np
from astropy.io import fits

_PIECE_BYTES = 64 << 20


def wrong_sum(hdu: Any, content: IO[bytes], datasum: str, checksum: str) -> str | None:
    """The keyword whose sum is not that of the bytes of an extension, or None.

    Parameters
    ----------
    hdu : astropy HDU
    content : file
        The file that it is in.
    datasum, checksum : str
        As written; "" for one that is not to be compared.
    """
    place = hdu.fileinfo()
    if isinstance(hdu, fits.CompImageHDU) or place is None:
        return "DATASUM" if datasum and not hdu.verify_datasum() else None
    content.seek(place["datLoc"])
    data_sum = _datasum(content, place["datSpan"])
    if datasum and str(data_sum) != datasum:
        return "DATASUM"
    if not checksum:
        return None
    content.seek(place["hdrLoc"])
    total = data_sum + _datasum(content, place["datLoc"] - place["hdrLoc"])
    # The card is such that the ones' complement sum of all words is -0.
    return None if _folded(total) == 0xFFFFFFFF else "CHECKSUM"


def _datasum(content: IO[bytes], size: int) -> int:
    """The ones' complement sum of 32-bit words."""
    total = 0
    while size > 0 and (piece := content.read(min(size, _PIECE_BYTES))):
        size -= len(piece)
        words = np.frombuffer(piece.ljust(-(-len(piece) // 4) * 4, b"\0"), ">u4")
        total += int(words.sum(dtype=np.uint64))
    return _folded(total)


def _folded(total: int) -> int:
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total
