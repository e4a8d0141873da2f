"""Joins sub-bands into one cube: one spatial grid, one wavelength grid, one flux scale.

The spatial grid is that of the sub-band with the largest spaxels (of equals, the bluest). The
wavelength grid is uniform, with the finest step, and begins at the first plane of the bluest
sub-band, whose spectra stay unchanged if the steps agree. From blue to red, each sub-band is scaled
to the spectrum so far, and the two are blended across the overlap. The arms of one spectrograph
need not overlap: then each keeps its own planes and flux scale, and the planes between have no
data.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from astropy.stats import mad_std

from survey.cubes.dataset import build_cube
from survey.cubes.resample import Cube, Samples, to_spatial_grid, to_wavelengths
from survey.cubes.wcs import read_header
from survey.errors import DataError
from survey.spectra.constants import MEDIAN_OVER_MEAN_ERROR
from survey.spectra.grid import check_finer

if TYPE_CHECKING:
    import xarray as xr

# Spaxels fainter than this fraction of the bright ones (99th percentile) take no part in
# matching fluxes: over a faint field, residual background would decide the ratio.
FAINTEST_FRACTION = 0.02
MAX_FACTOR_ERROR = 0.1
MIN_OVERLAP_PLANES = 3


@dataclass(frozen=True)
class Factor:
    """By how much a sub-band was multiplied, and what that was measured on.

    `measured` is the ratio found and `error` its standard error, None if there was too little
    to measure. An error above `MAX_FACTOR_ERROR` leaves `factor` at 1. `overlap_um` is None for
    a gap.
    """

    band: str
    factor: float
    measured: float | None
    error: float | None
    overlap_um: tuple[float, float] | None
    n_spaxel: int


@dataclass(frozen=True)
class _Stretch:
    """Samples on planes `first`, `first + 1`, ... of the common wavelength grid."""

    band: str
    first: int
    samples: Samples
    factors: tuple[Factor, ...] = ()

    @property
    def end(self) -> int:
        return self.first + len(self.samples.flux)


def merge_bands(cubes: Sequence[xr.Dataset], arms: Collection[str] = ()) -> xr.Dataset:
    """Join overlapping sub-bands of one target into one cube.

    Parameters
    ----------
    cubes : sequence of xarray.Dataset
        Cubes as of `survey.cubes.dataset.build_cube`, in any order.
    arms : collection of str
        Instruments whose bands are arms of one spectrograph, between which there may be a gap.

    Returns
    -------
    xarray.Dataset
        A cube of the same form. Its header is that of the sub-band whose spatial grid it has;
        `merge_factors` is a JSON list of one object per sub-band after the first, with the factor
        of its flux. `n_impossible` is the sum of that attribute of the cubes, where they have
        it. Errors neglect the covariance of resampling, see `survey.cubes.resample`.

    Raises
    ------
    DataError
        If the cubes are of different instruments or units, have no celestial coordinates, or
        do not overlap one another in wavelength and are not arms of one spectrograph.
    """
    cubes = sorted(cubes, key=lambda cube: float(cube["wavelength"][0]))
    _check(cubes, arms)
    reference = max(cubes, key=lambda cube: round(cube.attrs["spaxel_area_arcsec2"], 3))
    grid_um = _common_grid([cube["wavelength"].values for cube in cubes])
    stretches = [_on_grid(cube, reference, grid_um) for cube in cubes]
    merged = reduce(lambda left, right: _join(left, right, grid_um), stretches)
    attrs = reference.attrs
    dataset = build_cube(
        merged.samples.flux.astype(np.float32),
        np.sqrt(merged.samples.variance).astype(np.float32),
        (),
        grid_um[: merged.end],
        header=read_header(attrs["header"]),
        flux_unit=attrs["flux_unit"],
        instrument=attrs["instrument"],
        band=_merged_name([cube.attrs["band"] for cube in cubes]),
        spaxel_area_arcsec2=attrs["spaxel_area_arcsec2"],
        target=attrs["target"],
        redshift=attrs["redshift"],
        ra_deg=np.nan if attrs["position_is_centre"] else attrs["ra_deg"],
        dec_deg=np.nan if attrs["position_is_centre"] else attrs["dec_deg"],
        file=_names(cubes),
    )
    factors = json.dumps([asdict(factor) for factor in merged.factors])
    n_impossible = sum(cube.attrs.get("n_impossible", 0) for cube in cubes)
    return dataset.assign_attrs(
        merge_factors=factors,
        n_impossible=n_impossible,
        has_errors=any(cube.attrs["has_errors"] for cube in cubes),
        stale_checksum=any(cube.attrs.get("stale_checksum", False) for cube in cubes),
    )


def _names(cubes: Sequence[xr.Dataset]) -> str:
    return " + ".join(f"{cube.attrs['target']} {cube.attrs['band']}".strip() for cube in cubes)


def _merged_name(bands: Sequence[str]) -> str:
    """As "ch4" for all sub-bands of channel 4, "ch4-short+medium" for two of them."""
    channels, _, parts = zip(*(band.partition("-") for band in bands), strict=True)
    if len(set(channels)) > 1:
        return "+".join(bands)
    whole = set(parts) == {"short", "medium", "long"}
    return channels[0] if whole else f"{channels[0]}-{'+'.join(parts)}"


def _check(cubes: Sequence[xr.Dataset], arms: Collection[str]) -> None:
    if len(cubes) < 2:
        raise DataError("nothing to merge", expected="two cubes or more", found=str(len(cubes)))
    for name in ("instrument", "flux_unit"):
        values = sorted({cube.attrs[name] for cube in cubes})
        if len(values) > 1:
            raise DataError(
                f"sub-bands to merge differ in {name}",
                file=_names(cubes),
                expected="the same for all",
                found=", ".join(values),
            )
    if not all(cube.attrs["celestial_header"] for cube in cubes):
        without = [cube for cube in cubes if not cube.attrs["celestial_header"]]
        raise DataError(
            "sub-bands without celestial coordinates cannot be merged",
            file=_names(cubes),
            expected="CTYPE1 and CTYPE2 of celestial axes in all",
            found=f"none in {_names(without)}",
        )
    for blue, red in pairwise(cubes):
        _check_overlap(blue, red, arms)


def _check_overlap(blue: xr.Dataset, red: xr.Dataset, arms: Collection[str]) -> None:
    end, start = float(blue["wavelength"][-1]), float(red["wavelength"][0])
    if start > end and blue.attrs["instrument"] in arms:
        return
    shared = int((red["wavelength"] <= end).sum())
    if shared < MIN_OVERLAP_PLANES or float(red["wavelength"][-1]) <= end:
        raise DataError(
            "sub-bands to merge must overlap, and each must end redder than the one before",
            file=_names([blue, red]),
            expected=f"{MIN_OVERLAP_PLANES} planes in common or more",
            found=f"one ends at {end:.4f} micron, the next begins at {start:.4f}",
            advice="Run them as separate cubes",
        )


def _common_grid(wavelengths_um: Sequence[Cube]) -> Cube:
    """The planes of the merged cube, those of gaps between arms included."""
    first, *others = wavelengths_um
    joined = [[first]]
    for wavelength in others:
        if wavelength[0] > joined[-1][-1][-1]:
            joined.append([wavelength])
        else:
            joined[-1].append(wavelength)
    grids = [_uniform_grid(run) if len(run) > 1 else run[0] for run in joined]
    gaps = [_planes_between(left, right) for left, right in pairwise(grids)]
    return np.concatenate(
        [grids[0], *(part for pair in zip(gaps, grids[1:], strict=True) for part in pair)]
    )


def _planes_between(left: Cube, right: Cube) -> Cube:
    step = left[-1] - left[-2]
    check_finer((right[0] - left[-1]) / step, len(left) + len(right))
    return np.arange(left[-1] + step, right[0] - step / 2, step)


def _uniform_grid(wavelengths_um: Sequence[Cube]) -> Cube:
    step = min(float(np.median(np.diff(wavelength))) for wavelength in wavelengths_um)
    start, end = wavelengths_um[0][0], wavelengths_um[-1][-1]
    check_finer((end - start) / step, sum(map(len, wavelengths_um)))
    planes = int(np.floor((end - start) / step + 1e-6)) + 1
    return start + step * np.arange(planes)


def _on_grid(cube: xr.Dataset, reference: xr.Dataset, grid_um: Cube) -> _Stretch:
    wavelength_um = cube["wavelength"].values
    bad = cube["bad"].values
    samples = Samples(
        np.where(bad, np.nan, cube["flux"].values.astype(np.float64)),
        np.where(bad, np.nan, cube["error"].values.astype(np.float64) ** 2),
    )
    header = cube.attrs["celestial_header"]
    target = reference.attrs["celestial_header"]
    if header != target:
        shape = (reference.sizes["y"], reference.sizes["x"])
        samples = to_spatial_grid(samples, header, target, shape)
    tolerance = 1e-6 * (grid_um[1] - grid_um[0])
    first = int(np.searchsorted(grid_um, wavelength_um[0] - tolerance))
    end = int(np.searchsorted(grid_um, wavelength_um[-1] + tolerance))
    return _Stretch(
        band=cube.attrs["band"],
        first=first,
        samples=to_wavelengths(samples, wavelength_um, grid_um[first:end]),
    )


def _join(left: _Stretch, right: _Stretch, grid_um: Cube) -> _Stretch:
    """Scale `right` to `left` and let the one fade into the other across their overlap."""
    if right.first >= left.end:
        return _beyond_gap(left, right)
    overlap = slice(right.first, left.end)
    tail = _part(left, overlap)
    factor = _match(tail, _part(right, overlap), right.band, grid_um[overlap])
    scaled = Samples(right.samples.flux * factor.factor, right.samples.variance * factor.factor**2)
    head = _part(_Stretch(right.band, right.first, scaled), overlap)
    blend = _fade(tail, head)
    before, after = slice(0, right.first - left.first), slice(left.end - right.first, None)
    return _Stretch(
        band=left.band,
        first=left.first,
        samples=Samples(
            np.concatenate([left.samples.flux[before], blend.flux, scaled.flux[after]]),
            np.concatenate([left.samples.variance[before], blend.variance, scaled.variance[after]]),
        ),
        factors=(*left.factors, factor),
    )


def _beyond_gap(left: _Stretch, right: _Stretch) -> _Stretch:
    """Both as they are, with planes without data between them."""
    gap = np.full((right.first - left.end, *left.samples.flux.shape[1:]), np.nan)
    factor = Factor(right.band, 1.0, measured=None, error=None, overlap_um=None, n_spaxel=0)
    return _Stretch(
        band=left.band,
        first=left.first,
        samples=Samples(
            np.concatenate([left.samples.flux, gap, right.samples.flux]),
            np.concatenate([left.samples.variance, gap, right.samples.variance]),
        ),
        factors=(*left.factors, factor),
    )


def _part(stretch: _Stretch, planes: slice) -> Samples:
    own = slice(planes.start - stretch.first, planes.stop - stretch.first)
    return Samples(stretch.samples.flux[own], stretch.samples.variance[own])


def _match(left: Samples, right: Samples, band: str, overlap_um: Cube) -> Factor:
    """The median over the overlap of the ratio of fluxes summed over the bright spaxels."""
    usable = (np.isfinite(left.flux) & np.isfinite(right.flux)).all(axis=0)
    spectra = np.stack([left.flux[:, usable], right.flux[:, usable]])
    ratio = np.empty(0)
    n_spaxel = 0
    if usable.any():
        brightness = np.median(spectra.mean(axis=0), axis=0)
        bright = brightness > FAINTEST_FRACTION * np.percentile(brightness, 99)
        n_spaxel = int(bright.sum())
        blue, red = spectra[:, :, bright].sum(axis=2)
        positive = (blue > 0) & (red > 0)
        ratio = blue[positive] / red[positive]
    found = _robust_mean(ratio) if ratio.size >= MIN_OVERLAP_PLANES else None
    return Factor(
        band=band,
        factor=found[0] if found and found[1] <= MAX_FACTOR_ERROR else 1.0,
        measured=found[0] if found else None,
        error=found[1] if found else None,
        overlap_um=(float(overlap_um[0]), float(overlap_um[-1])),
        n_spaxel=n_spaxel,
    )


def _robust_mean(values: Cube) -> tuple[float, float]:
    """Median and its standard error, from the median absolute deviation of normal scatter."""
    error = MEDIAN_OVER_MEAN_ERROR * float(mad_std(values)) / np.sqrt(values.size)
    return float(np.median(values)), float(error)


def _fade(left: Samples, right: Samples) -> Samples:
    """Weights that go linearly from left to right; where one has nothing, the other counts."""
    planes = len(left.flux)
    share = (np.arange(1, planes + 1) / (planes + 1))[:, np.newaxis, np.newaxis]
    share = np.broadcast_to(share, left.flux.shape)
    share = np.where(np.isfinite(left.flux), share, 1.0)
    share = np.where(np.isfinite(right.flux), share, 0.0)
    mixed = (share > 0) & (share < 1)
    return Samples(
        np.where(
            mixed,
            (1 - share) * left.flux + share * right.flux,
            np.where(share == 0, left.flux, right.flux),
        ),
        np.where(
            mixed,
            (1 - share) ** 2 * left.variance + share**2 * right.variance,
            np.where(share == 0, left.variance, right.variance),
        ),
    )
