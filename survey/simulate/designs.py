"""The galaxies of the simulated archives, from `archives.toml`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice

from catalogs.reference import load_gatos_sample
from survey.errors import ConfigError
from survey.simulate.instruments import load_toml
from survey.spectra.constants import LIGHT_KM_S

HUBBLE_KM_S_MPC = 70.0
"""Converts a distance to a redshift, without peculiar velocities."""


@dataclass(frozen=True)
class Member:
    """A galaxy of an archive; without a redshift any will do."""

    kind: str
    redshift: float | None
    labelled: bool


@dataclass(frozen=True)
class Design:
    """The galaxies of an archive, in turn, and whether their spectra are diverse."""

    members: tuple[Member, ...]
    diverse: bool

    def take(self, n: int) -> Iterator[Member]:
        """The first `n` galaxies, beginning again after the last."""
        return islice(cycle(self.members), n)


def load_design(name: str) -> Design:
    """The archive `name` of `archives.toml`.

    Raises
    ------
    ConfigError
        If there is none.
    """
    known = load_toml("archives.toml")
    if name not in known:
        raise ConfigError(
            "unknown archive to simulate",
            expected=" or ".join(known),
            found=repr(name),
        )
    distance_mpc = {galaxy.galaxy: galaxy.distance_mpc for galaxy in load_gatos_sample()}
    members = tuple(
        Member(
            kind=row["kind"],
            redshift=_redshift(distance_mpc[row["like"]]) if "like" in row else None,
            labelled=row.get("labelled", False),
        )
        for row in known[name]["galaxies"]
    )
    return Design(members, known[name]["diverse"])


def _redshift(distance_mpc: float) -> float:
    return round(HUBBLE_KM_S_MPC * distance_mpc / LIGHT_KM_S, 6)
