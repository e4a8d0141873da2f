"""What a galaxy will cost, stage by stage, known before it starts; and which path that leaves.

A tree of n spaxels can be made in several ways. The exact ones give the same partitions and
differ in what they need; the others are for galaxies that are too large for them:

============  =====================================================  =======================
path          how                                                    memory
============  =====================================================  =======================
fastcluster   exact; fastcluster on a float64 matrix                 4 n^2 bytes
chain         exact; nearest-neighbour chain on a float32 matrix     2 n^2 bytes
rounds        exact; rounds of reciprocal neighbours on disk, then   what there is
              a chain on what is left
two-stage     micro-clusters; exact from there on                    hardly any
============  =====================================================  =======================
"""

from __future__ import annotations

from math import inf, prod
from typing import Literal

from survey.errors import MemoryNeeded, ResourceError
from survey.pipeline.galaxy.costs import VOXEL_BYTES, Costs, LinkagePath, Projection, Work

AUTOMATIC: tuple[LinkagePath, ...] = ("fastcluster", "chain", "rounds", "two-stage")
"""The paths that "auto" tries, in this order."""

SUMMED_METHODS = ("ward", "average")
"""Linkages that "two-stage" can make: those that depend on sums of distances."""

USABLE_FRACTION = 0.8
"""Of a memory limit: the Dask nanny kills a worker at 95%, and stops feeding it at 80%."""

FORCED_FRACTION = 0.92
"""Of a memory limit, for a path that was asked for."""

IN_MEMORY_FRACTION = 0.25
"""Of a memory limit, for spectra to be held in it while they are prepared."""

IN_MEMORY_SPAXELS = 20_000
"""Above this, spectra are on disk in any case, where all workers can read them."""


def project(
    work: Work,
    *,
    path: LinkagePath | Literal["auto"] = "auto",
    memory_bytes: float | None = None,
    disk_bytes: float = inf,
) -> Projection:
    """Project the cost of a galaxy, and choose how its tree is made.

    Parameters
    ----------
    work : Work
    path : str
        One of `PATHS`; "auto" is the first of `AUTOMATIC` that fits.
    memory_bytes : float, optional
        Limit of the process; none if not given.
    disk_bytes : float
        Room in the run directory.

    Raises
    ------
    MemoryNeeded
        If it does not fit into the memory.
    ResourceError
        If it does not fit on the disk.
    """
    limit = memory_bytes or inf
    usable = limit * (USABLE_FRACTION if path == "auto" else FORCED_FRACTION)
    costs = Costs(work, usable, is_streamed(work.read or (work.n_spaxel, work.n_plane), limit))
    automatic = AUTOMATIC if work.method in SUMMED_METHODS else AUTOMATIC[:-1]
    options = [costs.of(name) for name in (automatic if path == "auto" else (path,))]
    for option in options:
        if option.peak_bytes <= usable and option.scratch_bytes <= disk_bytes:
            return option
    least = min(options, key=lambda option: option.peak_bytes)
    if least.peak_bytes <= usable:
        raise ResourceError(
            "there is no room on the disk for what is computed out of memory",
            expected=f"{least.scratch_bytes / 2**30:.2g} GiB for {work.n_spaxel} spaxels",
            found=f"{disk_bytes / 2**30:.2g} GiB",
            advice="Make room where the run directory is, or give the workers more memory.",
        )
    raise MemoryNeeded(
        "the galaxy does not fit into the memory of a worker",
        expected=f"{least.peak_bytes / 2**30:.2g} GiB for {work.n_spaxel} spaxels ({least.path})",
        found=f"a limit of {limit / 2**30:.2g} GiB, of which {usable / 2**30:.2g} may be used",
        advice='Give the workers more memory (engine.memory_limit), or set linkage.path = "auto".',
        needed_bytes=int(least.peak_bytes * limit / usable) + 1,
    )


def is_streamed(shape: tuple[int, int], memory_bytes: float | None) -> bool:
    """Whether the spectra of a cube (spaxels, planes) are on disk while it is being computed."""
    room = IN_MEMORY_FRACTION * (memory_bytes or inf)
    return shape[0] > IN_MEMORY_SPAXELS or VOXEL_BYTES * prod(shape) > room
