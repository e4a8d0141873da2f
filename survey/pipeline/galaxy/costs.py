"""Projected cost of a galaxy: bytes and seconds of the five stages that dominate.

These are read, prepare, distances, tree and profiles. Bytes follow from what is in memory at a
time; seconds follow laws fitted to measurements on one core.
`tests/benchmarks/scale/bench_scale.py` compares both with reality. The costs of the paths to the
tree are declared with the paths, in `survey.pipeline.galaxy.tree_paths`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from survey.config import Settings
from survey.distances.distances import MAX_FLOAT64_SPECTRA, least_work
from survey.distances.engines import fft
from survey.distances.strips import rectangle_bytes, strip_length

BASE_BYTES = 330 << 20  # a worker process with the numerical libraries loaded and at work
VOXEL_BYTES = 17  # flux, error and mask as read; flux and spectra as prepared
KEPT_VOXEL_BYTES = 8  # flux and spectra
FILLED_VOXEL_BYTES = 4  # spectra without gaps, held where the PSF is corrected
BLOCK_BYTES = 220 << 20  # what every stage reads and processes at a time
LEAST_BLOCK_BYTES = 60 << 20  # the same for a cube of no size,
BLOCK_VOXEL_BYTES = 60  # and what every voxel adds to that
STRIP_BYTES = 700 << 20  # the most that strips of distances use

# Seconds on one core.
VOXEL_CONVERT_S = 6e-8
VOXEL_PREPARE_S = 1.4e-7
VOXEL_PROFILE_S = 1.5e-7
PAIR_S = 20e-9
PAIR_PLANE_S = 0.04e-9
REFERENCE_LAGS = 13
FLOAT64_COST = 2.0


@dataclass(frozen=True)
class Work:
    """The size of a clustering problem, and the settings that determine its cost.

    Parameters
    ----------
    n_spaxel, n_plane : int
    max_shift : int
        In samples.
    dtype : str
        As in the settings.
    micro_clusters : int
        Of the path "two-stage".
    method : str
        The linkage.
    read : (int, int), optional
        Spaxels and planes of the cube, where fewer of them are clustered.
    holds_filled : bool
        Whether something is done about the point-spread function, which needs the whole cube.
    """

    n_spaxel: int
    n_plane: int
    max_shift: int = 6
    dtype: str = "auto"
    micro_clusters: int = 3000
    method: str = "ward"
    read: tuple[int, int] | None = None
    holds_filled: bool = False

    @classmethod
    def of(
        cls,
        n_spaxel: int,
        n_plane: int,
        settings: Settings,
        *,
        max_shift: int | None = None,
        read: tuple[int, int] | None = None,
    ) -> Work:
        """The work on so many spectra with these settings.

        A shift given as a velocity needs a grid, which may not be known yet: without `max_shift`
        it counts as the 6 samples of the paper.
        """
        if max_shift is None:
            shift = settings.distance.shift
            max_shift = shift if isinstance(shift, int) else REFERENCE_LAGS // 2
        linkage = settings.linkage
        return cls(
            n_spaxel,
            n_plane,
            max_shift,
            settings.distance.dtype,
            linkage.micro_clusters,
            linkage.method,
            read,
            settings.prepare.psf != "none",
        )

    @property
    def n_pair(self) -> int:
        """Pairs of spaxels."""
        return self.n_spaxel * (self.n_spaxel - 1) // 2

    @property
    def n_voxel(self) -> int:
        """Samples of all spaxels."""
        return self.n_spaxel * self.n_plane

    @property
    def n_voxel_read(self) -> int:
        """Samples of the cube."""
        return prod(self.read or (self.n_spaxel, self.n_plane))

    @property
    def filled_bytes(self) -> int:
        """Bytes of the spectra without gaps that are held meanwhile."""
        return FILLED_VOXEL_BYTES * self.n_voxel_read if self.holds_filled else 0

    @property
    def itemsize(self) -> int:
        """Bytes of one distance in a matrix that is computed all at once."""
        double = self.n_spaxel <= MAX_FLOAT64_SPECTRA if self.dtype == "auto" else False
        return 8 if double or self.dtype == "float64" else 4

    @property
    def stored_values(self) -> int:
        """Numbers that a distance engine stores for all spectra."""
        if least_work(self.n_plane, self.max_shift) == "fft":
            # Both sides of a pair, which are transformed differently.
            return 2 * self.n_spaxel * fft.stored_values(self.n_plane, self.max_shift)
        return self.n_spaxel * self.n_plane

    @property
    def distance_seconds(self) -> float:
        """Seconds to compute all distances."""
        lags = (2 * self.max_shift + 1) / REFERENCE_LAGS
        seconds = self.n_pair * (PAIR_S * lags + PAIR_PLANE_S * self.n_plane)
        return seconds * (FLOAT64_COST if self.itemsize == 8 else 1.0)


@dataclass(frozen=True)
class Needs:
    """Memory, time and disk that a path to the tree needs, besides those of every galaxy.

    Parameters
    ----------
    distances, tree : int
        Bytes held during these stages.
    tree_seconds : float
    strip : int
        Spectra in a strip of distances; 0 where they are computed all at once.
    in_memory_clusters : int
        Clusters that are left for a chain in memory, where the first merges are on disk.
    scratch_bytes : int
        Temporary files on disk.
    """

    distances: int
    tree: int
    tree_seconds: float
    strip: int = 0
    in_memory_clusters: int = 0
    scratch_bytes: int = 0


class Budget:
    """The memory that a galaxy may use, and its cost on any path.

    Parameters
    ----------
    work : Work
    usable : float
        Bytes of memory that may be used.
    streamed : bool
        Whether its spectra are on disk while it is computed.
    """

    def __init__(self, work: Work, usable: float, streamed: bool) -> None:
        self.work = work
        self.usable = usable
        self.streamed = streamed
        least = LEAST_BLOCK_BYTES + BLOCK_VOXEL_BYTES * work.n_voxel_read
        self.block = min(BLOCK_BYTES, least)
        self.held = BASE_BYTES + (0 if streamed else KEPT_VOXEL_BYTES * work.n_voxel)

    def room_beside(self, n_bytes: float) -> float:
        """Memory left when so many bytes are used besides what is always held."""
        return self.usable - self.held - self.block - n_bytes

    def strip_beside(self, n_bytes: int) -> int:
        """Spectra in a strip of distances when so many bytes are used for other things."""
        work, room = self.work, min(self.room_beside(n_bytes), STRIP_BYTES)
        return strip_length(work.n_spaxel, work.n_plane, work.max_shift, room)

    def rectangle(self, strip: int) -> int:
        """Bytes of the distances between two strips."""
        return rectangle_bytes(strip, self.work.n_plane, self.work.max_shift)

    def stages(self, needs: Needs) -> tuple[StageCost, ...]:
        """The costs of the five stages on a path with these needs."""
        work = self.work
        # While the matrix is computed and merged, no cube is read in blocks.
        at_work = self.held + self.block // 2
        in_memory = VOXEL_BYTES * work.n_voxel_read + work.filled_bytes
        read = BASE_BYTES + self.block + (0 if self.streamed else in_memory)
        return (
            StageCost("read", BASE_BYTES + self.block, VOXEL_CONVERT_S * work.n_voxel_read),
            StageCost("prepare", read, VOXEL_PREPARE_S * work.n_voxel_read),
            StageCost("distances", at_work + needs.distances, work.distance_seconds),
            StageCost("tree", at_work + needs.tree, needs.tree_seconds),
            StageCost("profiles", self.held + self.block, VOXEL_PROFILE_S * work.n_voxel),
        )

    def scratch_bytes(self, needs: Needs) -> int:
        """Temporary files on disk, including the spectra if they are streamed."""
        spectra = KEPT_VOXEL_BYTES * self.work.n_voxel + self.work.filled_bytes
        return needs.scratch_bytes + (spectra if self.streamed else 0)


@dataclass(frozen=True)
class StageCost:
    """Memory of the process during a stage, and its time on one core."""

    name: str
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Projection:
    """The projected cost of a galaxy.

    Parameters
    ----------
    work : Work
    path : str
        The path to its tree.
    streamed : bool
        Whether its spectra are on disk while it is computed.
    strip, in_memory_clusters : int
        See `Needs`.
    scratch_bytes : int
        Temporary files on disk.
    stages : tuple of StageCost
    """

    work: Work
    path: str
    streamed: bool
    strip: int
    in_memory_clusters: int
    scratch_bytes: int
    stages: tuple[StageCost, ...]

    @property
    def peak_bytes(self) -> int:
        """Memory of the stage that needs most."""
        return max(stage.bytes for stage in self.stages)

    @property
    def seconds(self) -> float:
        """Time of the five stages on one core."""
        return sum(stage.seconds for stage in self.stages)

    def as_facts(self) -> dict[str, Any]:
        """All of it as JSON values."""
        sizes = {"n_spaxel": self.work.n_spaxel, "n_plane": self.work.n_plane}
        facts = {k: v for k, v in asdict(self).items() if k != "work"}
        return sizes | facts | {"peak_bytes": self.peak_bytes, "seconds": self.seconds}
