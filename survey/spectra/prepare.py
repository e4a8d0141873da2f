"""From observed spectra of a cube to normalised rest-frame spectra without gaps.

This is the stage before the distances: window, bad planes, impossible voxels, bad spaxels, short
gaps, a grid that suits the shift, empirical noise, a limit in S/N, normalisation. Input and output
are tables of rows (`survey.spectra.blocks`); if these are on disk, only a few blocks are in memory
at a time.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from survey.config import PrepareSettings
from survey.errors import DataError, SurveyWarning
from survey.spectra.blocks import (
    Allocate,
    Rows,
    blocks_of,
    in_memory,
    keep_rows,
    read_blocks,
    with_columns,
)
from survey.spectra.centre import centre_of_field
from survey.spectra.constants import LIGHT_KM_S
from survey.spectra.fill import (
    BLOCK_SAMPLES,
    KEPT,
    REASONS,
    Filled,
    SpaxelRecord,
    filled_blocks,
    reason_code,
)
from survey.spectra.grid import (
    check_finer,
    log_grid,
    resample,
    resampling_matrix,
    rest_wavelength,
    velocity_step_km_s,
    window_planes,
)
from survey.spectra.impossible import SpaxelGrid
from survey.spectra.mask import bad_planes
from survey.spectra.medians import masked_median
from survey.spectra.noise import MIN_SAMPLES, local_noise, noise_at_precision
from survey.spectra.normalise import Ranges, SpectralFrame, normalise
from survey.spectra.psf.correct import HeldSpaxels, fit_source, matched_blocks, subtracted_blocks
from survey.spectra.psf.profiles import PointSpread
from survey.spectra.psf.subtracted import SubtractedSource, subtracted_source

_MEASURES = ("noise", "snr", "scale", "error_ratio", "filled")
_MIN_COVERAGE = 0.5
_MAX_JUDGES = 1000
_MIN_SPAXELS = 2
_UNEQUAL = 2.0
"""How many times as wide as others samples may be, as those of joined arms, before it is said."""


@dataclass(frozen=True)
class Prepared:
    """Spectra ready for the distances, n spaxels of L samples.

    Parameters
    ----------
    spectra : (n, M) table
        Normalised, finite, at the samples that are compared.
    flux : (n, L) table
        The same spectra before normalisation, in the unit of the cube, gaps filled.
    noise : (n,) array
        Empirical standard deviation of one sample of `flux`.
    snr : (n,) array
        Continuum S/N of one sample of the cube: median flux over noise.
    scale : (n,) array
        Integral by which each spectrum was divided.
    error_ratio : (n,) array
        Empirical noise over the median error that came with the cube; NaN without errors.
    filled : (n,) array
        Fraction of the samples that were bad and have been bridged.
    bridged : (n, L) sparse array of bool
        Those samples of `flux`.
    spaxels : (n,) array of int
        Rows of the input that were kept.
    wavelength_um : (L,) array
        Rest frame.
    is_compared : (L,) array of bool
        True for the M samples that are compared between spaxels: those not too noisy.
    max_shift : int
        Largest spectral shift, in samples of this grid.
    velocity_step_km_s : float
        Median width of a sample.
    mean_flux : (N,) array
        Mean flux of every row of the input, clustered or not; NaN for one without data.
    dropped_planes : array of int
        Planes of the input, inside the window, that were left out.
    outcome : (N,) array of int8
        For every row of the input `KEPT`, or why it was left out: a place in `REASONS`.
    n_impossible : (N,) array of int
        Impossible voxels of every row of the input that were masked.
    point_source : SubtractedSource, optional
        The point source that was subtracted; spaxels that it leaves no light are left out.
    """

    spectra: Rows
    flux: Rows
    noise: NDArray[np.float64]
    snr: NDArray[np.float64]
    scale: NDArray[np.float64]
    error_ratio: NDArray[np.float64]
    filled: NDArray[np.float64]
    bridged: sparse.csr_array
    spaxels: NDArray[np.intp]
    wavelength_um: NDArray[np.float64]
    is_compared: NDArray[np.bool_]
    max_shift: int
    velocity_step_km_s: float
    mean_flux: NDArray[np.float64]
    dropped_planes: NDArray[np.intp]
    outcome: NDArray[np.int8]
    n_impossible: NDArray[np.int64]
    point_source: SubtractedSource | None = None

    @cached_property
    def brightness(self) -> NDArray[np.floating]:
        """(n,) mean of `flux` over the samples."""
        return np.concatenate([block.mean(axis=1) for block in blocks_of(self.flux)])


def prepare(
    flux: Rows,
    error: Rows,
    bad: Rows,
    wavelength_um: NDArray[np.float64],
    *,
    redshift: float,
    window_um: tuple[float, float] | None = None,
    settings: PrepareSettings,
    shift_samples: int = 0,
    shift_km_s: float | None = None,
    line_mask_um: Ranges = (),
    positions: tuple[NDArray[np.integer], NDArray[np.integer]] | None = None,
    psf: PointSpread | None = None,
    allocate: Allocate = in_memory,
) -> Prepared:
    """Prepare the spectra of one cube.

    The memory needed besides the input is that of the two tables returned, where `allocate`
    makes them in memory, and a few blocks of spaxels.

    Parameters
    ----------
    flux, error : (N, P) table of float
        Spaxels by planes, any unit; error is one sigma.
    bad : (N, P) table of bool
        True where flux may not be used.
    wavelength_um : (P,) array
        Observed frame, vacuum, increasing.
    redshift : float
    window_um : (low, high), optional
        Rest-frame window; all planes when None.
    settings : PrepareSettings
        Limits of the masks, S/N and normalisation.
    shift_samples : int
        Largest shift between spectra, when it is counted in samples of the cube.
    shift_km_s : float, optional
        Largest shift as a velocity: the spectra are then resampled to a log-linear grid with
        the median velocity step of the cube, and the shift rounded to samples of it.
    line_mask_um : pairs of (low, high)
        Rest-frame ranges of known lines, for the normalisations that need them.
    positions : (y, x), optional
        Places (N,) of the spaxels on the image, in which neighbours are compared where voxels are
        impossible (see `survey.spectra.impossible`), and which a point-spread function needs.
    psf : PointSpread, optional
        That of all planes, which is needed if the settings do something about it.
    allocate : callable
        Makes room for the tables "flux", "spectra" and "filled"; in memory by default.

    Raises
    ------
    DataError
        If the window is not covered, too few planes have data, or fewer than two spaxels are
        left; the counts by reason are in `found`.
    """
    rest_um = rest_wavelength(wavelength_um, redshift)
    window = window_planes(rest_um, window_um)
    flux, error, bad = (with_columns(table, window) for table in (flux, error, bad))
    rest_um = rest_um[window]

    dropped = _dropped_planes(bad, settings)
    grid = _choose_grid(rest_um, dropped, shift_samples, shift_km_s)
    if settings.normalise == "window":
        window_planes(grid.wavelength_um, settings.normalise_window)  # or it raises

    n_spaxel, n_sample = flux.shape[0], len(grid.wavelength_um)
    record = SpaxelRecord(n_spaxel)
    outcome = record.outcome
    places = None if positions is None else SpaxelGrid(*positions)
    blocks = filled_blocks(
        flux, error, bad, grid.planes_um,
        dropped=dropped, settings=settings, places=places, record=record,
    )  # fmt: skip
    source = None
    if settings.psf != "none":
        if psf is None or places is None:
            raise ValueError("without a PSF and positions nothing can be done about the PSF")
        psf = psf.of_planes(window).of_planes(grid.planes)
        held = HeldSpaxels.of(blocks, places, error, grid.planes, allocate)
        if settings.psf == "match":
            blocks = matched_blocks(held, psf)
        elif len(held.rows):
            centre = centre_of_field(record.mean_flux, places.y, places.x)
            source = fit_source(held.flux, held.y, held.x, psf, centre)
            blocks = subtracted_blocks(held, source, settings.psf_max_share, record)
    clean = allocate("flux", (n_spaxel, n_sample), flux.dtype)
    measures, bridged, count = [], [], 0
    for filled in blocks:
        block = _measured(filled, grid, settings)
        outcome[filled.rows] = block.outcome
        clean[count : count + len(block.flux)] = block.flux
        measures.append(block.measures)
        bridged.append(block.bridged)
        count += len(block.flux)
    _refuse_too_few(outcome)
    measured = np.concatenate(measures)

    is_compared = _quiet_samples(clean, measured["noise"], settings.max_plane_noise)
    spectra = allocate("spectra", (count, int(is_compared.sum())), flux.dtype)
    accepted = np.empty(count, dtype=bool)
    frame = SpectralFrame(
        grid.wavelength_um, settings.normalise_window, line_mask_um, used=is_compared
    )
    for rows, (block_flux,), _ in read_blocks((clean,), BLOCK_SAMPLES, count):
        normalised, measured["scale"][rows], accepted[rows] = normalise(
            block_flux, measured["noise"][rows], frame, settings.normalise
        )
        spectra[rows] = normalised[:, is_compared]
    outcome[np.flatnonzero(outcome == KEPT)[~accepted]] = reason_code("no positive integral")
    subtracted = None
    if source is not None:
        subtracted = subtracted_source(source, held, record, grid.weights)
    _refuse_too_few(outcome)
    measured = measured[accepted]
    return Prepared(
        spectra=keep_rows(spectra, accepted),
        flux=keep_rows(clean, accepted),
        **{name: np.ascontiguousarray(measured[name]) for name in _MEASURES},
        bridged=sparse.csr_array(sparse.vstack(bridged))[np.flatnonzero(accepted)],
        spaxels=np.flatnonzero(outcome == KEPT),
        wavelength_um=grid.wavelength_um,
        is_compared=is_compared,
        max_shift=grid.max_shift,
        velocity_step_km_s=_median_step_km_s(grid.wavelength_um),
        mean_flux=record.mean_flux,
        dropped_planes=window.start + np.flatnonzero(dropped),
        outcome=outcome,
        n_impossible=record.n_impossible,
        point_source=subtracted,
    )


def _quiet_samples(flux: Rows, noise: NDArray[np.float64], max_noise: float) -> NDArray[np.bool_]:
    """(L,) samples in stretches that are not much noisier than the spectra as a whole."""
    judges = np.arange(0, len(noise), max(1, len(noise) // _MAX_JUDGES))
    relative = local_noise(flux[judges]) / noise[judges, None]
    quiet = np.median(relative, axis=0) <= max_noise
    # Noise as flat as it is strong, as in a spectrum of zeros, is no reason to compare nothing.
    return quiet if np.count_nonzero(quiet) >= MIN_SAMPLES else np.ones_like(quiet)


def _dropped_planes(bad: Rows, settings: PrepareSettings) -> NDArray[np.bool_]:
    dropped = bad_planes(bad, settings.max_bad_spaxel_fraction)
    remaining = np.count_nonzero(~dropped)
    if remaining < MIN_SAMPLES:
        raise DataError(
            "too few wavelength planes have data",
            expected=f"at least {MIN_SAMPLES} planes good in most spaxels",
            found=f"{remaining} of {len(dropped)}",
            advice="Choose a wider window, or raise prepare.max_bad_spaxel_fraction.",
        )
    return dropped


@dataclass(frozen=True)
class _Grid:
    """All samples (L) of the prepared spectra, and how they come from the planes of the window."""

    planes: NDArray[np.intp]
    planes_um: NDArray[np.float64]
    wavelength_um: NDArray[np.float64]
    weights: sparse.csr_array | None
    max_shift: int


def _choose_grid(
    rest_um: NDArray[np.float64],
    dropped: NDArray[np.bool_],
    shift_samples: int,
    shift_km_s: float | None,
) -> _Grid:
    planes = np.flatnonzero(~dropped)
    planes_um = rest_um[planes]
    if shift_km_s is None:
        if shift_samples:
            _warn_of_unequal_steps(velocity_step_km_s(rest_um))
        return _Grid(planes, planes_um, planes_um, None, shift_samples)
    step_km_s = float(np.median(velocity_step_km_s(rest_um)))
    width_km_s = LIGHT_KM_S * np.log(planes_um[-1] / planes_um[0])
    check_finer(width_km_s / step_km_s, len(rest_um))
    target_um = log_grid(planes_um[0], planes_um[-1], step_km_s)
    weights, coverage = resampling_matrix(rest_um, target_um, usable=~dropped)
    # Nothing is invented where planes were dropped: those samples are absent here as well.
    covered = np.flatnonzero(coverage >= _MIN_COVERAGE)
    weights = weights[covered][:, planes]
    return _Grid(planes, planes_um, target_um[covered], weights, round(shift_km_s / step_km_s))


def _warn_of_unequal_steps(steps_km_s: NDArray[np.float64]) -> None:
    # Percentiles, for a gap between two bands is one wide step.
    least, most = np.percentile(steps_km_s, (5, 95))
    if most > _UNEQUAL * least:
        warnings.warn(
            f"shifts are counted in samples, which are {least:.0f} to {most:.0f} km/s wide: one is "
            "no single velocity, and shift_km_s is that of the median width. For shifts in "
            'velocity set distance.shift, for example "300 km/s"',
            SurveyWarning,
            stacklevel=3,
        )


@dataclass(frozen=True)
class _Block:
    """Outcomes of some usable spaxels: one for each, spectra of those kept."""

    outcome: NDArray[np.int8]
    flux: NDArray[np.floating]
    bridged: sparse.csr_array
    measures: NDArray[np.void]


def _measured(given: Filled, grid: _Grid, settings: PrepareSettings) -> _Block:
    flux, error, bad = given.flux, given.error, given.bad
    measures = np.zeros(len(flux), dtype=[(name, np.float64) for name in _MEASURES])
    noise = noise_at_precision(flux, ~bad)
    measures["filled"] = bad.mean(axis=1)
    measures["error_ratio"] = _ratio(noise, masked_median(error, ~bad & (error > 0)))
    # Before resampling, so that the support of the galaxy does not depend on the grid.
    measures["snr"] = _ratio(np.median(flux, axis=1), noise)
    if grid.weights is not None:
        flux = resample(flux, grid.weights)
        bad = resample((~bad).astype(flux.dtype), grid.weights) < _MIN_COVERAGE
        noise = noise_at_precision(flux, ~bad)
    measures["noise"] = noise

    outcome = np.full(len(flux), KEPT, np.int8)
    outcome[~(measures["snr"] >= settings.snr_min)] = reason_code("continuum S/N too low")
    if given.hidden is not None:
        outcome[given.hidden] = reason_code("point source")
    kept = outcome == KEPT
    return _Block(outcome, flux[kept], sparse.csr_array(bad[kept]), measures[kept])


def _ratio(value: NDArray[np.floating], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """``value / noise``; infinite for a positive value over zero, NaN for zero over zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(value / noise, dtype=np.float64)


def _median_step_km_s(wavelength_um: NDArray[np.float64]) -> float:
    # The median does not see the gaps that dropped planes leave.
    return float(np.median(velocity_step_km_s(wavelength_um)))


def _count_by_reason(outcome: NDArray[np.int8]) -> dict[str, int]:
    return {reason: int((outcome == code).sum()) for code, reason in enumerate(REASONS)}


def _refuse_too_few(outcome: NDArray[np.int8]) -> None:
    if np.count_nonzero(outcome == KEPT) >= _MIN_SPAXELS:
        return
    counts = ", ".join(
        f"{count} {reason}" for reason, count in _count_by_reason(outcome).items() if count
    )
    raise DataError(
        "too few spaxels are left for clustering",
        expected=f"at least {_MIN_SPAXELS} with few bad planes and enough continuum",
        found=counts,
        advice="Lower prepare.snr_min, raise prepare.max_gap_samples, or choose another window.",
    )
