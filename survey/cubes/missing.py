"""Which voxels of a cube have no data, and by which rule of `catalogs/data/missing_data.toml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalogs.reference.missing_data import MissingRule, missing_data, rules_of_every_reader
from survey.cubes.axes.layout import Layout
from survey.cubes.lazy_image import Image, Voxels, elementwise, planes_reversed
from survey.cubes.read_fits import FitsFile

SLAB_VOXELS = 1 << 24
"""Voxels that are read at a time. A cube with no more is read once and kept."""

BLOCK_VOXELS = 1 << 18
"""Voxels of a slab that rules are applied to at a time: few enough for the cache."""

_ZERO = np.uint32(1 << 31)
"""Marks a flux of exactly 0, which alone is no reason."""


@dataclass(frozen=True)
class FlagImage:
    """Flags or weights of a file, with the rules that look at them.

    Attributes
    ----------
    image : Voxels or ndarray, shape (wavelength, y, x) or (y, x)
    rules : tuple of MissingRule
    """

    image: Image
    rules: tuple[MissingRule, ...]

    @classmethod
    def of_mask(cls, mask: Image, name: str = "mask") -> FlagImage:
        """A mask that is not 0 (or True) where there are no data."""
        return cls(mask, (MissingRule(f"{name} is not 0", "not zero", name),))

    def reversed(self) -> FlagImage:
        """The same with its planes the other way round; an image for all planes stays."""
        return replace(self, image=planes_reversed(self.image)) if self.image.ndim == 3 else self


@dataclass(frozen=True)
class MissingVoxels:
    """The voxels of a cube without data.

    Attributes
    ----------
    bad : Voxels or ndarray of bool, shape (wavelength, y, x)
    n_bad : ndarray of int, shape (y, x)
        Number of such planes of every spaxel.
    counts : mapping
        Number of voxels of every rule, in the order of the rules. A voxel may be in several.
    """

    bad: Image
    n_bad: NDArray[np.int32]
    counts: Mapping[str, int]


def flag_images(fits_file: FitsFile, reader: str, layout: Layout) -> list[FlagImage]:
    """The images that the rules of a reader look at, of those that the file has."""
    rules = missing_data()[reader].rules
    extensions = dict.fromkeys(rule.extension for rule in rules if fits_file.has(rule.extension))
    return [
        FlagImage(
            layout.image(fits_file, extension, for_all_planes=True),
            tuple(rule for rule in rules if rule.extension == extension),
        )
        for extension in extensions
    ]


def find_missing(
    flux: Image,
    error: Image | None,
    flags: Sequence[FlagImage],
    rules: Sequence[MissingRule] = (),
) -> MissingVoxels:
    """Apply all rules to a cube; its images are read once, a few planes at a time.

    Where images are read later, those planes are read again then, unless the cube is small.

    Parameters
    ----------
    flux : Voxels or ndarray, shape (wavelength, y, x)
    error : Voxels or ndarray of the same shape, or None
        One standard deviation; None where the cube has none.
    flags : sequence of FlagImage
    rules : sequence of MissingRule
        Rules about the flux besides those of every reader.
    """
    of_flux = (*_rules_of_flux(has_error=error is not None), *rules)
    tests = [*of_flux, *(rule for flag in flags for rule in flag.rules)]
    bits = {rule: np.uint32(1 << number) for number, rule in enumerate(tests)}

    def why(flux: NDArray[Any], *others: NDArray[Any]) -> NDArray[np.uint32]:
        given, images = (None, others) if error is None else (others[0], others[1:])
        reasons = np.where(flux == 0, _ZERO, np.uint32(0))
        for rule in of_flux:
            _add_where(_applies(rule, flux, given), bits[rule], reasons)
        for flag, image in zip(flags, images, strict=True):
            for rule in flag.rules:
                _add_where(_is_flagged(rule, image), bits[rule], reasons)
        return reasons

    images = [flux, *([] if error is None else [error]), *(flag.image for flag in flags)]
    counts = dict.fromkeys(bits, 0)
    n_plane, n_y, n_x = flux.shape
    n_bad, n_zero = np.zeros((n_y, n_x), np.int32), np.zeros((n_y, n_x), np.int32)
    zero_planes, n_throughout = np.zeros(n_plane, bool), 0
    in_memory = not any(isinstance(image, Voxels) for image in images)
    kept = np.empty(flux.shape, bool) if in_memory or is_small(flux) else None
    for planes, pieces in _blocks(images, flux.shape):
        piece = why(*pieces)
        for rule, bit in bits.items():
            counts[rule] += int(np.count_nonzero(piece & bit))
        zero = piece == _ZERO
        empty = (piece != 0).all(axis=(1, 2)) & zero.any(axis=(1, 2))
        zero_planes[planes] = empty
        n_throughout += int(np.count_nonzero(zero[empty]))
        refused = (piece & ~_ZERO) != 0
        n_bad += refused.sum(axis=0, dtype=np.int32)
        n_bad += zero[empty].sum(axis=0, dtype=np.int32)
        n_zero += zero[~empty].sum(axis=0, dtype=np.int32)
        if kept is not None:
            kept[planes] = refused
    zero_spaxels = (n_zero > 0) & (n_zero + n_bad == n_plane)
    n_throughout += int(n_zero[zero_spaxels].sum())
    n_bad[zero_spaxels] = n_plane

    bad: Image
    if kept is not None:
        kept[zero_planes] = True
        kept[:, zero_spaxels] = True
        bad = kept
    else:
        bad = elementwise(
            lambda reasons, planes, spaxels: ((reasons & ~_ZERO) != 0) | planes | spaxels,
            elementwise(why, *images, dtype=np.uint32),
            np.broadcast_to(zero_planes[:, None, None], flux.shape),
            zero_spaxels,
            dtype=bool,
        )
    named = {rule.name: count for rule, count in counts.items()}
    return MissingVoxels(bad, n_bad, named | {_zero_throughout().name: n_throughout})


def is_small(image: Image) -> bool:
    """Whether an image is read once and kept."""
    return prod(image.shape) <= SLAB_VOXELS


def _blocks(
    images: Sequence[Image], shape: tuple[int, ...]
) -> Iterator[tuple[slice, list[NDArray[Any]]]]:
    """A few planes of all images at a time; those that hold for all planes every time."""
    n_plane, n_image = shape[0], prod(shape[1:])
    slab, block = (max(1, voxels // n_image) for voxels in (SLAB_VOXELS, BLOCK_VOXELS))
    for first in range(0, n_plane, slab):
        end = min(first + slab, n_plane)
        whole = [_planes(image, slice(first, end)) for image in images]
        for start in range(first, end, block):
            planes = slice(start, min(start + block, end))
            inside = slice(planes.start - first, planes.stop - first)
            yield planes, [piece[inside] if piece.ndim == 3 else piece for piece in whole]


def _planes(image: Image, planes: slice) -> NDArray[Any]:
    return image[(planes, slice(None), slice(None))[-image.ndim :]]


def _add_where(voxels: NDArray[np.bool_], bit: np.uint32, reasons: NDArray[np.uint32]) -> None:
    """Add a reason to some voxels; most rules find none."""
    if voxels.any():
        np.bitwise_or(reasons, bit, out=reasons, where=voxels)


def _rules_of_flux(*, has_error: bool) -> tuple[MissingRule, ...]:
    """Rules of every reader that are about single voxels, and can apply."""
    wanted = ("flux not finite", *(("error infinite", "zero without error") if has_error else ()))
    return tuple(rule for rule in rules_of_every_reader() if rule.when in wanted)


def _zero_throughout() -> MissingRule:
    return next(rule for rule in rules_of_every_reader() if rule.when == "zero throughout")


def _applies(
    rule: MissingRule, flux: NDArray[np.floating], error: NDArray[np.floating] | None
) -> NDArray[np.bool_]:
    if rule.when == "flux not finite":
        return ~np.isfinite(flux)
    if rule.when == "one of":
        return np.isin(flux, np.asarray(rule.values, flux.dtype))
    assert error is not None
    if rule.when == "error infinite":
        return np.isinf(error)
    with np.errstate(invalid="ignore"):
        return np.asarray((flux == 0) & ~(error > 0))


def _is_flagged(rule: MissingRule, flags: NDArray[Any]) -> NDArray[np.bool_]:
    if rule.when == "not positive":
        with np.errstate(invalid="ignore"):
            return ~(flags > 0)
    if rule.when == "not zero":
        return np.asarray(flags != 0)
    return (_as_bits(flags, where_unknown=1 << rule.bit) & (1 << rule.bit)) != 0


def _as_bits(flags: NDArray[Any], where_unknown: int) -> NDArray[np.integer]:
    """Flags as integers, whose bits can be told apart, also if they were written as floats."""
    if np.issubdtype(flags.dtype, np.integer) and where_unknown <= np.iinfo(flags.dtype).max:
        return flags
    if not np.issubdtype(flags.dtype, np.floating):
        return flags.astype(np.int64)
    known = np.isfinite(flags)
    return np.where(known, flags, where_unknown).astype(np.int64)
