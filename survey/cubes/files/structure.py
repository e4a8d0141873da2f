"""The headers of a FITS file one after the other, and the sizes that they imply.

Only what the standard calls mandatory is read (FITS 4.0, section 4.4.1), in blocks of 2880 bytes,
and within limits: nothing that a header says is believed before it was compared with the size of
the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

from survey.errors import DataError

BLOCK_BYTES = 2880
MOST_HEADER_BYTES = 16 << 20
"""Of one header: 200,000 cards. Those of JWST have some 1,000."""

MOST_EXTENSIONS = 2000
MOST_AXES = MOST_COLUMNS = 999
MOST_TILE_BYTES = 256 << 20
ALWAYS_BYTES = 1 << 30
MOST_RATIO = 100
"""Above `ALWAYS_BYTES` cubes do not shrink by more than this: noise does not."""

_CARD_BYTES = 80
_INTEGER = re.compile(rb"\s*([+-]?\d{1,30})\s*(/.*)?", re.S)
_NAMES = re.compile(
    rb"(Z?BITPIX|Z?NAXIS\d{0,3}|PCOUNT|GCOUNT|GROUPS|TFIELDS|ZIMAGE|ZTILE\d{1,3}) *"
)
_BITPIX = (8, 16, 32, 64, -32, -64)


@dataclass(frozen=True)
class HeaderUnit:
    """One header and the data that belong to it.

    Attributes
    ----------
    number : int
        0 is the primary one.
    text : bytes
        Its cards, the last block filled up.
    axes : tuple of int
        NAXIS1, NAXIS2, ...
    data_bytes : int
        Bytes of its data, without those that fill the last block.
    """

    number: int
    text: bytes
    axes: tuple[int, ...]
    data_bytes: int

    @property
    def padded_bytes(self) -> int:
        """Bytes of its data with those that fill the last block."""
        return -(-self.data_bytes // BLOCK_BYTES) * BLOCK_BYTES


def header_units(
    read: Callable[[int], bytes], skip: Callable[[int], None], *, file: str | Path
) -> Iterator[HeaderUnit]:
    """The headers of a file in order.

    Parameters
    ----------
    read : callable
        Gives the next bytes, fewer than asked for only at the end of the file.
    skip : callable
        Passes over so many bytes; called for the data of a unit when the next one is wanted.
    file : str or Path
        For messages.

    Raises
    ------
    DataError
        If the file does not begin as FITS, or a header has no end or impossible sizes.
    """
    for number in range(MOST_EXTENSIONS):
        block = read(BLOCK_BYTES)
        if number == 0 and not block.startswith(b"SIMPLE"):
            raise DataError(
                "not a readable FITS file",
                file=file,
                expected="SIMPLE at its beginning",
                found=repr(block[:10].decode("latin-1")) if block else "an empty file",
            )
        if number > 0 and not block.startswith(b"XTENSION"):
            return  # the end, or special records, which the standard allows there
        unit = _unit(number, _whole_header(block, read, number, file), file)
        yield unit
        skip(unit.padded_bytes)
    raise DataError(
        "the file has too many extensions",
        file=file,
        expected=f"{MOST_EXTENSIONS} or fewer",
        found="more",
    )


def _whole_header(
    block: bytes, read: Callable[[int], bytes], number: int, file: str | Path
) -> bytes:
    blocks = [block]
    while not _has_end(blocks[-1]):
        block = read(BLOCK_BYTES)
        if not block or len(blocks) * BLOCK_BYTES >= MOST_HEADER_BYTES:
            raise DataError(
                f"the header of extension {number} has no end: the file is truncated or corrupt",
                file=file,
                expected="a card END",
                found=f"{sum(map(len, blocks))} bytes without one",
                advice="Download the file again",
            )
        blocks.append(block)
    return b"".join(blocks)


def _has_end(block: bytes) -> bool:
    return any(
        block[at : at + 3] == b"END" and not block[at + 3 : at + 8].strip(b" \0")
        for at in range(0, len(block), _CARD_BYTES)
    )


def _unit(number: int, text: bytes, file: str | Path) -> HeaderUnit:
    cards: dict[str, bytes] = {}
    for at in range(0, len(text), _CARD_BYTES):
        name, equals, value = text[at : at + 8], text[at + 8 : at + 9], text[at + 9 : at + 80]
        if equals == b"=" and _NAMES.fullmatch(name):
            cards.setdefault(name.decode("ascii").strip(), value)

    def integer(name: str, low: int, high: int | None = None, default: int | None = None) -> int:
        if name not in cards and default is not None:
            return default
        match = _INTEGER.fullmatch(cards.get(name, b""))
        value = int(match[1]) if match else None
        if value is None or value < low or (high is not None and value > high):
            found = cards.get(name, b"").partition(b"/")[0].strip().decode("latin-1")
            raise DataError(
                f"{name} in the header of extension {number} cannot be",
                file=file,
                expected=f"a whole number from {low}" + (f" to {high}" if high else ""),
                found=repr(found) if found else "nothing",
            )
        return value

    integer("TFIELDS", 0, MOST_COLUMNS, default=0)
    bits = integer("BITPIX", -64, 64)
    if bits not in _BITPIX:
        raise DataError(
            f"BITPIX in the header of extension {number} cannot be",
            file=file,
            expected=" or ".join(map(str, _BITPIX)),
            found=str(bits),
        )
    axes = tuple(
        integer(f"NAXIS{axis}", 0) for axis in range(1, integer("NAXIS", 0, MOST_AXES) + 1)
    )
    sizes = axes
    if cards.get("GROUPS", b"").split(b"/")[0].strip() == b"T" and axes[:1] == (0,):
        sizes = axes[1:]
    n_values = prod(sizes) if sizes else 0
    per_group = integer("PCOUNT", 0, default=0) + n_values
    data_bytes = abs(bits) // 8 * integer("GCOUNT", 0, default=1) * per_group if axes else 0
    if number > 0 and cards.get("ZIMAGE", b"").split(b"/")[0].strip() == b"T":
        _check_tiles(number, integer, axes, data_bytes, file)
    return HeaderUnit(number, text, axes, data_bytes)


def _check_tiles(
    number: int,
    integer: Callable[..., int],
    axes: tuple[int, ...],
    data_bytes: int,
    file: str | Path,
) -> None:
    """Check that a tile-compressed image (section 10.1) has the tiles that its header implies."""
    sizes = [integer(f"ZNAXIS{i}", 0) for i in range(1, integer("ZNAXIS", 0, MOST_AXES) + 1)]
    tiles = [
        min(size, integer(f"ZTILE{i}", 1, default=size if i == 1 else 1))
        for i, size in enumerate(sizes, start=1)
    ]
    n_tile = prod(-(-size // max(tile, 1)) for size, tile in zip(sizes, tiles, strict=True))
    n_row = axes[1] if len(axes) > 1 else 0
    image_bytes = prod(sizes) * abs(integer("ZBITPIX", -64, 64)) // 8
    allowed = max(ALWAYS_BYTES, MOST_RATIO * data_bytes)
    tile_bytes = 8 * prod(tiles)
    most = "bytes or less"
    for is_wrong, message, expected, unit, found in (
        (n_tile != n_row, "does not have the tiles of its header", n_tile, "tiles", n_row),
        (tile_bytes > MOST_TILE_BYTES, "has too large tiles", MOST_TILE_BYTES, most, tile_bytes),
        (image_bytes > allowed, "would unpack to too much", allowed, most, image_bytes),
    ):
        if is_wrong:
            raise DataError(
                f"the compressed image of extension {number} {message}",
                file=file,
                expected=f"{expected} {unit}",
                found=str(found),
                advice="Download the file again",
            )
