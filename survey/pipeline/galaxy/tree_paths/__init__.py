"""The ways from spectra to their tree, best first; a path is declared in a file of its own.

The exact ones give the same partitions and differ in what they take. "auto" is the first that
fits the memory of a worker.
"""

from survey.pipeline.galaxy.tree_paths.base import PathDistances, PathInput, TreePath
from survey.pipeline.galaxy.tree_paths.chain import CHAIN
from survey.pipeline.galaxy.tree_paths.fastcluster import FASTCLUSTER
from survey.pipeline.galaxy.tree_paths.rounds import ROUNDS
from survey.pipeline.galaxy.tree_paths.two_stage import TWO_STAGE

TREE_PATHS: dict[str, TreePath] = {
    path.name: path for path in (FASTCLUSTER, CHAIN, ROUNDS, TWO_STAGE)
}

__all__ = ["TREE_PATHS", "PathDistances", "PathInput", "TreePath"]
