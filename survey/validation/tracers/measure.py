"""What one map says of the clusters of one galaxy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from catalogs.validation.columns import NOT_TESTABLE
from catalogs.validation.tracer_columns import (
    CLUSTERS,
    CONCENTRIC,
    MAY_BE_CHANCE,
    RELATED,
    SHIFTS,
    SIGNIFICANT,
    VELOCITIES,
)
from survey.validation.agreement import Labels
from survey.validation.tracers.association import (
    adjusted_mutual_information,
    correlation,
    eta_squared,
    ranks,
    without_means,
)
from survey.validation.tracers.line_fit import Line, Points, robust_line
from survey.validation.tracers.spatial_null import (
    DRAWS,
    Chance,
    MapInPlace,
    Statistic,
    by_chance,
)

FEWEST_SPAXELS = 20
"""Spaxels that the map must cover, for a statement about a galaxy."""

FEWEST_DRAWS = 19
"""Draws of the null, for a p-value of 0.05."""


@dataclass(frozen=True)
class ClusteredField:
    """The clustered spaxels of a galaxy.

    Attributes
    ----------
    y, x : (n,) arrays of int
    labels : (n,) array of int
        Clusters 1..k.
    centre : (y, x)
        Photometric centre.
    shift_km_s : (n,) array
        Velocity against the medoid of its cluster; NaN where not known.
    velocity_km_s : (n,) array
        The same with the velocity of the lines of its cluster, against the redshift of the galaxy.
    """

    y: NDArray[np.integer]
    x: NDArray[np.integer]
    labels: Labels
    centre: tuple[float, float]
    shift_km_s: NDArray[np.float64]
    velocity_km_s: NDArray[np.float64]


@dataclass(frozen=True)
class Traced:
    """What was found of one map.

    Attributes
    ----------
    compared : str
        What it was compared with: `CLUSTERS`, `VELOCITIES` or `SHIFTS`.
    measure : str
        What `value` is.
    n_spaxel, n_cluster, n_class : int
        Compared spaxels, and clusters and classes among them; no classes of continuous maps.
    value : float
        NaN if nothing could be compared.
    outcome : str
        `RELATED`, `CONCENTRIC`, `MAY_BE_CHANCE` or `NOT_TESTABLE`.
    meaning : str
        The result in words.
    null : tuple of float
        `value` of the map rotated and shifted within the field.
    p_value, p_rotation : float
        See `survey.validation.tracers.spatial_null.Chance`.
    line : Line, optional
        Of the velocity of the survey (y) over that of the map (x), in km/s.
    """

    compared: str
    measure: str
    n_spaxel: int
    n_cluster: int
    n_class: int
    value: float = np.nan
    outcome: str = NOT_TESTABLE
    meaning: str = ""
    null: tuple[float, ...] = field(default=(), repr=False)
    p_value: float = np.nan
    p_rotation: float = np.nan
    line: Line | None = None


def trace_classes(
    clusters: ClusteredField, codes: NDArray[np.float64], *, draws: int = DRAWS, seed: int = 0
) -> Traced:
    """Adjusted mutual information of the clusters and the classes of a map.

    Parameters
    ----------
    clusters : ClusteredField
    codes : (ny, nx) array
        Whole numbers from 1 on the grid of the cube; NaN where there is no class.
    draws : int
        Of the null.
    seed : int
    """
    place = MapInPlace(codes, clusters.y, clusters.x, clusters.centre)
    covered, values = _covered(place)
    n_class = len(np.unique(values))
    traced = Traced(
        CLUSTERS, "adjusted mutual information", len(values), _count(clusters, covered), n_class
    )
    if n_class < 2:
        return replace(traced, meaning=f"{_few(traced)}the map has {n_class} class there")

    def statistic(covered: NDArray[np.bool_], values: NDArray[np.float64]) -> float:
        return adjusted_mutual_information(clusters.labels[covered], values.astype(np.int64))

    return _against_chance(traced, place, statistic, draws, seed)


def trace_values(
    clusters: ClusteredField, values: NDArray[np.float64], *, draws: int = DRAWS, seed: int = 0
) -> Traced:
    """Eta squared of the ranks of a continuous map in the clusters.

    Ranks, because a few bright pixels would decide otherwise, and fluxes and their logarithms would
    not give the same.

    Parameters
    ----------
    clusters : ClusteredField
    values : (ny, nx) array
        On the grid of the cube; NaN where there is none.
    draws : int
        Of the null.
    seed : int
    """
    place = MapInPlace(_ranked(values), clusters.y, clusters.x, clusters.centre)
    covered, found = _covered(place)
    traced = Traced(
        CLUSTERS, "eta squared of ranks", len(found), _count(clusters, covered), n_class=0
    )
    if len(np.unique(found)) < 2:
        return replace(traced, meaning=f"{_few(traced)}the map is constant there")

    def statistic(covered: NDArray[np.bool_], values: NDArray[np.float64]) -> float:
        return eta_squared(clusters.labels[covered], values)

    return _against_chance(traced, place, statistic, draws, seed)


def trace_velocities(
    clusters: ClusteredField, km_s: NDArray[np.float64], *, draws: int = DRAWS, seed: int = 0
) -> list[Traced]:
    """Velocities of the survey against those of a map, of the lines and within clusters.

    The first result is that of `trace_values`: whether the clusters themselves follow the velocity.

    Parameters
    ----------
    clusters : ClusteredField
    km_s : (ny, nx) array
        On the grid of the cube; NaN where there is none.
    draws : int
        Of the null.
    seed : int
    """
    return [
        trace_values(clusters, km_s, draws=draws, seed=seed),
        _trace_velocity(clusters, km_s, clusters.velocity_km_s, VELOCITIES, draws, seed),
        _trace_velocity(clusters, km_s, clusters.shift_km_s, SHIFTS, draws, seed),
    ]


def _trace_velocity(
    clusters: ClusteredField,
    km_s: NDArray[np.float64],
    of_survey: NDArray[np.float64],
    compared: str,
    draws: int,
    seed: int,
) -> Traced:
    known = np.isfinite(of_survey)
    within = compared == SHIFTS  # a shift has another zero in every cluster
    if within:
        known &= _varies(clusters.labels, of_survey)
    y, x, labels = clusters.y[known], clusters.x[known], clusters.labels[known]
    own = of_survey[known]
    place = MapInPlace(km_s, y, x, clusters.centre)
    values = place.at_spaxels()
    covered = np.isfinite(values)
    n_cluster = len(np.unique(labels[covered]))
    traced = Traced(compared, "rank correlation", int(covered.sum()), n_cluster, n_class=0)

    def statistic(covered: NDArray[np.bool_], values: NDArray[np.float64]) -> float:
        first, second = own[covered], values
        if within:
            first, second = (without_means(labels[covered], v) for v in (first, second))
        return correlation(ranks(first), ranks(second))

    if traced.n_spaxel < FEWEST_SPAXELS:
        return replace(traced, meaning=_few(traced).removesuffix("; "))
    group = labels[covered] if within else np.zeros(traced.n_spaxel, int)
    points = Points(values[covered], own[covered], y[covered], x[covered], group)
    line = robust_line(points, np.random.default_rng(seed))
    if not np.isfinite(line.slope) or np.ptp(points.y) == 0:
        return replace(traced, meaning="all velocities are equal")
    return _against_chance(replace(traced, line=line), place, statistic, draws, seed)


def _varies(labels: Labels, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Spaxels (n,) of clusters in which values differ: of others nothing can be said."""
    found = np.zeros(len(values), dtype=bool)
    for label in np.unique(labels):
        own = (labels == label) & np.isfinite(values)
        found[labels == label] = bool(own.any()) and np.ptp(values[own]) > 0
    return found


def _ranked(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    found = np.full(values.shape, np.nan)
    found[known] = ranks(values[known])
    return found


def _covered(place: MapInPlace) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    values = place.at_spaxels()
    covered = np.isfinite(values)
    return covered, values[covered]


def _count(clusters: ClusteredField, covered: NDArray[np.bool_]) -> int:
    return len(np.unique(clusters.labels[covered]))


def _few(traced: Traced) -> str:
    """That the map covers too little, if it does."""
    if traced.n_spaxel >= FEWEST_SPAXELS:
        return ""
    many = "" if traced.n_spaxel == 1 else "s"
    return (
        f"the map covers {traced.n_spaxel} clustered spaxel{many}, and {FEWEST_SPAXELS} are "
        "needed; "
    )


def _against_chance(
    traced: Traced, place: MapInPlace, statistic: Statistic, draws: int, seed: int
) -> Traced:
    """The statistic with its null, and what it means."""
    if traced.n_spaxel < FEWEST_SPAXELS:
        return replace(traced, meaning=_few(traced).removesuffix("; "))
    if traced.n_cluster < 2 and traced.compared == CLUSTERS:
        return replace(traced, meaning="the map covers one cluster, so that nothing is compared")
    found = by_chance(place, statistic, np.random.default_rng(seed), draws=draws)
    traced = replace(
        traced,
        value=found.value,
        null=tuple(map(float, found.null)),
        p_value=found.p_value,
        p_rotation=found.p_rotation,
    )
    outcome = _outcome(found)
    return replace(traced, outcome=outcome, meaning=_meaning(traced, found, outcome))


def _outcome(found: Chance) -> str:
    if len(found.null) < FEWEST_DRAWS:
        return NOT_TESTABLE
    if found.p_value > SIGNIFICANT:
        return MAY_BE_CHANCE
    return RELATED if found.p_rotation <= SIGNIFICANT else CONCENTRIC


def _meaning(traced: Traced, found: Chance, outcome: str) -> str:
    text = f"{traced.measure} {found.value:.2f}"
    if outcome == NOT_TESTABLE:
        return f"{text}; the map covers too little of the field to be moved within it"
    p = "at most" if found.p_value <= found.floor else "="
    text += (
        f"; {np.median(found.null):.2f} for the map moved elsewhere (p {p} {found.p_value:.2g}, "
        f"{len(found.null)} draws)"
    )
    if outcome == MAY_BE_CHANCE:
        text += ": as much as unrelated maps of this structure often have"
    elif outcome == CONCENTRIC:
        text += (
            f": no more than two maps with this centre have (rotated about it: p = "
            f"{found.p_rotation:.2g})"
        )
    if traced.line is not None:
        text += (
            f"; slope {traced.line.slope:.2f} ± {traced.line.slope_err:.2f}, "
            f"scatter {traced.line.scatter:.0f} km/s"
        )
    return text


def profile_of(
    clusters: ClusteredField,
    values: NDArray[np.float64],
    classes: Sequence[str] | None,
) -> list[dict[str, float | int | str]]:
    """What the map has in every cluster: spaxels of every class, or the spread of its values.

    Parameters
    ----------
    clusters : ClusteredField
    values : (ny, nx) array
        Of the map, on the grid of the cube.
    classes : sequence of str, optional
        Names of the classes 1, 2, ...; None for a map of values.

    Returns
    -------
    list of dict
        `cluster`, `class` (empty for values), `n_spaxel`, `share` (of the covered spaxels of the
        cluster), and of values `median`, `low`, `high` (percentiles 50, 16 and 84).
    """
    at = values[clusters.y, clusters.x]
    rows: list[dict[str, float | int | str]] = []
    for label in range(1, int(clusters.labels.max(initial=0)) + 1):
        own = at[(clusters.labels == label) & np.isfinite(at)]
        if not len(own):
            continue
        if classes is None:
            low, median, high = (float(value) for value in np.percentile(own, (16, 50, 84)))
            spread = {"median": median, "low": low, "high": high}
            rows.append(
                {"cluster": label, "class": "", "n_spaxel": len(own), "share": 1.0, **spread}
            )
            continue
        for code, name in enumerate(classes, 1):
            count = int(np.sum(own == code))
            if count:
                whose: dict[str, float | int | str] = {"cluster": label, "class": name}
                rows.append(whose | {"n_spaxel": count, "share": count / len(own)})
    return rows
