"""Chooses the path to the tree of a galaxy: the first whose projected cost fits."""

from __future__ import annotations

from math import inf, prod

from survey.config import LinkageSettings
from survey.errors import ConfigError, MachineError, MemoryNeeded, ResourceError
from survey.pipeline.galaxy.costs import VOXEL_BYTES, Budget, Projection, Work
from survey.pipeline.galaxy.tree_paths import TREE_PATHS, TreePath

AUTO = "auto"

USABLE_FRACTION = 0.8
"""Of a memory limit: at 80% a Dask worker pauses, at 95% its nanny kills it."""

FORCED_FRACTION = 0.92
"""Of a memory limit, for a path that the settings name."""

IN_MEMORY_FRACTION = 0.25
"""Of a memory limit, for the spectra of a cube that are prepared in memory."""

IN_MEMORY_SPAXELS = 20_000
"""Above this, spectra are always on disk, where all workers can read them."""


def project_cost(
    work: Work,
    *,
    path: str = AUTO,
    memory_bytes: float | None = None,
    disk_bytes: float = inf,
    disk_total_bytes: float = 0.0,
) -> Projection:
    """Project the cost of a galaxy, and choose how its tree is made.

    Parameters
    ----------
    work : Work
    path : str
        One of `TREE_PATHS`; "auto" is the first that fits and supports the linkage method.
    memory_bytes : float, optional
        Limit of the process; none if not given.
    disk_bytes, disk_total_bytes : float
        Free space in the run directory, and the size of its file system.

    Raises
    ------
    MemoryNeeded
        If it does not fit into the memory.
    MachineError
        If it does not fit on the disk now, but would on an empty one.
    ResourceError
        If it does not fit on the disk.
    """
    limit = memory_bytes or inf
    usable = limit * (USABLE_FRACTION if path == AUTO else FORCED_FRACTION)
    budget = Budget(work, usable, is_streamed(work.read or (work.n_spaxel, work.n_plane), limit))
    able = [option for option in TREE_PATHS.values() if work.method in option.methods]
    options = [_projection(option, budget) for option in able if path in (AUTO, option.name)]
    for option in options:
        if option.peak_bytes <= usable and option.scratch_bytes <= disk_bytes:
            return option
    least = min(options, key=lambda option: option.peak_bytes)
    if least.peak_bytes <= usable:
        kind = MachineError if least.scratch_bytes < disk_total_bytes else ResourceError
        raise kind(
            "too little room on the disk for the scratch files of this galaxy",
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


def _projection(path: TreePath, budget: Budget) -> Projection:
    needs = path.needs(budget)
    return Projection(
        work=budget.work,
        path=path.name,
        streamed=budget.streamed,
        strip=needs.strip,
        in_memory_clusters=needs.in_memory_clusters,
        scratch_bytes=budget.scratch_bytes(needs),
        stages=budget.stages(needs),
    )


def check_tree_path(linkage: LinkageSettings) -> None:
    """Refuse a path that does not exist or does not support the linkage method.

    Raises
    ------
    ConfigError
        If `linkage.path` is such a path.
    """
    if linkage.path == AUTO:
        return
    path = TREE_PATHS.get(linkage.path)
    if path is None:
        raise ConfigError(
            "linkage.path: unknown path to the tree",
            expected=", ".join((AUTO, *TREE_PATHS)),
            found=linkage.path,
        )
    if linkage.method not in path.methods:
        raise ConfigError(
            f'linkage.path = "{path.name}" does not support this linkage method',
            expected=f"linkage.method = {' or '.join(path.methods)}",
            found=linkage.method,
        )


def is_streamed(shape: tuple[int, int], memory_bytes: float | None) -> bool:
    """Whether the spectra of a cube (spaxels, planes) are on disk while it is being computed."""
    room = IN_MEMORY_FRACTION * (memory_bytes or inf)
    return shape[0] > IN_MEMORY_SPAXELS or VOXEL_BYTES * prod(shape) > room


def paths_table() -> str:
    """The paths as a table in Markdown, for the documentation."""
    lines = ["| path | tree | memory | disk |", "|---|---|---|---|"]
    lines += [
        f"| `{path.name}` | {path.how} | {path.memory} | {path.disk} |"
        for path in TREE_PATHS.values()
    ]
    return "\n".join(lines)
