"""What there is of a galaxy in an archive, before it is fetched."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from survey.errors import DataError

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]*")


@dataclass(frozen=True)
class Wanted:
    """A galaxy whose cubes are wanted.

    Attributes
    ----------
    galaxy : str
    ra_deg, dec_deg : float
        NaN if unknown.
    redshift : float
        NaN if unknown.
    program : int or None
        The observing programme that its cubes must be of.
    """

    galaxy: str
    ra_deg: float = math.nan
    dec_deg: float = math.nan
    redshift: float = math.nan
    program: int | None = None


@dataclass(frozen=True)
class Product:
    """A file of an archive; its name becomes that of a file on this machine.

    Attributes
    ----------
    name, url : str
    size : int or None
        Bytes; None if the archive does not tell.
    """

    name: str
    url: str
    size: int | None = None

    def __post_init__(self) -> None:
        if not _SAFE_NAME.fullmatch(self.name):
            raise DataError(
                "the archive gives a file no name of a file", file=self.url, found=repr(self.name)
            )


@dataclass(frozen=True)
class Found:
    """A galaxy with its files, and what the user should know about the choice of them."""

    wanted: Wanted
    products: tuple[Product, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What will be fetched, and what was not found."""

    found: tuple[Found, ...]
    missing: tuple[DataError, ...] = field(default=())

    @property
    def products(self) -> list[Product]:
        """All files, each once."""
        return list(dict.fromkeys(one for found in self.found for one in found.products))

    @property
    def known_bytes(self) -> int:
        """Their sizes together, as far as the archive tells."""
        return sum(product.size or 0 for product in self.products)


def separation_arcsec(ra_deg: float, dec_deg: float, other_ra: float, other_dec: float) -> float:
    """The angle between two places on the sky (haversine)."""
    ra, dec, ra_2, dec_2 = map(math.radians, (ra_deg, dec_deg, other_ra, other_dec))
    square = (
        math.sin((dec_2 - dec) / 2) ** 2
        + math.cos(dec) * math.cos(dec_2) * math.sin((ra_2 - ra) / 2) ** 2
    )
    return math.degrees(2 * math.asin(math.sqrt(min(1.0, square)))) * 3600
