"""The declaration of a path to the tree, its input and its results.

Projections need only the declarations. So the paths load what computes when they compute.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from survey.config import Settings
from survey.pipeline.galaxy.costs import Budget, Needs, Projection
from survey.spectra.blocks import Rows

if TYPE_CHECKING:
    from survey.cubes.scratch import Scratch
    from survey.linkage.lance_williams import Linkage, Method
    from survey.pipeline.galaxy.tree_paths.strip_tasks import StripWork

ALL_METHODS: tuple[Method, ...] = ("ward", "average", "complete", "single")


@dataclass(frozen=True)
class TreeInput:
    """The input of a path.

    Parameters
    ----------
    spectra : (n, L) table
    max_shift : int
        In samples.
    energy : (n,) array
        Noise energy of the spectra.
    settings : Settings
    projection : Projection
    scratch : Scratch
    """

    spectra: Rows
    max_shift: int
    energy: NDArray[np.float64]
    settings: Settings
    projection: Projection
    scratch: Scratch

    @property
    def threads(self) -> int:
        """Threads that this process may use."""
        return self.settings.engine.threads_per_worker

    @property
    def linkage(self) -> Linkage:
        """The linkage of the settings."""
        from survey.linkage.lance_williams import Linkage

        return Linkage(self.settings.linkage.method, self.settings.linkage.ward_input)

    @property
    def is_spread(self) -> bool:
        """Whether other workers are asked for help with the distances."""
        from survey.pipeline.galaxy.tree_paths.strip_tasks import is_spread

        return is_spread(self.projection.work.distance_seconds)

    def strip_work(self, spectra: Rows, energy: NDArray[np.float64]) -> StripWork:
        """The distances of some spectra with so much noise energy, strip by strip."""
        from survey.pipeline.galaxy.tree_paths.strip_tasks import StripWork, spread_strip

        subtract = self.settings.distance.noise == "subtract"
        strip = self.projection.strip
        return StripWork.of(
            spectra,
            spread_strip(strip, len(energy)) if self.is_spread else strip,
            self.max_shift,
            energy=energy if subtract else None,
            engine=self.settings.distance.engine,
            threads=1 if self.is_spread else self.threads,
        )


@dataclass(frozen=True)
class TreeDistances:
    """The distances of a galaxy, in the form that its path makes a tree from.

    Parameters
    ----------
    values : object
        A matrix in memory or on disk, or sums of distances.
    engine, dtype : str
        How they were computed.
    at_limit_fraction : float
        Fraction of pairs that are closest at the largest shift.
    """

    values: Any
    engine: str
    dtype: str
    at_limit_fraction: float


@dataclass(frozen=True)
class BuiltTree:
    """A tree (n - 1, 4), and the condensed distances if they are kept with it."""

    tree: NDArray[np.float64]
    condensed: NDArray[np.floating] | None = None


@dataclass(frozen=True)
class TreePath:
    """One path from spectra to their tree.

    Attributes
    ----------
    name : str
        As in `linkage.path` of the settings and `linkage_path` of the catalog.
    exact : bool
        Whether its partitions are those of the other exact paths.
    how, memory, disk : str
        In a few words for the documentation; n is the number of spaxels.
    needs : callable
        What it needs within a memory budget.
    distances, tree : callable
        Its two stages.
    methods : tuple of str
        Linkage methods that it supports.
    """

    name: str
    exact: bool
    how: str
    memory: str
    disk: str
    needs: Callable[[Budget], Needs]
    distances: Callable[[TreeInput], TreeDistances]
    tree: Callable[[TreeInput, Any], BuiltTree]
    methods: tuple[Method, ...] = ALL_METHODS
