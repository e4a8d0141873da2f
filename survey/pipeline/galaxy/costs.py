"""What the stages of a galaxy hold in memory, and how long they take, by every path to a tree.

Bytes follow from what is held at a time. Seconds follow laws fitted to measurements on one core:
`tests/benchmarks/bench_scale.py` compares both with reality.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import inf, isqrt, log2, prod
from typing import Any, Literal, get_args

from survey.distances.distances import MAX_FLOAT64_SPECTRA, least_work
from survey.distances.engines import fft
from survey.distances.strips import rectangle_bytes, strip_length

LinkagePath = Literal["fastcluster", "chain", "rounds", "two-stage"]
PATHS: tuple[LinkagePath, ...] = get_args(LinkagePath)
APPROXIMATE: tuple[LinkagePath, ...] = ("two-stage",)
"""The paths whose partitions may differ from those of the others."""

EXACT_CUT_SPAXELS = 10_000
"""Up to this many spaxels the matrix is kept with the tree; the cut of more is judged on some."""

BASE_BYTES = 330 << 20  # a worker process with the numerical libraries loaded and at work
VOXEL_BYTES = 17  # flux, error and mask as read; flux and spectra as prepared
KEPT_VOXEL_BYTES = 8  # flux and spectra
BLOCK_BYTES = 220 << 20  # what is read and worked on at a time, by every stage
LEAST_BLOCK_BYTES = 60 << 20  # the same for a cube of no size,
BLOCK_VOXEL_BYTES = 60  # and what every voxel adds to that
STRIP_BYTES = 700 << 20  # as much as strips of distances take where there is room
ROUNDS_BYTES = 256 << 20  # rows of the matrix on disk, and at most as many made of them
ROUNDS_IN_MEMORY = 30_000  # clusters left to a chain where nothing limits them
VECTOR_BYTES = 1200  # coordinates of a spaxel, for micro-clusters
SAMPLE_BYTES = 120_000  # of a plane, for the axes of these coordinates
MICRO_PAIR_BYTES = 40  # sums, distances and tree of a pair of micro-clusters

# Seconds on one core.
VOXEL_CONVERT_S = 6e-8
VOXEL_PREPARE_S = 1.4e-7
VOXEL_PROFILE_S = 1.5e-7
VOXEL_VECTOR_S = 1e-7
PAIR_S = 50e-9
PAIR_PLANE_S = 0.05e-9
REFERENCE_LAGS = 13
FLOAT64_COST = 1.8
FASTCLUSTER_S = 2e-8  # per spaxel squared, as the next two
CHAIN_S = 1.5e-8
ROUNDS_S = 3e-8  # for every halving of the clusters
MICRO_S = 1e-7  # per micro-cluster squared


@dataclass(frozen=True)
class Work:
    """What is to be clustered, and with which settings.

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
    """

    n_spaxel: int
    n_plane: int
    max_shift: int = 6
    dtype: str = "auto"
    micro_clusters: int = 3000
    method: str = "ward"
    read: tuple[int, int] | None = None

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
    def itemsize(self) -> int:
        """Bytes of a distance in a matrix that is made at once."""
        double = self.n_spaxel <= MAX_FLOAT64_SPECTRA if self.dtype == "auto" else False
        return 8 if double or self.dtype == "float64" else 4

    @property
    def stored_values(self) -> int:
        """Numbers that a distance engine stores of all spectra."""
        if least_work(self.n_plane, self.max_shift) == "fft":
            return self.n_spaxel * fft.stored_values(self.n_plane, self.max_shift)
        return self.n_spaxel * self.n_plane

    @property
    def distance_seconds(self) -> float:
        """Time of all distances."""
        lags = (2 * self.max_shift + 1) / REFERENCE_LAGS
        seconds = self.n_pair * (PAIR_S * lags + PAIR_PLANE_S * self.n_plane)
        return seconds * (FLOAT64_COST if self.itemsize == 8 else 1.0)


@dataclass(frozen=True)
class Stage:
    """Memory of the process during a stage, and its time on one core."""

    name: str
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Projection:
    """What a galaxy will cost.

    Parameters
    ----------
    work : Work
    path : str
        How its tree will be made.
    streamed : bool
        Whether its spectra are on disk while it is computed.
    strip : int
        Spectra in a strip of distances; 0 where they are computed all at once.
    in_memory_clusters : int
        How many clusters "rounds" leave to a chain in memory; 0 for other paths.
    scratch_bytes : int
        Needed on disk meanwhile.
    stages : tuple of Stage
    """

    work: Work
    path: LinkagePath
    streamed: bool
    strip: int
    in_memory_clusters: int
    scratch_bytes: int
    stages: tuple[Stage, ...]

    @property
    def peak_bytes(self) -> int:
        """Memory of the dearest stage."""
        return max(stage.bytes for stage in self.stages)

    @property
    def seconds(self) -> float:
        """All stages on one core."""
        return sum(stage.seconds for stage in self.stages)

    def as_facts(self) -> dict[str, Any]:
        """All of it in JSON-able values."""
        sizes = {"n_spaxel": self.work.n_spaxel, "n_plane": self.work.n_plane}
        facts = {k: v for k, v in asdict(self).items() if k != "work"}
        return sizes | facts | {"peak_bytes": self.peak_bytes, "seconds": self.seconds}


class Costs:
    """The cost of a galaxy by each of the paths.

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
        self.held = BASE_BYTES + (0 if self.streamed else KEPT_VOXEL_BYTES * work.n_voxel)

    def of(self, path: LinkagePath) -> Projection:
        """The projection of a path."""
        costs: dict[LinkagePath, Callable[[], Projection]] = {
            "fastcluster": self._fastcluster,
            "chain": self._chain,
            "rounds": self._rounds,
            "two-stage": self._two_stage,
        }
        return costs[path]()

    def _fastcluster(self) -> Projection:
        work = self.work
        matrix = work.n_pair * work.itemsize
        spectra = work.n_spaxel * work.n_plane * 4 if self.streamed else 0
        kept = matrix if work.n_spaxel <= EXACT_CUT_SPAXELS else 0
        return self._projection(
            "fastcluster",
            distances=matrix + spectra + work.stored_values * work.itemsize,
            linkage=matrix + kept + 8 * work.n_pair,
            linkage_seconds=FASTCLUSTER_S * work.n_spaxel**2,
        )

    def _chain(self) -> Projection:
        matrix = 4 * self.work.n_pair
        strip = self._strip(matrix)
        return self._projection(
            "chain",
            distances=matrix + self._rectangle(strip),
            linkage=matrix,
            linkage_seconds=CHAIN_S * self.work.n_spaxel**2,
            strip=strip,
            scratch_bytes=matrix,
        )

    def _rounds(self) -> Projection:
        room = self.usable - self.held - self.block - ROUNDS_BYTES
        most = ROUNDS_IN_MEMORY if room == inf else isqrt(max(0, int(room)) // 2)
        left = min(most, self.work.n_spaxel // 2)
        strip = self._strip(0)
        return self._projection(
            "rounds",
            distances=self._rectangle(strip),
            linkage=ROUNDS_BYTES // 2 + 2 * left**2,
            linkage_seconds=ROUNDS_S
            * self.work.n_spaxel**2
            * log2(self.work.n_spaxel / max(1, left))
            + CHAIN_S * left**2,
            strip=strip,
            in_memory_clusters=left,
            scratch_bytes=6 * self.work.n_spaxel**2,
        )

    def _two_stage(self) -> Projection:
        sums = MICRO_PAIR_BYTES * self.work.micro_clusters**2
        strip = self._strip(sums)
        return self._projection(
            "two-stage",
            distances=8 * self.work.micro_clusters**2 + self._rectangle(strip),
            linkage=max(sums, self._vectors),
            linkage_seconds=VOXEL_VECTOR_S * self.work.n_voxel
            + MICRO_S * self.work.micro_clusters**2,
            strip=strip,
            scratch_bytes=4 * self.work.n_spaxel * self.work.n_plane,
        )

    @property
    def _vectors(self) -> int:
        return VECTOR_BYTES * self.work.n_spaxel + SAMPLE_BYTES * self.work.n_plane

    def _strip(self, beside: int) -> int:
        """Spectra in a strip of distances that is computed beside so many bytes."""
        room = min(self.usable - self.held - self.block - beside, STRIP_BYTES)
        work = self.work
        return strip_length(work.n_spaxel, work.n_plane, work.max_shift, room)

    def _rectangle(self, strip: int) -> int:
        return rectangle_bytes(strip, self.work.n_plane, self.work.max_shift)

    def _projection(
        self,
        path: LinkagePath,
        *,
        distances: int,
        linkage: int,
        linkage_seconds: float,
        strip: int = 0,
        in_memory_clusters: int = 0,
        scratch_bytes: int = 0,
    ) -> Projection:
        work, spectra = self.work, KEPT_VOXEL_BYTES * self.work.n_voxel
        # While all is about one matrix, nothing else is read in blocks.
        at_work = self.held + self.block // 2
        read = BASE_BYTES + self.block + (0 if self.streamed else VOXEL_BYTES * work.n_voxel_read)
        return Projection(
            work=work,
            path=path,
            streamed=self.streamed,
            strip=strip,
            in_memory_clusters=in_memory_clusters,
            scratch_bytes=scratch_bytes + (spectra if self.streamed else 0),
            stages=(
                Stage("convert", BASE_BYTES + self.block, VOXEL_CONVERT_S * work.n_voxel_read),
                Stage("prepare", read, VOXEL_PREPARE_S * work.n_voxel_read),
                Stage("distances", at_work + distances, work.distance_seconds),
                Stage("linkage", at_work + linkage, linkage_seconds),
                Stage("profiles", self.held + self.block, VOXEL_PROFILE_S * work.n_voxel),
            ),
        )
