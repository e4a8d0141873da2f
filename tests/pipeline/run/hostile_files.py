"""Files that are not what they say: each is written in a moment, and asks for far more."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from astropy.io import fits

GIB = 1 << 30
TAIL_BYTES = 8 * GIB


def _card(path: Path, content: bytes, keyword: str, value: str, *, extension: int = 1) -> None:
    """Write a cube of which one card has another value, which astropy would not write."""
    places = [match.start() for match in re.finditer(keyword.ljust(8).encode() + b"= ", content)]
    at = places[min(extension, len(places) - 1)]
    card = f"{keyword:<8}= {value:>20}".ljust(80).encode()
    path.write_bytes(content[:at] + card + content[at + 80 :])


def _cards(**values: str) -> Callable[[Path, bytes], None]:
    def write(path: Path, content: bytes) -> None:
        for keyword, value in values.items():
            _card(path, content, keyword, value)
            content = path.read_bytes()

    return write


def _primary_card(keyword: str, value: str) -> Callable[[Path, bytes], None]:
    return lambda path, content: _card(path, content, keyword, value, extension=0)


def _fifo(path: Path, content: bytes) -> None:
    os.mkfifo(path)


def _link_to(target: str) -> Callable[[Path, bytes], None]:
    return lambda path, content: path.symlink_to(target)


def _circle(path: Path, content: bytes) -> None:
    path.symlink_to(path.name)


def _folder(path: Path, content: bytes) -> None:
    path.mkdir()


def _header_alone(path: Path, content: bytes) -> None:
    """3 GB by its header, 3 kB on the disk."""
    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 3)])
    header.update(NAXIS1=1000, NAXIS2=1000, NAXIS3=750, TELESCOP="JWST")
    path.write_bytes(header.tostring().encode())


def _no_end(path: Path, content: bytes) -> None:
    path.write_bytes(
        b"SIMPLE  =                    T".ljust(80) + b"COMMENT ".ljust(80) * (1 << 18)
    )


def _mostly_hole(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    os.truncate(path, 1024 * GIB)


def _zeros_behind(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with path.open("ab") as file:
        file.truncate(200 << 20)


def _gzip_zero_tail(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content, 1))
    with path.open("ab") as file:
        file.truncate(file.tell() + (300 << 20))


@cache
def _zeros(n_bytes: int, compress: Callable[[bytes], bytes]) -> bytes:
    """Packed zeros: one packed piece over and over."""
    return compress(bytes(16 << 20)) * (n_bytes >> 24)


def _lying_start() -> bytes:
    """The header of a cube of 40 GB."""
    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 3)])
    header.update(NAXIS1=1000, NAXIS2=1000, NAXIS3=10_000, TELESCOP="JWST", INSTRUME="MIRI")
    return header.tostring().encode()


def _bomb(compress: Callable[[bytes], bytes], *, honest: bool) -> Callable[[Path, bytes], None]:
    """8 GiB of zeros behind the header of a cube of 40 GB, or behind a small cube."""

    def write(path: Path, content: bytes) -> None:
        start = content if honest else _lying_start()
        path.write_bytes(compress(start) + _zeros(TAIL_BYTES, compress))

    return write


def _zip_bomb(path: Path, content: bytes) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("cube.fits", "w", force_zip64=True) as member,
    ):
        member.write(content)
        for _ in range(10):
            member.write(bytes(16 << 20))


def _many_members(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(30_000):
            archive.writestr(f"{number:05d}", b"")


def _xz_dictionary(path: Path, content: bytes) -> None:
    """A small cube whose header asks for a dictionary of 3 GiB."""
    plain = lzma.compress(content, format=lzma.FORMAT_XZ, preset=0)
    # The size of the dictionary is one byte of the block header, which has a sum of its own.
    header = bytearray(plain[12:24])
    header[4] = 39
    header[8:12] = zlib.crc32(bytes(header[:8])).to_bytes(4, "little")
    path.write_bytes(plain[:12] + bytes(header) + plain[24:])


def _many_extensions(path: Path, content: bytes) -> None:
    primary = fits.PrimaryHDU().header.tostring().encode()
    path.write_bytes(primary + fits.ImageHDU().header.tostring().encode() * 20_000)


def _uneven_wavelengths(path: Path, content: bytes) -> None:
    """Planes a millionth of a micron apart, but for one: a uniform grid has 6,000,000."""
    with fits.open(io.BytesIO(content)) as cube:
        n_plane = cube["SCI"].header["NAXIS3"]
        values = 12.0 + 1e-6 * np.arange(n_plane)
        values[-1] = 18.0
        cube["SCI"].header.update(CTYPE3="WAVE-TAB", PS3_0="WCS-TABLE", PS3_1="wavelength")
        cube["SCI"].header.update(CRVAL3=1.0, CRPIX3=1.0, CDELT3=1.0)
        column = fits.Column("wavelength", f"{n_plane}D", unit="um", array=values[np.newaxis])
        cube.append(fits.BinTableHDU.from_columns([column], name="WCS-TABLE"))
        cube.writeto(path)


def _table(**values: str) -> Callable[[Path, bytes], None]:
    """A cube with a table of wavelengths, whose header says something else."""

    def write(path: Path, content: bytes) -> None:
        _uneven_wavelengths(path, content)
        for keyword, value in values.items():
            _card(path, path.read_bytes(), keyword, value)

    return write


def _tiles(**values: str) -> Callable[[Path, bytes], None]:
    """A tile-compressed cube of 240 tiles whose header says something else."""

    def write(path: Path, content: bytes) -> None:
        with fits.open(io.BytesIO(content)) as good:
            primary, header = good[0].copy(), good["SCI"].header
            data = np.ones((60, 4, 4), np.float32)
            cube = fits.CompImageHDU(data, header, name="SCI", compression_type="GZIP_1")
            fits.HDUList([primary, cube]).writeto(path)
        for keyword, value in values.items():
            _card(path, path.read_bytes(), keyword, value)

    return write


HOSTILE: dict[str, tuple[str, Callable[[Path, bytes], None], str]] = {
    "naxis-0": (".fits", _cards(NAXIS="0"), "NAXIS|SCI|image"),
    "naxis-negative": (".fits", _cards(NAXIS="-8"), "NAXIS .*found '-8'"),
    "naxis-word": (".fits", _cards(NAXIS="'eight   '"), "NAXIS .*eight"),
    "naxis-primary-word": (".fits", _primary_card("NAXIS", "'eight   '"), "NAXIS .*eight"),
    "naxis1-negative": (".fits", _cards(NAXIS1="-5"), "NAXIS1"),
    "naxis1-endless": (".fits", _cards(NAXIS1="9" * 20), "truncated"),
    "naxis1-float": (".fits", _cards(NAXIS1="1E300"), "NAXIS1"),
    "bitpix-7": (".fits", _cards(BITPIX="7"), "BITPIX"),
    "pipe": (".fits", _fifo, "named pipe"),
    "zeros-for-ever": (".fits", _link_to("/dev/zero"), "a device"),
    "terminal": (".fits", _link_to("/dev/tty"), "a device"),
    "circle": (".fits", _circle, "cannot be opened"),
    "folder": (".fits", _folder, "a folder"),
    "lying-size": (".fits", _header_alone, "truncated"),
    "no-end": (".fits", _no_end, "no end"),
    "one-terabyte-hole": (".fits", _mostly_hole, "never written"),
    "zeros-behind": (".fits", _zeros_behind, "behind the end"),
    "many-extensions": (".fits", _many_extensions, "too many extensions"),
    "table-columns": (".fits", _table(TFIELDS="99999999"), "TFIELDS"),
    "table-width": (".fits", _table(TFORM1="'99999999999D'"), "WCS-TABLE|tables|uneven"),
    "tiles-planes": (".fits", _tiles(ZNAXIS3="10000000"), "tiles of its header"),
    "tiles-wide": (".fits", _tiles(ZNAXIS1="40000", ZNAXIS2="40000"), "tiles of its header"),
    "tiles-large": (
        ".fits",
        _tiles(ZNAXIS1="90000", ZNAXIS2="90000", ZNAXIS3="240", ZTILE1="90000", ZTILE2="90000"),
        "too large tiles",
    ),
    "tiles-unpacked": (
        ".fits",
        _tiles(ZNAXIS1="4000", ZNAXIS2="4000", ZNAXIS3="240", ZTILE1="4000", ZTILE2="4000"),
        "unpack to too much",
    ),
    "step-times-1e6": (".fits", _cards(CDELT3="2500.0"), "wavelength"),
    "step-over-1e6": (".fits", _cards(CDELT3="2.5E-09"), "wavelength steps cannot be"),
    "uneven": (".fits", _uneven_wavelengths, "too uneven"),
    "gzip-zero-tail": (".fits.gz", _gzip_zero_tail, "zeros follow"),
    "gzip-bomb": (".fits.gz", _bomb(gzip.compress, honest=False), "unpack to more"),
    "bzip2-bomb": (".fits.bz2", _bomb(bz2.compress, honest=False), "unpack to more"),
    "xz-bomb": (".fits.xz", _bomb(lzma.compress, honest=False), "unpack to more"),
    "gzip-bomb-behind": (".fits.gz", _bomb(gzip.compress, honest=True), "more than its headers"),
    "bzip2-bomb-behind": (".fits.bz2", _bomb(bz2.compress, honest=True), "more than its headers"),
    "xz-bomb-behind": (".fits.xz", _bomb(lzma.compress, honest=True), "more than its headers"),
    "xz-dictionary": (".fits.xz", _xz_dictionary, "corrupt"),
    "zip-bomb": (".fits.zip", _zip_bomb, "more than its headers"),
    "zip-many": (".fits.zip", _many_members, "list of files"),
}
"""What a file is: its ending, how it is made of the content of a good cube, and what is said."""


def write_hostile(folder: Path, good: Path) -> dict[str, Path]:
    """All of `HOSTILE` in a folder, by name."""
    content, written = good.read_bytes(), {}
    for name, (ending, write, _) in HOSTILE.items():
        written[name] = folder / f"{name}{ending}"
        write(written[name], content)
    return written
