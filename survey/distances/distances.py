"""Pairwise distances of spectra, minimised over a shift.

    d(i, j) = min over |s| <= S of  L / (L - |s|) * sum over the overlap of (x_i[k] - x_j[k + s])^2

This is the squared distance of the published method, with the overlap scaled to the full length,
which makes it exactly symmetric. It is not Euclidean: no set of points has these distances.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from survey.distances.devices import Device, try_devices
from survey.distances.engines import fft, gemm
from survey.distances.engines.base import Engine
from survey.distances.engines.device import ArrayEngine, Arrays
from survey.distances.engines.naive import NaiveEngine
from survey.distances.engines.products import ProductEngine
from survey.distances.lags import Array, require_comparable
from survey.errors import DataError

EngineName = Literal["naive", "gemm", "fft"]
Precision = Literal["float32", "float64"]

PRODUCT_ENGINES: dict[EngineName, type[ProductEngine]] = {
    "gemm": gemm.GemmEngine,
    "fft": fft.FFTEngine,
}

# Above this number of spectra single precision is the default: half the memory and time.
MAX_FLOAT64_SPECTRA = 5000


@dataclass(frozen=True)
class Distances:
    """Shift-minimised squared distances of all pairs.

    Attributes
    ----------
    condensed : array (n (n - 1) / 2,)
        d(i, j) for i < j in the order of `scipy.spatial.distance.pdist`, in the square of the
        unit of the spectra. Never negative.
    at_limit_fraction : float
        Fraction of pairs whose best lag is -S or S; 0 without shifts. If it is large, the limit
        determines the distances, and not the spectra.
    engine, dtype : str
        The engine that computed them, for example "fft" or "gemm on cuda", and the precision.
    """

    condensed: Array
    at_limit_fraction: float
    engine: str
    dtype: Precision


def shifted_distances(
    spectra: Array,
    max_shift: int,
    *,
    engine: EngineName | Literal["auto"] = "auto",
    dtype: Precision | Literal["auto"] = "auto",
    threads: int = 1,
    device: Device = "cpu",
) -> Distances:
    """Squared distances between spectra, minimised over shifts of up to `max_shift` samples.

    Parameters
    ----------
    spectra : array (n, L)
        At least two spectra on one grid, without gaps. Rounding errors are proportional to
        their squared differences from the mean spectrum, whatever they have in common.
    max_shift : int
        The largest shift S in samples; 0 compares sample by sample.
    engine : {"auto", "naive", "gemm", "fft"}
        How to compute; "auto" takes the one with the least work. The result is the same.
    dtype : {"auto", "float32", "float64"}
        Precision of the arithmetic and of the result; "auto" is float64 up to 5,000 spectra.
        The squares must be in its range, as they are for normalised spectra.
    threads : int
        Threads to use. Each runs single-threaded BLAS.
    device : {"auto", "cpu", "cuda"}
        See `survey.distances.devices.try_devices`. The result is the same to rounding.

    Returns
    -------
    Distances

    Raises
    ------
    DataError
        If the spectra are not a table of at least two finite spectra, or too short for the shift.
    ConfigError
        If the device does not exist.
    """
    spectra = np.asarray(spectra)
    require_comparable(spectra, max_shift)
    n_spectra, n_samples = spectra.shape
    if n_spectra < 2:
        raise DataError(
            "too few spectra to compare",
            expected="at least 2",
            found=str(n_spectra),
            advice="Lower the S/N limit or widen the spatial selection",
        )
    if dtype == "auto":
        dtype = "float64" if n_spectra <= MAX_FLOAT64_SPECTRA else "float32"
    if spectra.dtype not in (np.float32, np.float64):
        spectra = spectra.astype(np.float64)
    with threadpool_limits(1, user_api="blas"):
        # A product with a constant vector is the fastest mean; its rounding is of no account.
        mean = (np.full(n_spectra, 1.0 / n_spectra, spectra.dtype) @ spectra).astype(np.float64)

        def compute(arrays: Arrays | None) -> Distances:
            made = make_engine(engine, spectra, None, max_shift, dtype, mean, arrays)
            condensed, n_at_limit = _condense(made, threads)
            return Distances(condensed, n_at_limit / len(condensed), made.name, dtype)

        work = n_spectra**2 / 2 * gemm.multiplications_per_pair(n_samples, max_shift)
        return try_devices(device if on_any_device(engine) else "cpu", work, compute)


def on_any_device(engine: EngineName | Literal["auto"]) -> bool:
    """Whether a device can replace an engine on the cores."""
    return engine in ("auto", "gemm")


def make_engine(
    name: EngineName | Literal["auto"],
    left: Array,
    right: Array | None,
    max_shift: int,
    dtype: Precision,
    mean: npt.NDArray[np.float64],
    arrays: Arrays | None = None,
) -> Engine:
    """The engine of that name for the pairs of two sides, or of one set; see `Engine`.

    On a device, whose `arrays` are given, there is only one.
    """
    if arrays is not None:
        return ArrayEngine(left, right, max_shift, dtype, mean, arrays)
    if name == "auto":
        name = least_work(left.shape[1], max_shift)
    if name == "naive":
        return NaiveEngine(left, right, max_shift, dtype)
    return PRODUCT_ENGINES[name](left, right, max_shift, dtype, mean)


def least_work(n_samples: int, max_shift: int) -> EngineName:
    """The engine that spends the fewest multiplications on a pair."""
    by_lag = gemm.multiplications_per_pair(n_samples, max_shift)
    by_frequency = fft.multiplications_per_pair(n_samples, max_shift)
    return "gemm" if by_lag <= by_frequency else "fft"


def _condense(engine: Engine, threads: int) -> tuple[Array, int]:
    """Run an engine over all pairs: the condensed distances and the number at the limit.

    A task is a strip: the pairs of one tile with itself and all later ones. Its distances are
    one contiguous range of the condensed matrix, so threads never write to the same place.
    """
    n_spectra = len(engine.left)
    condensed = np.empty(n_spectra * (n_spectra - 1) // 2, engine.dtype)

    def strip() -> Array:
        return np.empty((engine.tile_size, n_spectra), engine.dtype)

    def run(tile: slice, workspace: tuple[Array, ...], strip: Array) -> int:
        nearest = strip[: tile.stop - tile.start]
        n_at_limit = nearest_distances(engine, tile, workspace, out=nearest)
        _write_rows(nearest, tile, condensed)
        return n_at_limit

    return condensed, over_tiles(engine, run, strip, threads)


def over_tiles(
    engine: Engine,
    run: Callable[[slice, tuple[Array, ...], Array], int],
    scratch: Callable[[], Array],
    threads: int,
) -> int:
    """Prepare an engine, call ``run(tile, workspace, scratch)`` for all tiles, add what it returns.

    Workspace and scratch belong to a thread and are reused.
    """
    local = threading.local()

    def start() -> None:
        local.workspace, local.scratch = engine.workspace(), scratch()

    with ThreadPoolExecutor(threads, initializer=start) as pool:
        for _ in pool.map(lambda prepare: prepare(), engine.preparations()):
            pass
        # In this order the tiles with most pairs come first, which keeps all threads busy.
        counts = pool.map(lambda tile: run(tile, local.workspace, local.scratch), engine.tiles())
        return sum(counts)


def nearest_distances(engine: Engine, tile: slice, workspace: tuple[Array, ...], out: Array) -> int:
    """Distances of the spectra of a tile to all of its panels, into the columns of `out`.

    Returns
    -------
    int
        The number of pairs whose best lag is at the limit. On the diagonal of a square a pair
        appears twice: it is counted once, and no spectrum with itself.
    """
    n_at_limit = 0
    for panel in engine.panels(tile):
        at_limit = engine.nearest(tile, panel, workspace, out=out[:, panel])
        if engine.is_square and panel.start < tile.stop:
            near_diagonal = at_limit[:, : tile.stop - panel.start]
            near_diagonal[...] = np.triu(near_diagonal, tile.start - panel.start + 1)
        n_at_limit += int(np.count_nonzero(at_limit))
    return n_at_limit


def _write_rows(nearest: Array, tile: slice, condensed: Array) -> None:
    """Put whole rows, right of the diagonal, into their range of the condensed matrix."""
    n_spectra = nearest.shape[1]
    end = tile.start * (2 * n_spectra - tile.start - 1) // 2
    for row, distances in enumerate(nearest, tile.start):
        start, end = end, end + n_spectra - row - 1
        # Identical spectra may have come out a rounding error below zero.
        np.maximum(distances[row + 1 :], 0, out=condensed[start:end])
