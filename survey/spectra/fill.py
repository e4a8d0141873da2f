"""Spectra of a cube without gaps: impossible voxels are masked, short gaps are bridged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from survey.config import PrepareSettings
from survey.spectra.blocks import Rows, read_blocks
from survey.spectra.impossible import Neighbours, SpaxelGrid, impossible_voxels
from survey.spectra.line_holes import heights_of_lines
from survey.spectra.mask import fill_gaps, longest_gaps

REASONS = (
    "no data",
    "too many bad planes",
    "gap too long",
    "continuum S/N too low",
    "no positive integral",
    "point source",
)
"""Reasons why a spaxel is left out, in the order in which they are checked."""

KEPT = -1
"""Outcome of a spaxel that is kept; for others it is the position of the reason in `REASONS`."""

BLOCK_SAMPLES = 2**19


def reason_code(reason: str) -> int:
    """The outcome of a spaxel that is left out for a reason."""
    return REASONS.index(reason)


@dataclass(frozen=True)
class SpaxelRecord:
    """What is found out about every row (N,) of the input.

    Attributes
    ----------
    outcome : (N,) array of int8
        `KEPT`, or the place of a reason in `REASONS`.
    mean_flux : (N,) array
        Of the good voxels; NaN for one without data.
    n_impossible : (N,) array of int
    point_share : (N,) array
        What a subtracted point source explained of the light, from 0 to 1; NaN where not known.
    """

    size: int
    outcome: NDArray[np.int8] = field(init=False)
    mean_flux: NDArray[np.float64] = field(init=False)
    n_impossible: NDArray[np.int64] = field(init=False)
    point_share: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "outcome", np.full(self.size, KEPT, np.int8))
        object.__setattr__(self, "mean_flux", np.full(self.size, np.nan))
        object.__setattr__(self, "n_impossible", np.zeros(self.size, np.int64))
        object.__setattr__(self, "point_share", np.full(self.size, np.nan))


@dataclass(frozen=True)
class Filled:
    """Some spaxels without gaps.

    Attributes
    ----------
    rows : (m,) array of int
        Their rows of the input.
    flux, error : (m, P) arrays
    bad : (m, P) array of bool
        What was bridged.
    hidden : (m,) array of bool, optional
        Spaxels that a subtracted point source leaves no light.
    """

    rows: NDArray[np.intp]
    flux: NDArray[np.floating]
    error: NDArray[np.floating]
    bad: NDArray[np.bool_]
    hidden: NDArray[np.bool_] | None = None


def filled_blocks(
    flux: Rows,
    error: Rows,
    bad: Rows,
    planes_um: NDArray[np.float64],
    *,
    dropped: NDArray[np.bool_],
    settings: PrepareSettings,
    places: SpaxelGrid | None,
    record: SpaxelRecord,
) -> Iterator[Filled]:
    """The usable spaxels of a cube, block by block, at the planes that are not dropped.

    Parameters
    ----------
    flux, error : (N, L) tables
    bad : (N, L) table of bool
    planes_um : (P,) array
        Wavelengths of the planes that are not dropped.
    dropped : (L,) array of bool
    settings : PrepareSettings
    places : SpaxelGrid, optional
        Without it neighbours on the sky are not compared.
    record : SpaxelRecord
        Written.
    """
    planes = np.flatnonzero(~dropped)
    beside: Neighbours | None = None
    for rows, (block_flux, block_error, block_bad), read in read_blocks(
        (flux, error, bad), BLOCK_SAMPLES
    ):
        block_bad = block_bad | dropped
        if places is not None and (beside is None or beside.first_row != read.first):
            beside = Neighbours(places, flux, bad, read.first, read.tables[0], read.tables[2])
        if settings.mask_impossible:
            found = impossible_voxels(block_flux, block_bad, rows, beside)
            block_bad[found] = True
            record.n_impossible[rows] = np.bincount(found[0], minlength=len(block_bad))
        record.mean_flux[rows] = _mean_flux(block_flux[:, planes], block_bad[:, planes])
        record.outcome[rows] = _judge_gaps(block_bad[:, planes], settings)
        usable = np.flatnonzero(record.outcome[rows] == KEPT)
        used = np.ix_(usable, planes)
        on_lines = None
        if beside is not None:
            holes = np.zeros_like(block_bad)
            holes[used] = block_bad[used]
            on_lines = heights_of_lines(block_flux, block_bad, rows, holes, beside)
        filled, holes = block_flux[used], block_bad[used]
        fill_gaps(filled, holes, planes_um)
        if on_lines is not None:
            filled += on_lines[used]
        yield Filled(rows.start + usable, filled, block_error[used], holes)


def _mean_flux(flux: NDArray[np.floating], bad: NDArray[np.bool_]) -> NDArray[np.float64]:
    good = ~bad
    total = np.where(good, flux, 0.0).sum(axis=1, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(total / good.sum(axis=1), dtype=np.float64)


def _judge_gaps(bad: NDArray[np.bool_], settings: PrepareSettings) -> NDArray[np.int8]:
    bad_fraction = bad.mean(axis=1)
    outcome = np.full(len(bad), KEPT, dtype=np.int8)
    # The last word is that of the first reason in `REASONS`.
    outcome[longest_gaps(bad) > settings.max_gap_samples] = reason_code("gap too long")
    outcome[bad_fraction > settings.max_bad_plane_fraction] = reason_code("too many bad planes")
    outcome[bad_fraction == 1.0] = reason_code("no data")
    return outcome
