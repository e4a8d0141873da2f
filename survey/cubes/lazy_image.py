"""Voxels that are computed when they are indexed, so that no whole cube has to be in memory.

Readers define the voxels of a cube as functions of the images in its file. Indexing the dataset
reads only the requested part, while the file is open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Key = tuple[Any, ...]
"""One integer or slice for every axis."""


@dataclass(frozen=True)
class Voxels:
    """An array that is read piece by piece.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    read : callable
        Gives the piece that a `Key` selects.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[Key], NDArray[Any]]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, key: Key) -> NDArray[Any]:
        return np.asarray(self.read(key), dtype=self.dtype)


Image = Voxels | NDArray[Any]


def elementwise(function: Callable[..., NDArray[Any]], *images: Image, dtype: DTypeLike) -> Image:
    """A function of images, voxel by voxel; computed at once if all are arrays.

    Parameters
    ----------
    function : callable
        Of as many arrays as there are images.
    images : Voxels or ndarray
        Of one shape, or without its first axis: those hold for all planes.
    dtype : dtype
        Of the result.
    """
    if not any(isinstance(image, Voxels) for image in images):
        return np.asarray(function(*images), dtype=dtype)
    shape = max((image.shape for image in images), key=len)

    def read(key: Key) -> NDArray[Any]:
        return function(*(image[key[-image.ndim :]] for image in images))

    return Voxels(shape, np.dtype(dtype), read)


def rearranged(image: Image, axes: tuple[int, ...]) -> Image:
    """The image with other axes: for each of the result, the one of the image.

    Axes of the image that are not named have length 1, and are dropped.
    """
    if axes == tuple(range(image.ndim)):
        return image
    shape = tuple(image.shape[axis] for axis in axes)

    def read(key: Key) -> NDArray[Any]:
        source: list[Any] = [slice(0, 1)] * image.ndim
        for axis, selected in zip(axes, key, strict=True):
            source[axis] = selected
        kept = [axis for axis, selected in enumerate(source) if isinstance(selected, slice)]
        dropped = [axis for axis in kept if axis not in axes]
        order = [kept.index(axis) for axis in (*dropped, *axes) if axis in kept]
        return image[tuple(source)].transpose(order)[(0,) * len(dropped)]

    return Voxels(shape, image.dtype, read)


def planes_reversed(image: Image) -> Image:
    """The image with its first axis the other way round."""
    if not isinstance(image, Voxels):
        return image[::-1]
    last = image.shape[0] - 1

    def read(key: Key) -> NDArray[Any]:
        first, *others = key
        if not isinstance(first, slice):
            return image[(last - first % (last + 1), *others)]
        planes = sorted(last - plane for plane in range(*first.indices(last + 1)))
        step = abs(first.step or 1)
        start, stop = (planes[0], planes[-1] + 1) if planes else (0, 0)
        piece = image[(slice(start, stop, step), *others)]
        return piece if (first.step or 1) < 0 else piece[::-1]

    return Voxels(image.shape, image.dtype, read)
