"""The measured answer to every question about one galaxy; verdicts are made of them elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from catalogs.validation.columns import (
    CIRCULARITY_QUESTION,
    CLUSTER_VARIANT,
    HALF_VARIANT,
    POINT_SOURCE_QUESTION,
    SEPARATION_QUESTION,
    SHARE_VARIANT,
    WHOLE_GALAXY,
)
from survey.clustering.criteria import Labels
from survey.validation.agreement import LEFT_OUT, agreement, best_jaccard, concentricity
from survey.validation.galaxy import PartitionedGalaxy
from survey.validation.mixtures import clusters_of_mixtures
from survey.validation.other_planes import told_apart
from survey.validation.point_source import (
    clusters_of_one_spectrum,
    clusters_of_point_source,
    fit_point_source,
    number_of_clusters,
    radius_spaxels,
    shares_of_clusters,
    source_on_a_host,
)
from survey.validation.recluster import Linked, link
from survey.validation.separation import (
    inner_spaxels,
    unexplained,
    unexplained_of_clusters,
    variance,
)
from survey.validation.variants import (
    HALVES,
    QUESTIONS,
    Variant,
    halves_of_planes,
    variants,
)

NOT_FOR_CLUSTERS = ("cut",)
"""Questions that do not count in how stable a cluster is: k-1 and k+1 destroy some on purpose."""


@dataclass(frozen=True)
class Answer:
    """One measured answer.

    Attributes
    ----------
    question, variant : str
    cluster : int
        `WHOLE_GALAXY`, or a cluster.
    measure : str
        What the value is.
    value : float
        NaN if it could not be measured.
    null : tuple of float
        The same of simulated galaxies in which the answer is known.
    error : float
        Standard error of the value, if it has one.
    """

    question: str
    variant: str
    measure: str
    value: float
    null: tuple[float, ...] = ()
    cluster: int = WHOLE_GALAXY
    error: float = np.nan

    @property
    def known_null(self) -> list[float]:
        """The values of simulated galaxies that could be measured."""
        return [value for value in self.null if np.isfinite(value)]

    @property
    def null_median(self) -> float:
        """Their median; NaN without any."""
        return float(np.median(self.known_null)) if self.known_null else np.nan


def measure_answers(
    galaxy: PartitionedGalaxy, questions: Collection[str] = QUESTIONS, *, seed: int = 0
) -> list[Answer]:
    """All answers that one galaxy alone gives.

    Parameters
    ----------
    galaxy : PartitionedGalaxy
    questions : collection of str
        Those of `survey.validation.variants` that are asked; all others are cheap and always asked.
    seed : int
        Of all draws, so that answers repeat.
    """
    rng = np.random.default_rng([seed, len(galaxy.labels)])
    base = link(galaxy.data, galaxy.recipe)
    observed = list(variants(galaxy, galaxy.data, rng, questions, base=base))
    data = galaxy.noisy(galaxy.noiseless, rng)
    like = link(data, galaxy.recipe)
    null = list(variants(galaxy, data, rng, questions, base=like, simulated=True))
    found = [*_stability(galaxy, observed, null), *_of_clusters(galaxy, observed, null)]
    found += _separation(galaxy, base, like)
    found += _of_mixtures(galaxy, base, rng)
    found += _of_other_planes(galaxy, observed, rng)
    return [*found, *_of_the_noise(galaxy, rng), *_of_the_point_source(galaxy, rng)]


def _stability(
    galaxy: PartitionedGalaxy, observed: Iterable[Variant], null: Iterable[Variant]
) -> list[Answer]:
    """Agreement of every variant with the adopted partition, on spaxels of one cluster."""
    of_null = {(v.question, v.name): _agrees(galaxy, v.labels) for v in null}
    return [
        Answer(
            v.question,
            v.name,
            _measure(galaxy),
            _agrees(galaxy, v.labels),
            tuple(_alike(of_null, v)),
        )
        for v in observed
    ]


def _measure(galaxy: PartitionedGalaxy) -> str:
    return "adjusted Rand index" if galaxy.k > 1 else "share in one cluster"


def _agrees(galaxy: PartitionedGalaxy, labels: Labels | None) -> float:
    if labels is None:
        return np.nan
    return agreement(_unmixed(galaxy, galaxy.labels), _unmixed(galaxy, labels))


def _alike(values: dict[tuple[str, str], float], variant: Variant) -> list[float]:
    """The value of the same variant; for the other half of the spaxels, that of the first."""
    if variant.question == "spaxels":
        return [value for (question, _), value in values.items() if question == "spaxels"]
    key = (variant.question, variant.name)
    return [values[key]] if key in values else []


def _unmixed(galaxy: PartitionedGalaxy, labels: Labels) -> NDArray[np.int32]:
    """Labels of the spaxels of one cluster; of all if they are too few to tell clusters apart."""
    kept = galaxy.unmixed
    if len(np.unique(galaxy.labels[kept])) < galaxy.k:
        return labels
    return np.where(kept, labels, LEFT_OUT).astype(np.int32)


def _of_clusters(
    galaxy: PartitionedGalaxy, observed: Iterable[Variant], null: Iterable[Variant]
) -> list[Answer]:
    """For every cluster the median of its best Jaccard index over the variants."""
    values = _median_jaccard(galaxy.labels, observed)
    of_null = _median_jaccard(galaxy.labels, null)
    return [
        Answer(
            "clusters",
            "found again",
            "median Jaccard index",
            float(values[number]),
            (float(of_null[number]),),
            number + 1,
        )
        for number in range(galaxy.k)
    ]


def _median_jaccard(adopted: Labels, others: Iterable[Variant]) -> NDArray[np.float64]:
    found = []
    for other in others:
        if other.labels is None or other.question in NOT_FOR_CLUSTERS:
            continue
        kept = np.where(other.labels != LEFT_OUT, adopted, LEFT_OUT)
        indices = np.full(adopted.max(), np.nan)
        indices[: kept.max(initial=0)] = best_jaccard(kept, other.labels)
        found.append(indices)
    if not found:
        return np.full(adopted.max(), np.nan)
    stacked = np.array(found)
    known = np.isfinite(stacked).any(axis=0)
    medians = np.full(adopted.max(), np.nan)
    medians[known] = np.nanmedian(stacked[:, known], axis=0)
    return medians


def _separation(
    galaxy: PartitionedGalaxy, base: Linked | None, like: Linked | None
) -> list[Answer]:
    """What the clusters leave unexplained of the differences between spaxels."""
    inner = inner_spaxels(galaxy.labels, galaxy.to_border)
    value, values = np.nan, np.full(galaxy.k, np.nan)
    if base is not None and like is not None and inner is not None:
        spread = variance(base, galaxy.labels, inner), variance(like, galaxy.labels, inner)
        value, values = unexplained(*spread), unexplained_of_clusters(*spread)
    measure = "unexplained share"
    return [
        Answer(SEPARATION_QUESTION, "of the galaxy", measure, value),
        *(
            Answer(SEPARATION_QUESTION, CLUSTER_VARIANT, measure, float(one), (), number + 1)
            for number, one in enumerate(values)
        ),
    ]


def _of_mixtures(
    galaxy: PartitionedGalaxy, base: Linked | None, rng: np.random.Generator
) -> list[Answer]:
    """Whether a galaxy of the measured fractions of the clusters gives these clusters."""
    labels = None
    if base is not None and galaxy.k > 1:
        labels = clusters_of_mixtures(galaxy, base, rng)
    return [Answer("mixtures", "measured fractions", _measure(galaxy), _agrees(galaxy, labels))]


def _of_other_planes(
    galaxy: PartitionedGalaxy, observed: Iterable[Variant], rng: np.random.Generator
) -> list[Answer]:
    """Whether clusters made of one half of the spectrum are told apart by the other half."""
    made = {v.name: v.labels for v in observed if v.question == "planes"}
    halves = dict(zip(HALVES, halves_of_planes(galaxy.data), strict=True))
    found = []
    for name, labels in made.items():
        (other,) = set(HALVES) - {name}
        data = replace(galaxy.data, compared=halves[other])
        told = None if labels is None else told_apart(data, galaxy.recipe, labels, rng)
        variant = f"{HALF_VARIANT} {name} by spectra of the {other}"
        if told is None:
            found.append(Answer(CIRCULARITY_QUESTION, variant, "balanced accuracy", np.nan))
            continue
        error = float(np.sqrt(told.accuracy * (1 - told.accuracy) / told.n))
        found.append(
            Answer(
                CIRCULARITY_QUESTION,
                f"{variant}, {told.n} spaxels",
                "balanced accuracy",
                told.accuracy,
                told.shuffled,
                error=error,
            )
        )
    return found


def _of_the_noise(galaxy: PartitionedGalaxy, rng: np.random.Generator) -> list[Answer]:
    number = clusters_of_one_spectrum(galaxy, rng)
    return [Answer("noise alone", "mean spectrum", "clusters", number)]


def _of_the_point_source(galaxy: PartitionedGalaxy, rng: np.random.Generator) -> list[Answer]:
    source = fit_point_source(galaxy)
    if source is None:
        return [Answer(POINT_SOURCE_QUESTION, "alone", "clusters", np.nan)]
    host = source_on_a_host(galaxy, source, rng) if galaxy.k > 1 else None
    radius = radius_spaxels(galaxy)
    ringed = concentricity(galaxy.labels, radius)
    by_source, made = np.nan, np.nan
    if host is not None:
        by_source, made = concentricity(host, radius), agreement(galaxy.labels, host)
    shares = shares_of_clusters(galaxy, source)
    number = clusters_of_point_source(galaxy, source, rng)
    return [
        Answer(POINT_SOURCE_QUESTION, "alone", "clusters", number),
        Answer(
            "rings", "clusters of a point source on a host", "clusters", number_of_clusters(host)
        ),
        Answer("rings", "same clusters", "adjusted Rand index", made),
        Answer("rings", "concentric", "adjusted mutual information", ringed, (by_source,)),
        *(
            Answer(POINT_SOURCE_QUESTION, SHARE_VARIANT, "fraction", float(share), (), number + 1)
            for number, share in enumerate(shares)
        ),
    ]
