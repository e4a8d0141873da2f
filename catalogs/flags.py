"""Quality bits: the number, name and meaning of every bit are declared here, and only here.

Each table that has a `flags` column has one enumeration here, and the `quality_` columns of
lines and bands another. Code sets and tests bits by
name (``ClusterFlag.NUCLEAR``); `flag_names` turns the integers of a catalog back into names;
the documentation of the columns is written from the same declarations.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Self, TypeVar

from catalogs.errors import CatalogError

Flags = TypeVar("Flags")
"""A number, an array or a pandas Series of quality bits."""

FEW_SPAXELS_BELOW = 5
"""Clusters with fewer spaxels than this are flagged."""

AT_LIMIT_FRACTION_ABOVE = 0.1
"""Galaxies with more than this fraction of pairs at the largest shift are flagged."""


class QualityFlag(IntFlag):
    """An enumeration of quality bits; every member is ``(bit number, meaning)``."""

    meaning: str

    def __new__(cls, bit: int, meaning: str) -> Self:
        """Make the bit's value the member and keep its meaning beside it."""
        member = int.__new__(cls, 1 << bit)
        member._value_ = 1 << bit
        member.meaning = meaning
        return member


class GalaxyFlag(QualityFlag):
    """Bits of the table `galaxies`."""

    SHIFTS_AT_LIMIT = (
        0,
        f"over {AT_LIMIT_FRACTION_ABOVE:.0%} of the pairs of spectra are closest at the largest "
        "shift allowed",
    )
    MERGED_BANDS = 1, "several cubes were joined into one spectral range"
    NO_WCS = 2, "the cube has no celestial coordinates"
    CUT_AT_K_MAX = 3, "the criterion chose the largest number of clusters it was allowed"
    PLANES_DROPPED = 4, "wavelength planes with too many bad spaxels were left out"
    NUCLEUS_NOT_CLUSTERED = 5, "no spaxel around the photometric centre could be clustered"
    IMPOSSIBLE_VOXELS = 6, "voxels that no source can make were masked (n_impossible)"
    POSITION_REPLACED = (
        7,
        "no position was given, or one that is not on the cube: ra and dec are those of the "
        "header if it has one on the cube, or of the centre of the cube",
    )
    STALE_CHECKSUM = 8, "DATASUM or CHECKSUM of an input file is not that of its bytes"
    ERRORS_DOUBTFUL = (
        9,
        "the errors of the cube are over 100 times larger or smaller than the measured noise, none "
        "is positive, or they change with the noise as variances or weights do",
    )
    REDSHIFT_SUSPECT = (
        10,
        "the lines of every cluster are displaced to the same side by more than 400 km/s: the "
        "redshift or the wavelengths may be wrong",
    )
    POINT_SOURCE_SUBTRACTED = (
        11,
        "the point source at its centre was subtracted from the spectra, and is its last cluster",
    )


class ClusterFlag(QualityFlag):
    """Bits of the table `clusters`."""

    LOW_SNR = (
        0,
        "the continuum of its median spectrum has a S/N per sample below the set one (10 by "
        "default); with the rule of the paper, the continuum is below the set factor (3) times the "
        "median standard deviation of the spaxels of all clusters of the galaxy",
    )
    NUCLEAR = (
        1,
        "holds the largest share of the light within the nuclear radius of the photometric centre",
    )
    TOUCHES_EDGE = 2, "reaches the edge of the field of view"
    FEW_SPAXELS = 3, f"fewer than {FEW_SPAXELS_BELOW} spaxels"
    SHIFT_AT_LIMIT = 4, "most of its spaxels have the largest shift allowed"
    BLENDED_LINE = 5, "at least one detected line is blended with a neighbour"
    DISPLACED_LINE = 6, "at least one detected line is far from the velocity of the other lines"
    NO_VELOCITY = 7, "no velocity could be measured from the lines, and it was taken as zero"
    UNCLASSIFIED = 8, "too little was measured, or no label reaches it: it has no class"
    UNCERTAIN_CLASS = (
        9,
        "the margin of its class is within the error, or the probability below 0.6: such classes "
        "are right six times in ten",
    )
    LABEL_OVERRULED = 10, "its class is not that of the region it was labelled by"
    LABEL_CONFLICT = 11, "regions of different classes claim it: it was not labelled"
    CLASS_OUTDATED = 12, "it was added or changed after the last classification: it has no class"
    POINT_SOURCE = (
        13,
        "the point source that was subtracted from all other clusters; its spaxels are those in "
        "which little else is seen",
    )


class FeatureFlag(QualityFlag):
    """Bits of the columns `quality_<feature>` of the table `clusters`."""

    BLENDED = (
        0,
        "a neighbour takes part of its window, or a neighbour close enough to blend if lines are "
        "broad is detected",
    )
    FITTED = 1, "a joint fit with its neighbours divided the flux, or gave the limit"
    DISPLACED = 2, "measured at its own velocity, which differs from that of the spectrum"
    EDGE = 3, "its continuum or window is cut by the end of the spectrum or by missing data"
    ABSORBED = 4, "most of it is the correction for stellar absorption"
    BROAD = 5, "broader than its window was made for: some of its flux is outside"
    ON_BAND = (
        6,
        "on a PAH band from which it cannot be told at this resolution: never a detection; of a "
        "band: may hold light of such a line",
    )


class SpaxelFlag(QualityFlag):
    """Bits of the table `spaxels`."""

    LOW_SNR = 0, "continuum S/N below the limit: not clustered"
    BAD_PLANES = 1, "too many bad wavelength planes: not clustered"
    GAP_INTERPOLATED = 2, "a short gap was bridged along the spectral axis"
    SHIFT_AT_LIMIT = 3, "its shift against the cluster's medoid is the largest allowed"
    IMPOSSIBLE_VOXELS = 4, "at least one voxel of it cannot come from a source and was masked"
    POINT_SOURCE = 5, "a subtracted point source leaves too little of its light to be clustered"


FEATURES = "features"
"""Used like the name of a table: the `quality_` columns of lines and bands."""

FLAGS: dict[str, type[QualityFlag]] = {
    "galaxies": GalaxyFlag,
    "clusters": ClusterFlag,
    "spaxels": SpaxelFlag,
    FEATURES: FeatureFlag,
}
"""The enumeration of every table that has a `flags` column, and that of features."""


def flag_names(table: str, value: int) -> list[str]:
    """Names of the bits that are set in `value`, lowest bit first.

    Parameters
    ----------
    table : str
        Name of a table of the catalog, or "features", as in `FLAGS`.
    value : int
        An entry of the table's `flags` column, or of a column `quality_<feature>`.

    Raises
    ------
    CatalogError
        If the table has no flags, or the value has a bit that is not declared.

    Examples
    --------
    >>> flag_names("clusters", 3)
    ['low_snr', 'nuclear']
    """
    kind = _enumeration(table)
    value = int(value)
    declared = sum(kind)
    if value < 0 or value & ~declared:
        raise CatalogError(
            f"undeclared quality bit in the flags of table {table!r}",
            expected=f"bits within {declared:#b}",
            found=f"{value:#b}",
            advice="The catalog may have been written by a newer version.",
        )
    return [flag.name.lower() for flag in kind if flag & value and flag.name]


def has_flag(table: str, values: Flags, name: str) -> Flags:
    """Where a flag is set, by its name.

    Parameters
    ----------
    table : str
        Name of a table of the catalog, or "features", as in `FLAGS`.
    values : int, array of int or pandas.Series
        The table's `flags` column, or a column `quality_<feature>`.
    name : str
        Name of the flag, for example "low_snr".

    Returns
    -------
    bool, array of bool or pandas.Series
        As `values`.

    Raises
    ------
    CatalogError
        If the table has no flags, or none of this name.

    Examples
    --------
    >>> import numpy as np
    >>> has_flag("clusters", np.array([0, 1, 3]), "nuclear")
    array([False, False,  True])
    """
    known = {str(flag.name).lower(): flag for flag in _enumeration(table)}
    if name not in known:
        raise CatalogError(
            f"table {table!r} has no flag {name!r}", expected=" or ".join(map(repr, known))
        )
    # As a number: pandas takes a flag for a list of its bits.
    return (values & int(known[name])) != 0  # type: ignore[operator,return-value]


def describe_flags(table: str) -> str:
    """One line of text that explains all bits of a table, for the catalog's documentation."""
    return "; ".join(
        f"{flag.value} = {str(flag.name).lower()} ({flag.meaning})" for flag in _enumeration(table)
    )


def _enumeration(table: str) -> type[QualityFlag]:
    if table not in FLAGS:
        raise CatalogError(
            f"table {table!r} has no quality flags", expected=" or ".join(map(repr, FLAGS))
        )
    return FLAGS[table]
