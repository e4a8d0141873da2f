"""The grids of ACIS spectra."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from survey.errors import ConfigError
from survey.latent.grid import Grid


def acis_channels() -> Grid:
    """Nominal energies of all PI channels of ACIS, which do not depend on the observation."""
    facts = acis_facts()["channels"]
    edges = facts["width_kev"] * np.arange(facts["count"] + 1)
    edges[0] = facts["first_low_kev"]
    return Grid(edges, "keV")


def acis_grid(channels_per_bin: int = 4) -> Grid:
    """Bins of whole PI channels from 0.5 to 8 keV: 128 of four channels (58 eV).

    The resolution of ACIS is 80 to 200 eV (full width at half maximum), so four channels
    sample it twice or better.

    Raises
    ------
    ConfigError
        If the 512 channels are no multiple of `channels_per_bin`.
    """
    facts = acis_facts()
    first, last = facts["grid"]["first_channel"], facts["grid"]["last_channel"]
    count, rest = divmod(last - first + 1, channels_per_bin)
    if rest:
        raise ConfigError(
            "bins must divide the channels of ACIS evenly",
            expected=f"a divisor of {last - first + 1}",
            found=str(channels_per_bin),
        )
    width = facts["channels"]["width_kev"]
    return Grid(width * (first - 1 + channels_per_bin * np.arange(count + 1)), "keV")


@cache
def acis_facts() -> dict[str, Any]:
    """The content of `acis.toml`."""
    return tomllib.loads(resources.files("survey.xray").joinpath("acis.toml").read_text())
