"""Sets of spectra on one grid, with the data that likelihoods need.

Counted spectra (X-ray) keep their counts and those of the background region: nothing is subtracted,
so the Poisson likelihood of source plus scaled background is valid. Measured spectra (integral
field) keep the inverse variance of their flux density.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from survey.errors import DataError
from survey.latents.folding import UNKNOWN_RESPONSE, Folding, Integers, joined
from survey.latents.grid import Floats, Grid, homes, overlap

Kind = Literal["counts", "flux"]
Frame = Literal["observed", "rest"]
Bools = npt.NDArray[np.bool_]
Names = npt.NDArray[np.str_]

_TABLES = ("values", "mask", "ivar", "background_counts", "background_scale")
_COLUMNS = ("exposure_s", "redshift", "ids", "sources", "response")


@dataclass(frozen=True, eq=False)
class SpectrumSet:
    """n spectra of p bins on one grid.

    All arrays are read-only. Where `mask` is False, values and inverse variances are zero.

    Attributes
    ----------
    values : array (n, p)
        Counts per bin, whole numbers; or flux density, mean over the bin, in any one unit.
    grid : Grid
        Bins in keV or micron.
    kind : {"counts", "flux"}
    mask : array (n, p) of bool
        True where a value is usable. Default: everywhere.
    ids : array (n,) of str
        Unique names of the spectra. Default: their numbers.
    sources : array (n,) of str
        Name of the source each spectrum is of: spectra of one source never part in a
        cross-validation. Default: `ids`.
    redshift : array (n,)
        NaN where unknown, the default.
    frame : {"observed", "rest"}
        Frame of the grid. In the rest frame, `redshift` has been applied already.
    ivar : array (n, p), only for flux
        Inverse variance of the values.
    background_counts : array (n, p), optional, only for counts
        Whole counts of the background region.
    background_scale : array (n, p), optional, only for counts
        Expected background counts in the source region per count of the background region
        (ratio of the products of exposure, BACKSCAL and AREASCAL).
    exposure_s : array (n,), only for counts
        Live time in seconds. NaN where unknown, the default.
    folding : Folding, optional, only for counts
        Responses of the spectra.
    response : array (n,) of int, optional
        Number of the response of each spectrum, -1 where it is unknown; with `folding` only.

    Raises
    ------
    DataError
        If shapes or values make no sense; the message names the field.
    """

    values: Floats
    grid: Grid
    kind: Kind
    # Left out, these get their defaults when the set is made.
    mask: Bools = None  # type: ignore[assignment]
    ids: Names = None  # type: ignore[assignment]
    sources: Names = None  # type: ignore[assignment]
    redshift: Floats = None  # type: ignore[assignment]
    frame: Frame = "observed"
    ivar: Floats | None = None
    background_counts: Floats | None = None
    background_scale: Floats | None = None
    exposure_s: Floats | None = None
    folding: Folding | None = None
    response: Integers | None = None

    def __post_init__(self) -> None:
        _require(self.kind in ("counts", "flux"), "kind", "counts or flux", repr(self.kind))
        _require(self.frame in ("observed", "rest"), "frame", "observed or rest", repr(self.frame))
        values = np.array(self.values, dtype=np.float64)
        _require(values.ndim == 2, "values", "a table (n, p)", f"shape {values.shape}")
        _require(
            values.shape[1] == len(self.grid), "values", f"{len(self.grid)} bins", f"{values.shape}"
        )
        self._set_mask(values)
        self._set("values", np.where(self.mask, values, 0.0))
        self._set_names()
        self._set_column("redshift")
        if self.kind == "counts":
            self._set_counts()
        else:
            self._set_flux()

    def _set(self, name: str, array: npt.NDArray[Any]) -> None:
        array.setflags(write=False)
        object.__setattr__(self, name, array)

    def _set_mask(self, values: Floats) -> None:
        if self.mask is None:
            self._set("mask", np.ones(values.shape, np.bool_))
        else:
            mask = np.array(self.mask)
            _require(mask.dtype == np.bool_, "mask", "booleans", str(mask.dtype))
            _require_shape("mask", mask, values.shape)
            self._set("mask", mask)
        _require(
            bool(np.isfinite(values[self.mask]).all()),
            "values",
            "finite values where the mask is True",
            "NaN or infinity",
        )

    def _set_names(self) -> None:
        n = len(self)
        ids = np.array([str(i) for i in range(n)] if self.ids is None else self.ids, dtype=np.str_)
        _require_shape("ids", ids, (n,))
        _require(len(np.unique(ids)) == n, "ids", "a different name for each spectrum", "repeats")
        self._set("ids", ids)
        sources = np.array(ids if self.sources is None else self.sources, dtype=np.str_)
        _require_shape("sources", sources, (n,))
        self._set("sources", sources)

    def _set_column(self, name: str) -> None:
        given = getattr(self, name)
        column = np.full(len(self), np.nan) if given is None else np.array(given, dtype=np.float64)
        _require_shape(name, column, (len(self),))
        self._set(name, column)

    def _set_counts(self) -> None:
        _require(self.ivar is None, "ivar", "none with counts", "an array")
        _require_whole("values", self.values)
        self._set_column("exposure_s")
        known = np.asarray(self.exposure_s)
        _require(not (known <= 0).any(), "exposure_s", "positive times", "zero or less")
        both = self.background_counts is None, self.background_scale is None
        _require(both[0] == both[1], "background_counts", "counts and scale together", "one alone")
        self._set_responses()
        if self.background_counts is None:
            return
        for name in ("background_counts", "background_scale"):
            table = np.array(getattr(self, name), dtype=np.float64)
            _require_shape(name, table, self.values.shape)
            table = np.where(self.mask, table, 0.0)
            _require(
                bool((np.isfinite(table) & (table >= 0)).all()),
                name,
                "finite numbers, not negative, where the mask is True",
                "others",
            )
            self._set(name, table)
        _require_whole("background_counts", self.background_counts)

    def _set_responses(self) -> None:
        both = self.folding is None, self.response is None
        _require(both[0] == both[1], "response", "matrices and their numbers together", "one alone")
        if self.folding is None:
            return
        numbers = np.array(self.response, dtype=np.int64)
        _require_shape("response", numbers, (len(self),))
        known = (numbers >= UNKNOWN_RESPONSE) & (numbers < len(self.folding))
        _require(bool(known.all()), "response", f"below {len(self.folding)}", "others")
        bins = self.folding.n_bins
        _require(bins == len(self.grid), "folding", f"{len(self.grid)} bins", str(bins))
        self._set("response", numbers)

    def _set_flux(self) -> None:
        for name in ("background_counts", "background_scale", "exposure_s", "folding", "response"):
            _require(getattr(self, name) is None, name, "none with flux", "an array")
        _require(self.ivar is not None, "ivar", "inverse variances with flux", "none")
        ivar = np.array(self.ivar, dtype=np.float64)
        _require_shape("ivar", ivar, self.values.shape)
        ivar = np.where(self.mask, ivar, 0.0)
        _require(
            bool((np.isfinite(ivar) & ((ivar > 0) | ~self.mask)).all()),
            "ivar",
            "finite and positive numbers where the mask is True",
            "others",
        )
        self._set("ivar", ivar)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of spectra and bins (n, p)."""
        n, p = self.values.shape
        return n, p

    def __getitem__(self, which: Any) -> SpectrumSet:
        """Some of the spectra: what `rows` takes, or a slice; for the folds of scikit-learn."""
        if isinstance(which, tuple):
            which, *others = which
            if any(one is not Ellipsis and one != slice(None) for one in others):
                raise TypeError("spectra are chosen by rows; `between` chooses bins")
        if isinstance(which, slice):
            which = np.arange(len(self))[which]
        if np.ndim(which) == 0:
            raise TypeError("spectra are chosen by a slice or several numbers of rows")
        return self.rows(which)

    @cached_property
    def background(self) -> Floats:
        """Expected background counts (n, p) in the source region; zero where none is known."""
        if self.background_counts is None or self.background_scale is None:
            return np.zeros(self.values.shape)
        return self.background_counts * self.background_scale

    @property
    def totals(self) -> Floats:
        """Sum of the usable values of each spectrum (n,), background included."""
        return np.asarray(self.values.sum(axis=1))

    def rows(self, which: npt.ArrayLike) -> SpectrumSet:
        """Some of the spectra: a mask (n,) of bool, or numbers of rows, each at most once."""
        pick = np.asarray(which)
        if pick.dtype != np.bool_:
            pick = pick.astype(np.intp)  # an empty list is an array of floats
        taken = {
            name: np.asarray(getattr(self, name))[pick]
            for name in (*_TABLES, *_COLUMNS)
            if getattr(self, name) is not None
        }
        return replace(self, **taken)

    def between(self, low: float, high: float) -> SpectrumSet:
        """The bins whose centres lie in [low, high), in the unit of the grid."""
        bins = self.grid.within(low, high)
        if bins.start >= bins.stop:
            raise DataError(
                "no bin in the requested range",
                expected=f"bins between {low:g} and {high:g} {self.grid.unit}",
                found=f"{self.grid.edges[0]:g} to {self.grid.edges[-1]:g} {self.grid.unit}",
            )
        taken = {
            name: getattr(self, name)[:, bins]
            for name in _TABLES
            if getattr(self, name) is not None
        }
        folding = None if self.folding is None else self.folding.part(bins)
        return replace(self, grid=self.grid.part(bins), folding=folding, **taken)

    def rebinned(self, grid: Grid, *, min_usable: float = 0.5) -> SpectrumSet:
        """The same spectra on another grid.

        Counts stay whole numbers: a bin goes, with its counts, to the new bin its centre lies
        in, and a new bin is usable if it gets a bin and all it gets are usable. Flux densities
        are averaged over the overlap; a new bin is usable if usable bins cover `min_usable` of
        it, and its variance is that of independent bins.

        Raises
        ------
        DataError
            If the units differ, or new bins of counts are narrower than the old.
        """
        return (
            _rebin_counts(self, grid)
            if self.kind == "counts"
            else _rebin_flux(self, grid, min_usable)
        )


def concatenate(sets: Sequence[SpectrumSet]) -> SpectrumSet:
    """One set of all spectra of sets of one kind, frame and grid.

    Where only some have a background, the others get none: zero counts at scale zero. Where only
    some have a response, that of the others is unknown.

    Raises
    ------
    DataError
        If there are no sets, or they do not match, or names repeat.
    """
    _require(len(sets) > 0, "sets", "one or more", "none")
    first = sets[0]
    for other in sets[1:]:
        for name in ("kind", "frame", "grid"):
            same = getattr(other, name) == getattr(first, name)
            _require(same, name, "the same in all sets", "different ones")
    found: dict[str, Any] = {}
    for name in (*_TABLES, *_COLUMNS):
        parts = [getattr(one, name) for one in sets]
        if name != "response" and any(part is not None for part in parts):
            found[name] = np.concatenate(
                [
                    np.zeros(one.values.shape) if part is None else part
                    for one, part in zip(sets, parts, strict=True)
                ]
            )
    return replace(first, **found, **_joined_responses(sets))


def _joined_responses(sets: Sequence[SpectrumSet]) -> dict[str, Any]:
    with_one = [one.folding for one in sets if one.folding is not None]
    if not with_one:
        return {}
    folding, renumbered = joined(with_one)
    of_set = iter(renumbered)
    numbers = []
    for one in sets:
        if one.response is None:
            numbers.append(np.full(len(one), UNKNOWN_RESPONSE))
        else:
            numbers.append(np.append(next(of_set), UNKNOWN_RESPONSE)[one.response])
    return {"folding": folding, "response": np.concatenate(numbers)}


def _rebin_counts(spectra: SpectrumSet, grid: Grid) -> SpectrumSet:
    home, inside = homes(spectra.grid, grid)
    columns, home = np.flatnonzero(inside), home[inside]

    def summed(table: npt.NDArray[Any]) -> Floats:
        out = np.zeros((len(grid), len(spectra)))
        np.add.at(out, home, np.asarray(table, dtype=np.float64)[:, columns].T)
        return out.T

    mask = (summed(np.ones_like(spectra.values)) > 0) & (summed(~spectra.mask) == 0)
    changes: dict[str, Any] = {"values": np.rint(summed(spectra.values)), "mask": mask}
    if spectra.background_counts is not None and spectra.background_scale is not None:
        counts = summed(spectra.background_counts)
        number = np.maximum(summed(np.ones_like(spectra.values)), 1)
        mean_scale = summed(spectra.background_scale) / number
        # The expected background is exactly the sum of those of the old bins.
        scale = np.divide(summed(spectra.background), counts, out=mean_scale, where=counts > 0)
        changes |= {"background_counts": counts, "background_scale": scale}
    if spectra.folding is not None:
        changes["folding"] = spectra.folding.onto(spectra.grid, grid)
    return replace(spectra, grid=grid, **changes)


def _rebin_flux(spectra: SpectrumSet, grid: Grid, min_usable: float) -> SpectrumSet:
    lengths = overlap(spectra.grid, grid)
    usable = spectra.mask.astype(np.float64)
    covered = (lengths @ usable.T).T
    weight = np.where(covered > 0, covered, 1.0)
    values = (lengths @ spectra.values.T).T / weight
    assert spectra.ivar is not None
    variance = np.divide(1.0, spectra.ivar, out=np.zeros_like(spectra.ivar), where=spectra.mask)
    spread = (lengths.power(2) @ variance.T).T / weight**2
    mask = (covered > 0) & (covered >= min_usable * grid.widths * (1 - 1e-9))
    ivar = np.divide(1.0, spread, out=np.zeros_like(spread), where=mask)
    return replace(spectra, grid=grid, values=values, ivar=ivar, mask=mask)


def _require(condition: bool, name: str, expected: str, found: str) -> None:
    if not condition:
        raise DataError(f"spectra with a wrong {name!r}", expected=expected, found=found)


def _require_shape(name: str, array: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    _require(array.shape == shape, name, f"shape {shape}", f"{array.shape}")


def _require_whole(name: str, counts: Any) -> None:
    whole = (counts >= 0) & (counts == np.rint(counts))
    _require(bool(np.all(whole)), name, "whole numbers, not negative", "others")
