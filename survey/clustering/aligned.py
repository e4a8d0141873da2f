"""Trees of points instead of pairs: spectra aligned in velocity once, then plain Ward.

The distance of a pair is minimised over their own shift. Aligning every spectrum with one
reference instead gives up that freedom, and with it the matrix: aligned spectra are points,
their principal components a few numbers for each, and Ward's tree of points needs memory for
the points only. What is lost is told by comparison with the exact tree, not by argument.
"""

from __future__ import annotations

import fastcluster
import numpy as np
from numpy.typing import NDArray

from survey.clustering.dendrogram import Tree
from survey.clustering.lags import Array
from survey.clustering.merging import Method
from survey.clustering.shifts import align, best_shifts
from survey.errors import ConfigError

_ROUNDS = 4


def aligned_reference(
    sample: Array, max_shift: int, energy: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Spectrum (L,) to align with: the mean of a sample, aligned with itself in turn.

    Parameters
    ----------
    sample : (m, L) array
    max_shift : int
    energy : (m,) array, optional
        `noise_energy` of the spectra, by which they are weighted: the shifts of noisy spectra
        are noise, and would smear what the others agree about.
    """
    weight = None
    if energy is not None:
        weight = 1.0 / np.maximum(energy, np.finfo(np.float64).tiny)
        weight /= weight.max()  # the sum of those of spectra without noise would be infinite
    reference = np.average(sample, axis=0, weights=weight).astype(np.float64)
    for _ in range(_ROUNDS if max_shift else 0):
        aligned = aligned_with(sample, reference, max_shift)
        reference = np.average(aligned, axis=0, weights=weight).astype(np.float64)
    return reference


def aligned_with(spectra: Array, reference: NDArray[np.float64], max_shift: int) -> Array:
    """Spectra (m, L), each moved by its best shift against the reference.

    Samples at the ends that this leaves without data take the values of the reference.

    Raises
    ------
    DataError
        If spectra and reference cannot be compared.
    """
    if not max_shift:
        return spectra
    return aligned_by(spectra, reference, best_shifts(spectra, reference, max_shift))


def aligned_by(
    spectra: Array, reference: NDArray[np.float64], shifts: NDArray[np.integer]
) -> Array:
    """Spectra (m, L) moved by known shifts (m,) against the reference; see `aligned_with`."""
    moved = align(spectra, shifts)
    return np.where(np.isnan(moved), reference.astype(moved.dtype), moved)


def vector_tree(scores: NDArray[np.floating], method: Method) -> Tree:
    """Ward's tree (n - 1, 4) of points (n, d), in memory for n d numbers.

    Raises
    ------
    ConfigError
        For another method, which would need the pairs.
    """
    if method != "ward":
        raise ConfigError(
            f"linkage {method!r} cannot be made of points alone",
            expected="ward",
            advice="Give the workers more memory, or take another method",
        )
    tree: Tree = fastcluster.linkage_vector(scores.astype(np.float64), "ward")
    return tree
