"""True classes of found clusters, and of regions for labels.

Every component has the class of its spectrum. The share of a class in the light of a spaxel is that
of its components, after the PSF.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from contourpy import FillType, contour_generator
from numpy.typing import NDArray

from survey.simulate.truth import MIXED_BELOW

Array = NDArray[np.float64]

MIN_AREA_SPAXELS = 4.0
"""Regions smaller than this are not labelled."""

REFERENCE = "simulated"


@dataclass(frozen=True)
class TrueClasses:
    """What is true of the K clusters of a galaxy.

    Attributes
    ----------
    clusters : int array (K,)
        Numbers of the clusters, increasing.
    names : str array (K,)
        The class that gives most of the light.
    purity : array (K,)
        The share of the light that it gives, mean over the spaxels.
    """

    clusters: NDArray[np.integer]
    names: NDArray[np.str_]
    purity: Array


@dataclass(frozen=True)
class ClassShares:
    """Shares of the C classes of a galaxy in the light of its spaxels, shape (C, y, x)."""

    classes: tuple[str, ...]
    shares: Array
    wcs: WCS


def read_class_shares(truth: str | Path) -> ClassShares:
    """Read the shares of the classes from the truth file of a cube."""
    with fits.open(truth) as hdus:
        fraction = hdus["FRACTION"].data.astype(np.float64)
        of_component = hdus["COMPONENTS"].data["class"]
        wcs = WCS(hdus["FRACTION"].header).celestial
    classes = tuple(sorted(set(of_component.tolist())))
    shares = np.stack([fraction[of_component == name].sum(axis=0) for name in classes])
    return ClassShares(classes, shares, wcs)


def true_classes(
    truth: str | Path,
    cluster: NDArray[np.integer],
    y: NDArray[np.integer],
    x: NDArray[np.integer],
) -> TrueClasses:
    """The true class of every cluster of a galaxy.

    Spaxels count alike, however bright: the spectrum of a cluster is one of shapes.

    Parameters
    ----------
    truth : path
        The truth file of the cube.
    cluster : int array (S,)
        Cluster of every spaxel, 0 for none.
    y, x : int array (S,)
        Where the spaxels are in the cube.
    """
    found = read_class_shares(truth)
    clustered = cluster > 0
    clusters, position = np.unique(cluster[clustered], return_inverse=True)
    total = np.zeros((len(clusters), len(found.classes)))
    np.add.at(total, position, found.shares[:, y[clustered], x[clustered]].T)
    mean = total / np.bincount(position, minlength=len(clusters))[:, np.newaxis]
    return TrueClasses(
        clusters=clusters,
        names=np.array(found.classes)[mean.argmax(axis=1)],
        purity=mean.max(axis=1),
    )


def label_regions(truths: Mapping[str, str | Path]) -> Table:
    """Regions on the sky in which one class gives most of the light, for `survey classify`.

    Mixed areas, where no class gives as much as `MIXED_BELOW`, are in none.

    Parameters
    ----------
    truths : mapping
        Truth files by the names of the galaxies.

    Returns
    -------
    Table
        Columns galaxy, class, polygon ("ra dec ra dec ...", degrees) and reference.
    """
    rows = [
        (galaxy, name, _sky_polygon(outline, found.wcs), REFERENCE)
        for galaxy, truth in truths.items()
        for found in (read_class_shares(truth),)
        for name, share in zip(found.classes, found.shares, strict=True)
        for outline in _outlines(share)
    ]
    return Table(
        rows=rows or None, names=("galaxy", "class", "polygon", "reference"), dtype=[str] * 4
    )


def _outlines(share: Array) -> Iterator[Array]:
    """Closed outlines (x, y) of the areas where a share is large, in spaxels."""
    # One spaxel more on every side: the outermost are inside too, with their whole area.
    generator = contour_generator(z=np.pad(share, 1, mode="edge"), fill_type=FillType.OuterOffset)
    for points, offsets in zip(*generator.filled(MIXED_BELOW, np.inf), strict=True):
        rings = [points[first:last] - 1 for first, last in pairwise(offsets)]
        if abs(sum(map(_signed_area, rings))) >= MIN_AREA_SPAXELS:
            yield _joined(rings)


def _joined(rings: list[Array]) -> Array:
    """One polygon of an outline and its holes, each reached and left by the same cut.

    A line that is crossed twice does not separate inside from outside.
    """
    outer, *holes = rings
    return np.concatenate([outer, *(part for hole in holes for part in (hole, outer[:1]))])


def _signed_area(ring: Array) -> float:
    x, y = ring.T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)


def _sky_polygon(outline: Array, wcs: WCS) -> str:
    ra_deg, dec_deg = wcs.pixel_to_world_values(*outline.T)
    return " ".join(f"{ra:.7f} {dec:.7f}" for ra, dec in zip(ra_deg % 360, dec_deg, strict=True))
