"""What is done about the point-spread function before spectra are compared.

The point source of the nucleus is subtracted, or all planes are brought to one resolution. Both
need spaxels around a spaxel, so the filled spectra of the whole cube are held, in memory or on
disk, and corrected block by block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import least_squares

from survey.spectra.blocks import Allocate, Rows, row_blocks
from survey.spectra.fill import BLOCK_SAMPLES, Filled, SpaxelRecord
from survey.spectra.impossible import SpaxelGrid
from survey.spectra.noise import local_noise
from survey.spectra.psf.match import kernel_variance, matched
from survey.spectra.psf.point_source import PointSource, point_source_over_level
from survey.spectra.psf.profiles import PointSpread

FIT_RADIUS_FWHM = 1.5
"""Radius in which the point source and the level under it are fitted, in widths of the PSF."""

LEAST_SHARE = 0.2
"""A point source that has less of the light of the spaxel at the centre is none."""

MOST_OFFSET = 1.0
"""Between the centroid of the light and the point source, in spaxels along each axis."""

_FEWEST = 8
"""Spaxels that a fit needs."""

_BINS = 6

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HeldSpaxels:
    """The filled spectra of the usable spaxels of a cube.

    Attributes
    ----------
    rows : (n,) array of int
        Their rows of the input, increasing.
    y, x : (n,) arrays of int
    flux : (n, P) table
    error : (N, L) table
        Of the input, with `planes` those that count.
    planes : (P,) array of int
    bad : (n, P) sparse array of bool
    """

    rows: NDArray[np.intp]
    y: NDArray[np.integer]
    x: NDArray[np.integer]
    flux: Rows
    error: Rows
    planes: NDArray[np.intp]
    bad: sparse.csr_array

    @classmethod
    def of(
        cls,
        blocks: Iterable[Filled],
        places: SpaxelGrid,
        error: Rows,
        planes: NDArray[np.intp],
        allocate: Allocate,
    ) -> HeldSpaxels:
        """Hold all blocks."""
        table = allocate("filled", (len(places.y), len(planes)), np.dtype(np.float32))
        rows, holes, count = [], [], 0
        for block in blocks:
            table[count : count + len(block.rows)] = block.flux
            count += len(block.rows)
            rows.append(block.rows)
            holes.append(sparse.csr_array(block.bad))
        kept = np.concatenate(rows)
        bad = sparse.csr_array(sparse.vstack(holes))
        return cls(kept, places.y[kept], places.x[kept], table, error, planes, bad)

    def blocks(self, *, large: bool = False) -> Iterator[tuple[slice, Filled]]:
        """The spaxels again, block by block, with their places among those held."""
        for part in row_blocks(
            (len(self.rows), len(self.planes)), None if large else BLOCK_SAMPLES
        ):
            rows = self.rows[part]
            yield (
                part,
                Filled(
                    rows,
                    self.flux[part],
                    self.error[rows][:, self.planes],
                    self.bad[part].toarray(),
                ),
            )


@dataclass(frozen=True)
class FittedSource:
    """The point source of a cube of P planes.

    Attributes
    ----------
    centre : (y, x)
    psf : PointSpread
    spectrum, error : (P,) arrays
        Its flux, in the unit of the spaxels times their number, and the standard deviation of it.
    """

    centre: tuple[float, float]
    psf: PointSpread
    spectrum: Floats
    error: Floats

    def share(self, y: NDArray[np.integer], x: NDArray[np.integer]) -> Floats:
        """(n, P) share of its light in spaxels."""
        return self.psf.share(y - self.centre[0], x - self.centre[1])


def fit_source(
    flux: Rows,
    y: NDArray[np.integer],
    x: NDArray[np.integer],
    psf: PointSpread,
    centre: tuple[float, float],
    *,
    least_share: float = LEAST_SHARE,
) -> FittedSource | None:
    """The point source at the centre of a cube; None if there is none.

    Parameters
    ----------
    flux : (n, P) table
        Of all spaxels, without gaps.
    y, x : (n,) arrays of int
    psf : PointSpread
        Of these planes.
    centre : (y, x)
    least_share : float
        Of the light of the spaxel at the centre, which the point source must have.
    """
    radius = np.hypot(y - centre[0], x - centre[1])
    near = np.flatnonzero(radius <= max(2.0, FIT_RADIUS_FWHM * float(np.median(psf.fwhm))))
    if len(near) < _FEWEST:
        return None
    y, x, around = y[near], x[near], flux[near].astype(np.float64)
    centre = _fitted_centre(around, y, x, psf, centre)
    source = point_source_over_level(around, psf.share(y - centre[0], x - centre[1]))
    nearest = int(np.argmin(np.hypot(y - centre[0], x - centre[1])))
    if source.share_of_light(around.sum(axis=1))[nearest] < least_share:
        return None
    return FittedSource(centre, psf, source.spectrum, local_noise(source.spectrum[None])[0])


def _fitted_centre(
    flux: Floats,
    y: NDArray[np.integer],
    x: NDArray[np.integer],
    psf: PointSpread,
    start: tuple[float, float],
) -> tuple[float, float]:
    """Where a point source over a level comes nearest to spaxels (n, P) around it.

    The centroid of the light is off where the profile is lopsided or the galaxy is.
    """
    pieces = np.array_split(np.arange(flux.shape[1]), min(_BINS, flux.shape[1]))
    images = np.stack([flux[:, piece].mean(axis=1) for piece in pieces], axis=1)
    of_bins = psf.of_planes(np.array([piece[len(piece) // 2] for piece in pieces]))
    peak = np.maximum(images.max(axis=0), 1e-30)

    def misfit(place: Floats) -> Floats:
        source = point_source_over_level(images, of_bins.share(y - place[0], x - place[1]))
        rest = images - source.flux
        return np.asarray(((rest - rest.mean(axis=0)) / peak).ravel())

    low, high = np.array(start) - MOST_OFFSET, np.array(start) + MOST_OFFSET
    found = least_squares(misfit, start, bounds=(low, high), x_scale=0.1, diff_step=1e-3)
    return float(found.x[0]), float(found.x[1])


def shares_of_light(
    flux: Rows, y: NDArray[np.integer], x: NDArray[np.integer], source: FittedSource
) -> Floats:
    """(n,) what a point source explains of the light of spaxels, from 0 to 1."""
    shares = np.empty(len(y))
    for part in row_blocks(flux.shape, BLOCK_SAMPLES):
        total = flux[part].sum(axis=1, dtype=np.float64)
        shares[part] = PointSource(source.share(y[part], x[part]), source.spectrum).share_of_light(
            total
        )
    return shares


def subtracted_blocks(
    held: HeldSpaxels, source: FittedSource | None, max_share: float, record: SpaxelRecord
) -> Iterator[Filled]:
    """The spaxels without the point source, if there is one; its error is added to theirs.

    Those of whose light it explains more than `max_share` are hidden, and in any case the one at
    its centre. Shares are written to the record.
    """
    if source is None:
        yield from (block for _, block in held.blocks())
        return
    nearest = held.rows[np.argmin(np.hypot(held.y - source.centre[0], held.x - source.centre[1]))]
    for part, block in held.blocks():
        share = source.share(held.y[part], held.x[part])
        whole = PointSource(share, source.spectrum)
        point_share = whole.share_of_light(block.flux.sum(axis=1, dtype=np.float64))
        record.point_share[block.rows] = point_share
        error = np.sqrt(np.square(block.error) + np.square(share * source.error))
        yield replace(
            block,
            flux=(block.flux - whole.flux).astype(block.flux.dtype),
            error=error.astype(block.error.dtype),
            hidden=(point_share > max_share) | (block.rows == nearest),
        )


def matched_blocks(held: HeldSpaxels, psf: PointSpread) -> Iterator[Filled]:
    """The spaxels with all planes at the resolution of the plane of the widest PSF."""
    # For every block the spaxels around it are read, so they are as large as can be.
    variance = kernel_variance(psf)
    for part, block in held.blocks(large=True):
        flux, error = matched(held.flux, held.y, held.x, part, block.error, variance)
        yield replace(block, flux=flux, error=error)
