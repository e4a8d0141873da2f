"""The paths from spectra to their tree, best first; each is declared in a file of its own.

The exact paths give the same partitions and differ in memory, time and disk. "auto" is the first
path that fits the memory of a worker.
"""

from survey.pipeline.galaxy.tree_paths.base import TreeDistances, TreeInput, TreePath
from survey.pipeline.galaxy.tree_paths.chain import CHAIN
from survey.pipeline.galaxy.tree_paths.fastcluster import FASTCLUSTER
from survey.pipeline.galaxy.tree_paths.rounds import ROUNDS
from survey.pipeline.galaxy.tree_paths.two_stage import TWO_STAGE

TREE_PATHS: dict[str, TreePath] = {
    path.name: path for path in (FASTCLUSTER, CHAIN, ROUNDS, TWO_STAGE)
}

__all__ = ["TREE_PATHS", "TreeDistances", "TreeInput", "TreePath"]
