"""Ward's sum rule, which checks a tree against its distances at no cost."""

import numpy as np


def ward_identity(
    tree: np.ndarray, condensed: np.ndarray, *, ward_input: str = "distance"
) -> float:
    """Relative discrepancy of Ward's sum rule, zero but for rounding.

    For any dissimilarity D fed to Ward's method, Euclidean or not, the merges with heights h obey

        sum over merges of h^2 / 2  =  1/n * sum over pairs of D^2,

    which checks a tree against its distances at no cost.

    Parameters
    ----------
    tree, condensed, ward_input
        Result and input of `linkage_tree` with method "ward".

    Returns
    -------
    float
        Left side over right side, minus 1.
    """
    squares = condensed if ward_input == "distance" else np.square(condensed, dtype=np.float64)
    pairs = np.sum(squares, dtype=np.float64) / (len(tree) + 1)
    return float(0.5 * np.sum(tree[:, 2] ** 2) / pairs - 1.0)
