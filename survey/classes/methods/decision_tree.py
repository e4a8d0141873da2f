"""One decision tree of a forest, by scikit-learn.

`DecisionTreeClassifier.fit` spends two thirds of its time on small samples with the inspection of
its arguments. So the compiled builder under it is called directly. It is not part of scikit-learn's
public interface: where it differs, the public class grows the same tree.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.tree import DecisionTreeClassifier

from survey.classes.types import Floats32

try:
    from sklearn.tree._criterion import Gini
    from sklearn.tree._splitter import BestSplitter
    from sklearn.tree._tree import DepthFirstTreeBuilder, Tree
except ImportError:  # a later scikit-learn
    Gini = BestSplitter = DepthFirstTreeBuilder = Tree = None

UNLIMITED_DEPTH = np.iinfo(np.int32).max


def grow_tree(
    predictors: Floats32, target: NDArray[np.intp], n_classes: int, states: np.random.RandomState
) -> Any:
    """Grow a tree until its leaves are pure; a split is chosen among sqrt(P) random predictors.

    Parameters
    ----------
    predictors : float32 array (N, P)
        All finite.
    target : int array (N,)
        Classes 0..C-1, each of which occurs.
    n_classes : int
        C.
    states : RandomState

    Returns
    -------
    sklearn.tree._tree.Tree
        The attribute `tree_` that `DecisionTreeClassifier(max_features="sqrt")` would have.
    """
    try:
        return built_tree(predictors, target, n_classes, states)
    except TypeError:  # None is not callable, or the arguments are others
        return fitted_tree(predictors, target, states)


def built_tree(
    predictors: Floats32, target: NDArray[np.intp], n_classes: int, states: np.random.RandomState
) -> Any:
    """The tree by the compiled builder.

    Raises
    ------
    TypeError
        If this scikit-learn has no such builder, or another one.
    """
    n_predictors = predictors.shape[1]
    classes = np.array([n_classes], np.intp)
    splitter = BestSplitter(
        Gini(1, classes), max(1, int(np.sqrt(n_predictors))), 1, 0.0, states, None
    )
    tree = Tree(n_predictors, classes, 1)
    builder = DepthFirstTreeBuilder(splitter, 2, 1, 0.0, UNLIMITED_DEPTH, 0.0)
    rows = np.ascontiguousarray(predictors, np.float32)
    builder.build(tree, rows, target.astype(np.float64).reshape(-1, 1), None, None)
    return tree


def fitted_tree(
    predictors: Floats32, target: NDArray[np.intp], states: np.random.RandomState
) -> Any:
    """The same tree by the public class."""
    with config_context(skip_parameter_validation=True, assume_finite=True):
        tree = DecisionTreeClassifier(max_features="sqrt", random_state=states)
        tree.fit(predictors, target.astype(np.float64), check_input=False)
    return tree.tree_
