"""Cluster spectra: averages of aligned spaxels, their scatter, and the error of the median.

The spaxels of a cluster have one shape and very different brightness. Its median spectrum is
therefore the median of the *shapes* at the median brightness: a plain median of the fluxes
takes every sample from the few spaxels of middle brightness, and is 2 to 6 times noisier
where the brightness within a cluster varies by a factor of two or three.

The sum spectrum is that of the region as it was observed: its fluxes are those of the region.
Spaxels are not aligned in it, because no light may be shifted off the spectrum, and lines that move
within the region are measured with the width that they have together. A sample that is masked in
some spaxels is the sum over the others times all light over theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from survey.clustering.covariance import SharedNoise
from survey.clustering.pair_sums import CondensedPairs, Pairs, as_pairs
from survey.config import ProfileSettings
from survey.distances.distances import shifted_distances
from survey.distances.lags import Array
from survey.distances.shifts import TAPS, align, best_shifts, interpolation_weights
from survey.spectra.blocks import Rows, row_blocks
from survey.spectra.medians import masked_median
from survey.spectra.noise import LAG, high_pass, noise_at_precision

MIN_LIGHT = 0.5
"""Share of a cluster's light that must have been measured for a sample of its sum."""

_BLOCK_SAMPLES = 2**21
_READ_SAMPLES = 2**24
_SUM_SAMPLES = 2**23
_MIN_MEMBERS = 8


@dataclass(frozen=True)
class ClusterProfiles:
    """Spectra of clusters 1..k in the order of their labels, in the unit of the flux.

    Parameters
    ----------
    median : (k, L) array
        Median shape at the median brightness.
    error : (k, L) array
        1-sigma error of `median` by the empirical noise, a part of which neighbouring spaxels
        share. It says nothing of how much the spaxels of a cluster differ.
    std : (k, L) array
        Standard deviation of the spaxels at the median brightness, which is the error quoted
        by the paper; NaN for a single spaxel.
    mean, weighted_mean : (k, L) arrays
        Arithmetic mean, and mean with inverse-variance weights.
    sum, sum_error : (k, L) arrays
        Sum over all spaxels, not aligned, and its 1-sigma error, with the noise that neighbouring
        spaxels share; NaN where spaxels with less than half of the light were measured.
    n_spaxel : (k,) array of int
    n_effective : (k,) array
        Number of independent spaxels whose mean has the same error.
    """

    median: NDArray[np.float64]
    error: NDArray[np.float64]
    std: NDArray[np.float64]
    mean: NDArray[np.float64]
    weighted_mean: NDArray[np.float64]
    sum: NDArray[np.float64]
    sum_error: NDArray[np.float64]
    n_spaxel: NDArray[np.intp]
    n_effective: NDArray[np.float64]

    @property
    def continuum(self) -> NDArray[np.float64]:
        """(k,) median over wavelength of the median spectrum."""
        return np.median(self.median, axis=1)

    @property
    def continuum_snr(self) -> NDArray[np.float64]:
        """(k,) continuum over the noise of one sample of the median spectrum, measured on it."""
        noise = noise_at_precision(self.median)
        return self.continuum / np.maximum(noise, np.finfo(np.float64).tiny)

    def low_snr(self, settings: ProfileSettings) -> NDArray[np.bool_]:
        """(k,) whether the S/N is low, by `settings.low_snr_rule`.

        By the rule "snr" each cluster is judged by its own median spectrum. The paper's rule,
        "scatter", compares the continuum with the median `std` of all clusters, which flags a
        well measured cluster beside bright ones.
        """
        if settings.low_snr_rule == "snr":
            return self.continuum_snr < settings.low_snr_below
        known = self.std[np.isfinite(self.std)]
        limit = settings.low_snr_factor * np.median(known) if known.size else -np.inf
        return self.continuum < limit


def cluster_profiles(
    flux: Rows,
    labels: NDArray[np.integer],
    shifts: NDArray[np.number],
    *,
    scale: NDArray[np.float64],
    noise: NDArray[np.float64],
    y: NDArray[np.integer],
    x: NDArray[np.integer],
    bridged: sparse.sparray | None = None,
) -> ClusterProfiles:
    """Average the spaxels of every cluster, a block of wavelengths at a time.

    Parameters
    ----------
    flux : (n, L) table of float, finite
        Rest-frame spectra before normalisation; it has to be indexed by columns, too.
    labels : (n,) array of int
        1..k, none empty.
    shifts : (n,) array
        Shift of every spaxel against the medoid of its cluster, by which it is aligned; fractions
        of a sample are interpolated.
    scale, noise : (n,) arrays
        Normalising factor and noise of one sample of every spaxel, both positive.
    y, x : (n,) arrays of int
        Positions in the image.
    bridged : (n, L) sparse array of bool, optional
        Samples of `flux` that were not measured; none unless given.
    """
    members = [np.flatnonzero(labels == label) for label in range(1, labels.max() + 1)]
    n_spaxel, n_sample = flux.shape
    spectra = np.empty((4, len(members), n_sample))
    total, correction = np.empty((2, len(members), n_sample))
    holes = sparse.csc_array(flux.shape, dtype=bool) if bridged is None else bridged.tocsc()
    shared = SharedNoise(y, x, n_sample)
    margin = int(np.ceil(np.abs(shifts).max(initial=0))) + LAG + TAPS

    for inner, outer in _wavelength_blocks(n_spaxel, n_sample, margin):
        part = slice(inner.start - outer.start, inner.stop - outer.start)
        block = flux[:, outer]
        residuals = np.full((n_spaxel, inner.stop - inner.start), np.nan)
        good = ~holes[:, inner].toarray()
        for c, rows in enumerate(members):
            aligned = align(block[rows].astype(np.float64), shifts[rows])
            averages = _average(aligned, scale[rows], noise[rows])
            spectra[:, c, inner] = averages[:, part]
            measured = np.where(good[rows], block[rows, part], 0.0)
            correction[c, inner] = _light_correction(scale[rows], good[rows])
            total[c, inner] = measured.sum(axis=0, dtype=np.float64) * correction[c, inner]
            # The residuals of a few spaxels about their own median are too small.
            if len(rows) >= _MIN_MEMBERS:
                model = averages[0] / np.median(scale[rows])
                rest = (aligned - scale[rows, None] * model) / noise[rows, None]
                residuals[rows] = _padded_high_pass(rest)[:, part]
        shared.add(residuals, inner)

    median, mean, weighted_mean, std = spectra
    # Noise of the typical member: a median weighs each spaxel by its density at the middle.
    typical = np.array([np.median(scale[m]) / np.mean(scale[m] / noise[m]) for m in members])
    factor = typical * np.sqrt(shared.variance_of_median(labels))
    # The level is that of aligned spectra: interpolation took some of the noise off.
    kept = np.mean(np.sum(interpolation_weights(shifts) ** 2, axis=1))
    noise = noise / np.sqrt(kept)
    return ClusterProfiles(
        median=median,
        error=factor[:, None] * shared.level,
        std=std,
        mean=mean,
        weighted_mean=weighted_mean,
        sum=total,
        sum_error=np.sqrt(shared.variance_of_sum(labels, noise))[:, None]
        * shared.level
        * correction,
        n_spaxel=np.array([len(rows) for rows in members]),
        n_effective=1.0 / shared.variance_of_mean(labels),
    )


def _light_correction(scale: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """All light over that of the spaxels measured, (m,); NaN where that is less than half."""
    covered = scale @ good / scale.sum()
    return np.divide(1.0, covered, out=np.full_like(covered, np.nan), where=covered >= MIN_LIGHT)


def cluster_medoids(
    distances: Pairs | NDArray[np.floating], labels: NDArray[np.integer]
) -> NDArray[np.intp]:
    """Spaxel (k,) of each cluster 1..k with the least summed distance to the other members.

    Parameters
    ----------
    distances : Pairs or (n (n-1) / 2,) array
        Squared distances of all spaxels, an array in SciPy's order. Of a sample they would give
        the medoids of the sample, if it has members of every cluster: see `sampled_medoid`.
    labels : (n,) array of int
        1..k, none empty.
    """
    pairs = as_pairs(distances)
    k, labels = int(labels.max()), labels[pairs.items]
    summed = pairs.sums_to_clusters(labels - 1, k)[labels - 1, np.arange(len(labels))]
    order = np.lexsort((summed, labels))
    return pairs.items[order[np.searchsorted(labels[order], np.arange(1, k + 1))]]


def sampled_medoid(spectra: Array, max_shift: int, *, threads: int = 1) -> int:
    """Which of some spectra of one cluster has the least summed distance to the others.

    Of a random sample of 1,000 members, the medoid is one of the thousandth part nearest to the
    middle, which is all that its use as a reference for alignment asks for.

    Parameters
    ----------
    spectra : (m, L) array
    max_shift, threads : int
        See `shifted_distances`.
    """
    if len(spectra) < 3:
        return 0
    condensed = shifted_distances(spectra, max_shift, threads=threads).condensed
    sums = CondensedPairs(condensed).sums_to_clusters(np.zeros(len(spectra), np.intp), 1)
    return int(np.argmin(sums[0]))


def shifts_to_medoids(
    spectra: Rows,
    labels: NDArray[np.integer],
    medoids: NDArray[np.integer],
    max_shift: int,
    *,
    subsample: bool = False,
) -> NDArray[np.number]:
    """Shift (n,) of every spaxel against the medoid of its cluster, see `best_shifts`."""
    shifts: NDArray[np.number]
    shifts = np.zeros(spectra.shape[0], dtype=np.float64 if subsample else np.intp)
    references = spectra[np.asarray(medoids)]
    for block in row_blocks(spectra.shape, _READ_SAMPLES):
        read = spectra[block]
        for label, reference in enumerate(references, start=1):
            rows = np.flatnonzero(labels[block] == label)
            if len(rows):
                shifts[block.start + rows] = best_shifts(
                    read[rows], reference, max_shift, subsample=subsample
                )
    return shifts


def stacked_snr(flux: Rows, labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Continuum S/N (k,) of one sample of the mean spectrum of every group 1..k.

    Cheap, for trying many partitions: the spaxels are not aligned. A bounded number of mean spectra
    is in memory at a time.
    """
    count = np.bincount(labels)[1:]
    snr = np.empty(len(count))
    for group in row_blocks((len(count), flux.shape[1]), _SUM_SAMPLES):
        total = np.zeros((group.stop - group.start, flux.shape[1]))
        for rows in row_blocks(flux.shape, _READ_SAMPLES):
            place = labels[rows] - 1 - group.start
            members = np.flatnonzero((place >= 0) & (place < len(total)))
            if not len(members):
                continue
            shape = (len(total), rows.stop - rows.start)
            belongs = sparse.csr_array((np.ones(len(members)), (place[members], members)), shape)
            total += belongs @ flux[rows]
        mean = total / count[group, None]
        noise = np.maximum(noise_at_precision(mean), np.finfo(np.float64).tiny)
        snr[group] = np.median(mean, axis=1) / noise
    return snr


def _wavelength_blocks(n: int, size: int, margin: int) -> Iterator[tuple[slice, slice]]:
    """Slices that divide the samples, each with the larger slice from which it is computed."""
    width = max(2 * margin, _BLOCK_SAMPLES // n)
    for start in range(0, size, width):
        stop = min(start + width, size)
        yield slice(start, stop), slice(max(start - margin, 0), min(stop + margin, size))


def _average(
    aligned: NDArray[np.floating], scale: NDArray[np.float64], noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Median, mean, weighted mean and standard deviation, (4, m), of spectra with NaN (n, m)."""
    valid = np.isfinite(aligned)
    count = valid.sum(axis=0)
    known = np.where(valid, aligned, 0.0)
    scaled = known * (np.median(scale) / scale)[:, None]
    weight = np.square(noise.min() / noise)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = known.sum(axis=0) / count
        weighted_mean = weight @ known / (weight @ valid)
        deviation = np.where(valid, scaled - scaled.sum(axis=0) / count, 0.0)
        variance = np.square(deviation).sum(axis=0) / np.where(count > 1, count - 1, np.nan)
    return np.stack([masked_median(scaled.T, valid.T), mean, weighted_mean, np.sqrt(variance)])


def _padded_high_pass(residuals: NDArray[np.floating]) -> NDArray[np.floating]:
    """High-passed spectra of the same length, NaN at both ends."""
    padded = np.full_like(residuals, np.nan)
    padded[:, LAG:-LAG] = high_pass(residuals)
    return padded
