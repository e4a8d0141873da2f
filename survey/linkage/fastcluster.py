"""Hierarchical linkage of shift-minimised distances, by fastcluster.

Ward's method is defined for Euclidean distances, and these are not Euclidean: minimising over a
shift breaks the triangle inequality. The Lance-Williams recurrence of Ward's method still works: it
is reducible for any dissimilarity, so heights never decrease and the nearest-neighbour chain finds
exactly the merges of the plain algorithm. Only the meaning of a height is lost: it is not a sum of
squares around a mean spectrum. An exact identity remains. For dissimilarities D of n spectra and
the heights h of the merges,

    sum over merges of h^2 / 2  =  1/n * sum over pairs of D^2,

which `tests/linkage/ward_identity.py` checks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from _fastcluster import linkage_wrap
from fastcluster import mthidx as METHOD_CODES

from survey.distances.compiled import compiled
from survey.distances.lags import Array
from survey.errors import DataError
from survey.linkage.lance_williams import Method, WardInput


def linkage_tree(
    condensed: Array, method: Method, *, ward_input: WardInput = "distance"
) -> npt.NDArray[np.float64]:
    """Merge spectra into a tree.

    Parameters
    ----------
    condensed : array (n (n - 1) / 2,)
        Squared distances d, as from `shifted_distances`. Left unchanged.
    method : {"ward", "average", "complete", "single"}
        The linkage. All take sqrt(d).
    ward_input : {"distance", "squared"}
        What Ward's method, which squares its input itself, is given: sqrt(d), so that heights
        measure sums of squares; or d, another reading of the published method. The trees differ.

    Returns
    -------
    float64 array (n - 1, 4)
        The tree in the format of `scipy.cluster.hierarchy`.

    Raises
    ------
    DataError
        If `condensed` is not a condensed matrix, or has NaN, infinite or negative values.
    """
    n_spectra = count_spectra(condensed)
    fed = _fed_distances(condensed, squared=method == "ward" and ward_input == "squared")
    tree = np.empty((n_spectra - 1, 4))
    # `fastcluster.linkage` copies its input even when told not to preserve it. The routine under
    # it works in place, on the copy that taking the root has made anyway.
    linkage_wrap(n_spectra, fed, tree, METHOD_CODES[method])
    return tree


def count_spectra(condensed: Array) -> int:
    """Number of spectra n of a condensed matrix, after checking that it is one."""
    n_spectra = round((1 + np.sqrt(1 + 8 * condensed.size)) / 2)
    if condensed.ndim != 1 or n_spectra < 2 or n_spectra * (n_spectra - 1) // 2 != condensed.size:
        raise DataError(
            "not a condensed distance matrix",
            expected="n (n - 1) / 2 values with n >= 2",
            found=f"shape {condensed.shape}",
        )
    # fastcluster takes infinities without a word. NaN fails both comparisons.
    lowest, highest = condensed.min(), condensed.max()
    if not (lowest >= 0 and highest < np.inf):
        raise DataError(
            "distances out of range",
            expected="finite values, zero or positive",
            found=f"values from {lowest} to {highest}",
        )
    return n_spectra


def _fed_distances(condensed: Array, *, squared: bool) -> npt.NDArray[np.float64]:
    """A float64 copy of what fastcluster is to be given, which it will overwrite."""
    # Memory that `np.empty` gives is in large pages. What `np.sqrt` makes of another type is not,
    # and takes five times as long on matrices of gigabytes.
    fed = np.empty(condensed.size)
    if squared:
        np.copyto(fed, condensed)
    else:
        _roots(condensed, fed)
    return fed


@compiled(nogil=True)
def _roots(values, out):  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        out[i] = np.sqrt(np.float64(values[i]))
