"""Responses in OGIP files: ARF, RMF, or both in one (CAL/GEN/92-002 and its addendum)."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from survey.cubes.read_fits import open_fits
from survey.errors import DataError, SurveyWarning
from survey.latents.grid import Grid
from survey.latents.xray.fold import EffectiveArea, Floats, Redistribution, Response, combine
from survey.latents.xray.tables import Table, first_value, last_value, tables_of

MAX_GAP = 1e-3
"""Energy bins are rounded to single precision: ends and beginnings agree to this much of a bin."""

MAX_UNDERSHOOT = 1e-3
"""Negative elements of a matrix up to this part of the largest come from interpolation."""


def read_arf(path: str | Path) -> EffectiveArea:
    """The effective area in an ARF.

    Raises
    ------
    DataError
        If it is not a readable ARF.
    """
    with open_fits(path) as file:
        table = _one(tables_of(file), Path(path), ("SPECRESP",))
        area = table.numbers("SPECRESP")
        if not (area >= 0).all():
            raise DataError(
                "the effective area is negative somewhere",
                file=path,
                expected="cm2 from 0",
                found=f"{area.min():.3g}",
            )
        return EffectiveArea(_bins(table, "ENERG_LO", "ENERG_HI"), area)


def read_rmf(path: str | Path) -> Redistribution:
    """The redistribution matrix in an RMF.

    A file may have several MATRIX extensions over the same energies: photons are counted by all
    of them, so that they are added. Rows hold groups of consecutive channels: F_CHAN says where
    each begins, counted from the TLMIN of that column.

    Raises
    ------
    DataError
        If it is not a readable RMF, its groups do not fit its channels, or it has several matrices
        over different energies.
    """
    with open_fits(path) as file:
        tables = tables_of(file)
        blocks = _all(tables, Path(path), ("MATRIX", "SPECRESP MATRIX", "RSP_MATRIX"))
        bounds = _one(tables, Path(path), ("EBOUNDS",))
        numbers = _channel_numbers(bounds)
        energies = _energies_of(blocks)
        matrix = sum((_matrix(block, numbers) for block in blocks[1:]), _matrix(blocks[0], numbers))
        full = any(
            block.text("HDUCLAS3").upper() == "FULL" or block.name.upper() == "SPECRESP MATRIX"
            for block in blocks
        )
        return Redistribution(
            energies=energies,
            channels=_bins(bounds, "E_MIN", "E_MAX"),
            channel_numbers=numbers,
            matrix=matrix,
            # mkrmf and others use the same name for a matrix of probabilities: check its rows.
            holds_area=full and bool(matrix.sum(axis=1).max() > 2.0),
        )


def read_channels(path: str | Path) -> tuple[Grid, npt.NDArray[np.int64]]:
    """Nominal energies and numbers of the channels in an RMF, its matrix left unread.

    Raises
    ------
    DataError
        If it has no readable EBOUNDS extension.
    """
    with open_fits(path) as file:
        bounds = _one(tables_of(file), Path(path), ("EBOUNDS",))
        return _bins(bounds, "E_MIN", "E_MAX"), _channel_numbers(bounds)


def read_response(rmf: str | Path, arf: str | Path | None = None) -> Response:
    """The response of an RMF and, unless the RMF holds the area, an ARF."""
    area = None if arf is None else read_arf(arf)
    try:
        return combine(area, read_rmf(rmf), name=Path(rmf).name)
    except DataError as error:
        error.file = error.file or str(rmf)
        raise


def _one(tables: list[Table], path: Path, names: tuple[str, ...]) -> Table:
    return _all(tables, path, names)[0]


def _all(tables: list[Table], path: Path, names: tuple[str, ...]) -> list[Table]:
    """The tables of one kind, of which there is one at least."""
    chosen = []
    for table in tables:
        kinds = {table.name.upper(), *(table.text(f"HDUCLAS{i}").upper() for i in (1, 2))}
        if kinds & set(names):
            chosen.append(table)
    if chosen:
        return chosen
    raise DataError(
        f"no {names[0]} extension in the file",
        file=path,
        expected=" or ".join(names),
        found=", ".join(table.name for table in tables) or "no tables",
    )


def _energies_of(blocks: list[Table]) -> Grid:
    """The energies of all matrices, which must be the same to be added."""
    grids = [_bins(block, "ENERG_LO", "ENERG_HI") for block in blocks]
    for block, grid in zip(blocks, grids, strict=True):
        same = len(grid) == len(grids[0])
        if not (same and np.allclose(grid.edges, grids[0].edges, rtol=1e-4, atol=0)):
            raise DataError(
                f"the {len(blocks)} matrices of the file are over different energies",
                file=block.file.path,
                expected=f"{len(grids[0])} bins, {grids[0].edges[0]:.4g} to "
                f"{grids[0].edges[-1]:.4g} keV, in all",
                found=f"{len(grid)} bins, {grid.edges[0]:.4g} to {grid.edges[-1]:.4g} keV",
                advice="Rebin them to one grid of energies, or take the first one alone",
            )
    return grids[0]


def _bins(table: Table, low_name: str, high_name: str) -> Grid:
    low, high = table.energies_kev(low_name), table.energies_kev(high_name)
    if len(low) > 1 and low[0] > low[1]:
        raise DataError("bins of falling energy are not supported", file=table.file.path)
    gap = np.abs(low[1:] - high[:-1])
    if (gap > MAX_GAP * (high - low)[1:] + 1e-6 * high[:-1]).any():
        raise DataError(f"{low_name} and {high_name} leave gaps or overlap", file=table.file.path)
    try:
        return Grid(np.append(low, high[-1]), "keV")
    except DataError as error:
        raise DataError(
            f"{low_name} and {high_name} are not the limits of bins ({error.message})",
            file=table.file.path,
        ) from None


def _channel_numbers(bounds: Table) -> npt.NDArray[np.int64]:
    """The numbers of the channels in EBOUNDS.

    If the column is damaged, as in files of an old mkrmf, its limits in the header give them.
    """
    numbers = bounds.numbers("CHANNEL").astype(np.int64)
    if len(numbers) > 1 and (np.diff(numbers) == 1).all():
        return numbers
    first, last = first_value(bounds, "CHANNEL", None), last_value(bounds, "CHANNEL")
    if first is None or last is None or last - first + 1 != len(numbers):
        raise DataError(
            "EBOUNDS does not number its channels one by one",
            file=bounds.file.path,
            expected=f"{len(numbers)} consecutive numbers",
        )
    return np.arange(first, last + 1)


def _matrix(table: Table, channels: npt.NDArray[np.int64]) -> sparse.csr_array:
    path = table.file.path
    n_groups = table.numbers("N_GRP").astype(np.int64)
    begins, lengths = table.column("F_CHAN"), table.column("N_CHAN")
    values = table.column("MATRIX")
    first = first_value(table, "F_CHAN", int(channels[0]))
    assert first is not None
    columns: list[npt.NDArray[np.int64]] = []
    weights: list[Floats] = []
    for row, groups in enumerate(n_groups):
        begin = np.atleast_1d(begins[row]).astype(np.int64)[:groups] - first
        length = np.atleast_1d(lengths[row]).astype(np.int64)[:groups]
        weight = np.atleast_1d(values[row]).astype(np.float64)
        needed = int(length.sum())
        if len(begin) != groups or len(length) != groups or len(weight) < needed:
            raise DataError(f"the groups of row {row + 1} of the matrix are incomplete", file=path)
        if groups and not (
            (length >= 0).all() and begin.min() >= 0 and (begin + length).max() <= len(channels)
        ):
            raise DataError(
                f"row {row + 1} of the matrix leaves the channels",
                file=path,
                expected=f"channels {first} to {first + len(channels) - 1}",
                found=f"{begin.min() + first} to {(begin + length).max() + first - 1}",
                advice="TLMIN of F_CHAN may be wrong",
            )
        # An offset for each group turns one count from 0 into consecutive channels.
        starts = np.repeat(begin - np.cumsum(length) + length, length)
        columns.append(starts + np.arange(needed))
        weights.append(weight[:needed])
    data = np.concatenate(weights) if weights else np.zeros(0)
    data = _without_undershoot(data, path)
    indptr = np.concatenate([[0], np.cumsum([len(one) for one in columns])])
    shape = (len(n_groups), len(channels))
    matrix = sparse.csr_array((data, np.concatenate(columns), indptr), shape=shape)
    matrix.sum_duplicates()
    return matrix


def _without_undershoot(data: Floats, path: str | Path) -> Floats:
    """Elements of a matrix with small negative ones, of interpolation, as zeros.

    Raises
    ------
    DataError
        If some are not finite, or more negative than `MAX_UNDERSHOOT` of the largest.
    """
    least = -MAX_UNDERSHOOT * np.max(data, initial=0.0, where=np.isfinite(data))
    if not (np.isfinite(data) & (data >= least)).all():
        bad = data[~(np.isfinite(data) & (data >= least))]
        raise DataError(
            "the matrix has numbers that are not probabilities",
            file=path,
            expected="finite numbers from 0",
            found=f"{bad[0]:.3g} and {len(bad) - 1} more",
        )
    if (negative := data < 0).any():
        warnings.warn(
            f"{path}: {negative.sum()} of {len(data)} elements of the matrix are negative, the "
            f"least {data.min():.3g}; they are taken for zero",
            SurveyWarning,
            stacklevel=2,
        )
    return np.where(negative, 0.0, data)
