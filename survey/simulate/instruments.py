"""The instruments of simulated cubes: what these have in common with observed ones is data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from catalogs.reference import packaged_reference

MRS = "MIRI/MRS"
MUSE = "MUSE"

FILES = {MRS: "mrs.toml", MUSE: "muse.toml"}


@dataclass(frozen=True)
class Mode:
    """Wavelengths that are taken together, in one cube.

    Attributes
    ----------
    name : str
        As in names of files and windows.
    instrument : str
    range_um : (low, high)
    spaxel_arcsec, step_um : float
        Sides of a spaxel and width of a plane.
    sub_bands : dict of (low, high)
        By name; what is taken in several exposures and joined.
    """

    name: str
    instrument: str
    range_um: tuple[float, float]
    spaxel_arcsec: float
    step_um: float
    sub_bands: dict[str, tuple[float, float]]


@cache
def modes() -> dict[str, Mode]:
    """All modes that can be simulated, by name."""
    found = {}
    for instrument in FILES:
        for name, row in law_of(instrument, "sampling").items():
            window = packaged_reference().window
            found[name] = Mode(
                name,
                instrument,
                tuple(row["range_um"]) if "range_um" in row else window(name),
                row["spaxel_arcsec"],
                row["step_um"],
                {part: window(f"{name}-{part}") for part in row.get("sub_bands", ())},
            )
    return found


def law_of(instrument: str, table: str) -> dict[str, Any]:
    """One table of the data file of an instrument; empty if it has none."""
    found: dict[str, Any] = load_toml(FILES[instrument]).get(table, {})
    return found


@cache
def load_toml(name: str) -> dict[str, Any]:
    """A data file of this package."""
    return tomllib.loads((files("survey.simulate") / name).read_text(encoding="utf-8"))
