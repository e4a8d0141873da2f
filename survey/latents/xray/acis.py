"""The grids of ACIS spectra, and an analytic response like that of ACIS."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import ndtr

from survey.errors import ConfigError
from survey.latents.grid import Floats, Grid
from survey.latents.xray.fold import EffectiveArea, Redistribution, Response, combine

NEGLIGIBLE = 1e-6
"""Probabilities below this are left out of the matrix, as in observed ones."""


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
        If the 512 channels are not a multiple of `channels_per_bin`.
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


def piled_fraction(events_per_s: float, frame_s: float | None = None) -> float:
    """Share of the events of a point source on the axis that are of two photons or more.

    Of photons that arrive at random, L in a frame, ``1 - exp(-L)`` frames have an event; of these
    ``1 - L exp(-L) / (1 - exp(-L))`` have several. Off the axis the image is wider, and piles up
    less: this is an upper limit there.

    Parameters
    ----------
    events_per_s : float
        As counted.
    frame_s : float, optional
        Time of a frame. Default: that of the whole camera.
    """
    frame_s = acis_facts()["frame"]["seconds"] if frame_s is None else frame_s
    seen = min(events_per_s * frame_s, 1 - 1e-6)
    photons = -np.log1p(-seen)
    return float(1 - photons * (1 - seen) / seen) if seen > 0 else 0.0


@cache
def photon_energies() -> Grid:
    """Bins of photon energy on which spectra of sources are modelled, as wide as 1.4%."""
    facts = acis_facts()["photons"]
    return Grid(np.geomspace(facts["low_kev"], facts["high_kev"], facts["count"] + 1), "keV")


@cache
def acis_like_response() -> Response:
    """An analytic response like that of ACIS: tabulated area, Gaussian redistribution.

    It has the main features (resolution, iridium edge, loss below 1 and above 7 keV) and no
    others: no escape peaks, no shelf, no dependence on time or place. For simulations only.
    """
    facts = acis_facts()["analytic"]
    count = round((facts["high_kev"] - facts["low_kev"]) / facts["step_kev"])
    energies = Grid(np.linspace(facts["low_kev"], facts["high_kev"], count + 1), "keV")
    log_area = np.interp(
        np.log(energies.centres), np.log(facts["energy_kev"]), np.log(facts["area_cm2"])
    )
    channels = acis_channels()
    sigma_kev = acis_sigma_kev(energies.centres)[:, None]
    below = ndtr((channels.edges - energies.centres[:, None]) / sigma_kev)
    matrix = np.diff(below, axis=1)
    matrix[matrix < NEGLIGIBLE] = 0.0
    return combine(
        EffectiveArea(energies, np.exp(log_area)),
        Redistribution(
            energies, channels, np.arange(1, len(channels) + 1), sparse.csr_array(matrix)
        ),
        name="analytic, like ACIS",
    )


def acis_sigma_kev(energy_kev: Floats) -> Floats:
    """Standard deviation of a line in ACIS by the analytic response, in keV."""
    facts = acis_facts()["analytic"]
    noise_ev = facts["noise_ev"] / np.sqrt(8 * np.log(2))
    return np.sqrt(noise_ev**2 + facts["fano"] * facts["pair_ev"] * energy_kev * 1e3) / 1e3


@cache
def acis_facts() -> dict[str, Any]:
    """The content of `acis.toml`."""
    return tomllib.loads(resources.files("survey.latents.xray").joinpath("acis.toml").read_text())
