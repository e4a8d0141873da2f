"""A target of a survey: what is known about a galaxy before its cubes are opened."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from survey.cubes.files.cube_file import CubeFile


@dataclass(frozen=True)
class Target:
    """One galaxy: its name, its cubes, its redshift, position and distance.

    Files are absolute paths or URLs, since other processes in other folders will open them.
    Several files are sub-bands that will be merged into one cube. Unknown numbers are NaN;
    an unknown redshift is then taken from the cube's header.
    """

    galaxy: str
    files: tuple[CubeFile, ...]
    redshift: float = math.nan
    ra_deg: float = math.nan
    dec_deg: float = math.nan
    distance_mpc: float = math.nan

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", tuple(map(CubeFile.of, self.files)))

    @property
    def local_files(self) -> list[Path]:
        """Those of its files that are on disks."""
        return [path for file in self.files if (path := file.local) is not None]
