"""Small cubes of every layout, and seeded damage to their headers."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable

import numpy as np
from astropy.io import fits

BLOCK, CARD = 2880, 80
SHAPE = (24, 5, 4)

VALUES = (
    *("T", "F", "", "0", "-1", "1", "3", "7", "16", "-8", "999", "1000000", "-2147483648"),
    *("1E308", "-1E308", "1E-300", "1E6", "1E-6", "NaN", "Inf", "9" * 25, "1.5", "(1.0, 2.0)"),
    *("''", "'eight   '", "'WAVE-TAB'", "'WAVE-LOG'", "'AWAV    '", "'FREQ-F2W'", "'VOPT    '"),
    *("'RA---TAN'", "'DEC--SIN'", "'GLON-CAR'", "'deg     '", "'Angstrom'", "'parsec  '"),
    *("'JWST    '", "'MUSE    '", "'MIRI    '", "'BINTABLE'", "'IMAGE   '", "'km/s/Hz^'"),
    *(
        "'\x1b[2J\x07'",
        "'\x00\x00'",
        "'\xff\xfe'",
        "'O''Brien'",
        "'open",
        "12:34:56.7",
        "'10:00:00'",
    ),
)
KEYWORDS = (
    *("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "NAXIS4", "PCOUNT"),
    *("GCOUNT", "TFIELDS", "TFORM1", "TTYPE1", "TUNIT1", "TDIM1", "EXTNAME", "GROUPS", "BSCALE"),
    *("BZERO", "BLANK", "CTYPE1", "CTYPE2", "CTYPE3", "CUNIT1", "CUNIT3", "CRVAL1", "CRVAL3"),
    *(
        "CRPIX3",
        "CDELT1",
        "CDELT3",
        "CD1_1",
        "CD3_3",
        "PC1_1",
        "PC3_3",
        "CROTA2",
        "BUNIT",
        "EQUINOX",
    ),
    *("WCSAXES", "RADESYS", "TELESCOP", "INSTRUME", "CHANNEL", "OBJECT", "TARGNAME", "TARG_RA"),
    *("PLATEIFU", "DATASUM", "CHECKSUM", "ZIMAGE", "ZCMPTYPE", "ZNAXIS", "ZNAXIS3", "ZTILE1"),
    *("RESTFRQ", "PS3_0", "PS3_1", "VELREF", "DC-FLAG", "CONTINUE", "HIERARCH", "END"),
)


def layouts() -> dict[str, bytes]:
    """A small good cube of every layout, as the bytes of its file."""
    flux = np.random.default_rng(1).normal(100, 1, SHAPE).astype(np.float32)
    one = np.ones(SHAPE, np.float32)
    sky = _sky()

    def image(data: np.ndarray, name: str, **cards: object) -> fits.ImageHDU:
        return fits.ImageHDU(data, fits.Header({**sky, **cards}), name=name)

    micron = {"CTYPE3": "WAVE", "CUNIT3": "um", "CRPIX3": 1.0, "CRVAL3": 12.5, "CDELT3": 0.0025}
    angstrom = {"CTYPE3": "AWAV", "CUNIT3": "Angstrom", "CRPIX3": 1.0, "CRVAL3": 6500.0}
    angstrom |= {"CDELT3": 1.25, "BUNIT": "10**(-20)*erg/s/cm**2/Angstrom"}
    table = {**micron, "CTYPE3": "WAVE-TAB", "CRVAL3": 1.0, "CDELT3": 1.0}
    table |= {"PS3_0": "WCS-TABLE", "PS3_1": "wavelength", "BUNIT": "MJy/sr"}
    rows = (12.5 + 0.0025 * np.arange(SHAPE[0]))[np.newaxis]
    nodes = fits.BinTableHDU.from_columns(
        [fits.Column("wavelength", f"{SHAPE[0]}D", unit="um", array=rows)], name="WCS-TABLE"
    )
    mrs = {"TELESCOP": "JWST", "INSTRUME": "MIRI", "CHANNEL": "3", "BAND": "SHORT"}
    mrs |= {"TARGNAME": "NGC 0", "TARG_RA": 150.0, "TARG_DEC": -32.5}
    bits = np.zeros(SHAPE, np.uint32)
    variances = fits.ImageHDU(one, name="VARIANCE")
    packed = fits.CompImageHDU(flux, fits.Header({**sky, **micron, "BUNIT": "MJy/sr"}))
    hdus = {
        "jwst": [_primary(mrs), image(flux, "SCI", **micron, BUNIT="MJy/sr"), image(one, "ERR"),
                 image(bits, "DQ")],
        "jwst-table": [_primary(mrs), image(flux, "SCI", **table), image(one, "ERR"), nodes],
        "muse": [_primary({"INSTRUME": "MUSE", "OBJECT": "x"}), image(flux, "DATA", **angstrom),
                 image(one, "STAT")],
        "manga": [_primary({"PLATEIFU": "7443-12703", "OBJRA": 150.0, "OBJDEC": 2.0}),
                  image(flux, "FLUX", BUNIT="1E-17 erg/s/cm^2/Ang/spaxel"), image(one, "IVAR"),
                  image(bits.astype(np.int32), "MASK"),
                  fits.ImageHDU(3622.0 * 10 ** (1e-4 * np.arange(SHAPE[0])), name="WAVE")],
        "sami": [_primary({"INSTRUME": "AAOMEGA-SAMI", "NAME": "1", **sky, **angstrom}, flux),
                 variances],
        "generic": [_primary({**sky, **micron, "BUNIT": "Jy", "CHECKSUM": ""}, flux)],
        "packed": [_primary(mrs), packed],
    }  # fmt: skip
    written = {}
    for name, parts in hdus.items():
        file = io.BytesIO()
        fits.HDUList(parts).writeto(file, checksum=name in ("generic", "jwst"))
        written[name] = file.getvalue()
    return written


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """The file with one to three pieces of damage, nearly all of them in headers."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        change = KINDS[rng.choice(len(KINDS), p=WEIGHTS)]
        change(data, rng)
        if not data:
            break
    damaged = bytes(data)
    return gzip.compress(damaged, 1) if rng.random() < 0.1 else damaged


def _sky() -> dict[str, object]:
    step = 0.2 / 3600
    return {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg",
        "CRVAL1": 150.0, "CRVAL2": -32.5, "CRPIX1": 2.5, "CRPIX2": 3.0,
        "CDELT1": -step, "CDELT2": step, "RADESYS": "ICRS",
    }  # fmt: skip


def _primary(cards: dict[str, object], data: np.ndarray | None = None) -> fits.PrimaryHDU:
    return fits.PrimaryHDU(data, fits.Header(cards))


def _places(data: bytearray) -> list[int]:
    """Where cards of headers begin."""
    places, inside = [], False
    for at in range(0, len(data), CARD):
        start = bytes(data[at : at + 8])
        inside = inside or start in (b"SIMPLE  ", b"XTENSION")
        if inside:
            places.append(at)
        if start == b"END     ":
            inside = False
    return places or [0]


def _card(name: str, value: str) -> bytes:
    return f"{name:<8}= {value:>20}".encode("latin-1")[:CARD].ljust(CARD)


def _other_value(data: bytearray, rng: np.random.Generator) -> None:
    at = int(rng.choice(_places(data)))
    name = bytes(data[at : at + 8]).decode("latin-1")
    data[at : at + CARD] = _card(name, str(rng.choice(VALUES)))


def _structural_value(data: bytearray, rng: np.random.Generator) -> None:
    name = str(rng.choice(KEYWORDS))
    places = [at for at in _places(data) if data[at : at + 8] == name.ljust(8).encode()]
    at = int(rng.choice(places or _places(data)))
    data[at : at + CARD] = _card(name, str(rng.choice(VALUES)))


def _scaled_value(data: bytearray, rng: np.random.Generator) -> None:
    places = _places(data)
    for at in rng.permutation(places)[:20]:
        value = bytes(data[at + 10 : at + 30]).strip()
        try:
            number = float(value) * float(rng.choice([-1, 10, 1e3, 1e6, 1e-3, 1e-6]))
        except ValueError:
            continue
        text = str(int(number)) if value.lstrip(b"-").isdigit() else f"{number:.6E}"
        name = bytes(data[at : at + 8]).decode("latin-1")
        data[at : at + CARD] = _card(name, text)
        return


def _removed(data: bytearray, rng: np.random.Generator) -> None:
    at = int(rng.choice(_places(data)))
    data[at : at + CARD] = b" " * CARD


def _swapped(data: bytearray, rng: np.random.Generator) -> None:
    first, second = (int(at) for at in rng.choice(_places(data), 2))
    one, other = data[first : first + CARD], data[second : second + CARD]
    data[first : first + CARD], data[second : second + CARD] = other, one


def _flipped(data: bytearray, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(1, 9)):
        at = int(rng.choice(_places(data))) + int(rng.integers(CARD))
        if at < len(data):
            data[at] ^= 1 << int(rng.integers(8))


def _noise(data: bytearray, rng: np.random.Generator) -> None:
    at = int(rng.choice(_places(data)))
    data[at : at + CARD] = rng.bytes(CARD)


def _cut(data: bytearray, rng: np.random.Generator) -> None:
    del data[int(rng.integers(len(data) + 1)) :]


def _without_block(data: bytearray, rng: np.random.Generator) -> None:
    at = BLOCK * int(rng.integers(max(1, len(data) // BLOCK)))
    del data[at : at + BLOCK]


def _twice_a_block(data: bytearray, rng: np.random.Generator) -> None:
    at = BLOCK * int(rng.integers(max(1, len(data) // BLOCK)))
    data[at:at] = data[at : at + BLOCK]


KINDS: tuple[Callable[[bytearray, np.random.Generator], None], ...] = (
    *(_other_value, _structural_value, _scaled_value, _removed, _swapped),
    *(_flipped, _noise, _cut, _without_block, _twice_a_block),
)
WEIGHTS = np.array([30, 25, 10, 10, 5, 10, 3, 2, 2, 3]) / 100
