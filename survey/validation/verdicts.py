"""Verdicts: answers against thresholds, each with its number in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from catalogs.validation.columns import (
    CIRCULARITY_QUESTION,
    CLUSTER_VARIANT,
    HALF_VARIANT,
    NOT_TESTABLE,
    POINT_SOURCE_QUESTION,
    ROBUST,
    SENSITIVE,
    SEPARATION_QUESTION,
    SHARE_VARIANT,
    VERDICT_QUESTION,
)
from catalogs.validation.thresholds import Question, Thresholds
from survey.validation.answers import Answer

RINGS, CLUSTERS = "rings", "clusters"


@dataclass(frozen=True)
class Judged:
    """An answer with its verdict.

    Attributes
    ----------
    answer : Answer
    threshold : float
        What its value is compared with; NaN if it could not be.
    verdict : str
        `ROBUST`, `SENSITIVE` or `NOT_TESTABLE`.
    meaning : str
        The answer in words.
    """

    answer: Answer
    threshold: float
    verdict: str
    meaning: str


def judge(answers: Sequence[Answer], thresholds: Thresholds) -> list[Judged]:
    """Verdicts on all answers about one galaxy, on its clusters, and on itself."""
    of_clusters = [answer for answer in answers if answer.question == CLUSTERS]
    judged = [
        _of_two(answer)
        if answer.question == RINGS and len(of_clusters) == 2
        else _judged(answer, thresholds)
        for answer in answers
        if answer.question in thresholds.questions
    ]
    shares = {a.cluster: a.value for a in answers if a.variant == SHARE_VARIANT}
    left = {one.answer.cluster: one for one in judged if one.answer.variant == CLUSTER_VARIANT}
    clusters = [_of_cluster(answer, shares, left, thresholds) for answer in of_clusters]
    return [*judged, *clusters, of_galaxy(judged, thresholds, n_cluster=len(clusters))]


def _judged(answer: Answer, thresholds: Thresholds) -> Judged:
    rule = rule_of(answer, thresholds.questions[answer.question])
    null = answer.null_median
    if not np.isfinite(answer.value):
        return Judged(answer, np.nan, NOT_TESTABLE, _why_not(answer))
    if rule.above_null:
        threshold = max(answer.null, default=np.nan)
        good = answer.value > threshold
        compared = f"at most {_shown(threshold)} in {len(answer.null)} simulations of chance"
    elif rule.least_of_null is not None:
        if not null >= thresholds.least_power:
            meaning = (
                f"{answer.variant}: cannot be judged: even in simulated galaxies that have these "
                f"clusters and this noise, the {answer.measure} is {_shown(null)}"
            )
            return Judged(answer, np.nan, NOT_TESTABLE, meaning)
        threshold = rule.least_of_null * null
        good = answer.value >= threshold
        compared = f"{_shown(null)} in simulated galaxies that have these clusters and this noise"
    elif rule.least is not None:
        threshold, good = rule.least, answer.value >= rule.least
        compared = f"at least {_shown(threshold)} is asked for"
    elif rule.most is not None:
        threshold, good = rule.most, abs(answer.value) <= rule.most
        if rule.unsure_to is not None and rule.most < abs(answer.value) <= rule.unsure_to:
            meaning = (
                f"{answer.variant}: {answer.measure} {_shown(answer.value)}, which is neither at "
                f"most {_shown(rule.most)} nor above {_shown(rule.unsure_to)}"
            )
            return Judged(answer, threshold, NOT_TESTABLE, meaning)
        compared = f"at most {_shown(threshold)} is expected"
    else:
        return Judged(answer, np.nan, NOT_TESTABLE, f"{answer.variant}: {_shown(answer.value)}")
    meaning = f"{answer.variant}: {answer.measure} {_shown(answer.value)}; {compared}"
    return Judged(answer, threshold, ROBUST if good else SENSITIVE, meaning)


def _of_two(answer: Answer) -> Judged:
    """Two clusters may well be a nucleus and its host, and are then no artefact."""
    meaning = f"{answer.variant}: not judged: two clusters may well be a nucleus and its host"
    return Judged(answer, np.nan, NOT_TESTABLE, meaning)


def rule_of(answer: Answer, question: Question) -> Question:
    """The rule for an answer: that of its variant if it has one, else of its question."""
    return question.variants.get(answer.variant, question)


def _why_not(answer: Answer) -> str:
    if answer.question == POINT_SOURCE_QUESTION:
        return (
            f"{answer.variant}: not measured: the point-spread function of the instrument is not "
            "known, or too few spaxels are bright enough"
        )
    if answer.question == SEPARATION_QUESTION:
        return f"{answer.variant}: not measured: too few spaxels are away from borders of clusters"
    if answer.question == RINGS:
        return f"{answer.variant}: not measured: there is one cluster, or too few spaxels"
    if answer.question == "redshift":
        return f"{answer.variant}: no line was measured in enough clusters"
    if answer.question == CIRCULARITY_QUESTION:
        if answer.variant.startswith(HALF_VARIANT):
            return f"{answer.variant}: not measured: fewer than two clusters with enough spaxels"
        return "the run has no classes made from labels of several galaxies"
    return f"{answer.variant}: not measured: this is how the run was made, or too little is left"


def _of_cluster(
    answer: Answer, shares: dict[int, float], left: dict[int, Judged], thresholds: Thresholds
) -> Judged:
    """The verdict on a cluster by how much of it is found again, and what it leaves unexplained."""
    null = answer.null_median
    as_verdict = replace(answer, question=VERDICT_QUESTION, variant="cluster")
    if not np.isfinite(answer.value):
        return Judged(as_verdict, np.nan, NOT_TESTABLE, "no other way of clustering was possible")
    if not null >= thresholds.least_power:
        meaning = (
            "too faint or too small to judge: even in simulated galaxies that have it, the "
            f"{answer.measure} is {_shown(null)}"
        )
        return Judged(as_verdict, np.nan, NOT_TESTABLE, meaning)
    threshold = thresholds.cluster_least
    verdict = ROBUST if answer.value >= threshold else SENSITIVE
    meaning = (
        f"other ways of clustering find {_shown(answer.value)} of it again; "
        f"{_shown(null)} in simulated galaxies that have it"
    )
    inside = left.get(answer.cluster)
    if inside is not None and np.isfinite(inside.answer.value):
        meaning += f"; {inside.answer.measure} {_shown(inside.answer.value)}"
        if inside.verdict == SENSITIVE:
            verdict = SENSITIVE
            meaning += ": it may be more than one region, or part of a gradual change"
    share = shares.get(answer.cluster, np.nan)
    if np.isfinite(share):
        meaning += f"; a point source in the nucleus can explain {share:.0%} of its light"
    return Judged(as_verdict, threshold, verdict, meaning)


def of_galaxy(
    judged: Sequence[Judged], thresholds: Thresholds, *, n_cluster: int | None = None
) -> Judged:
    """The verdict on a galaxy, by its stability and by what noise and point sources make alone.

    One cluster says that nothing was told apart, which no other way of clustering can confirm: it
    may lack what would tell more apart.
    """
    value = stability(judged, thresholds)
    answer = Answer(VERDICT_QUESTION, "galaxy", "stability", value)
    made = [one for one in judged if one.verdict == SENSITIVE and _rule(one, thresholds).decides]
    if made:
        meaning = "; ".join(f"{one.answer.question}, {one.meaning}" for one in made)
        return Judged(answer, thresholds.galaxy_least, SENSITIVE, meaning)
    if n_cluster == 1:
        meaning = "one cluster, so that no difference is claimed"
        if np.isfinite(value):
            meaning += f"; other ways of clustering keep {_shown(value)} of it together"
        return Judged(answer, np.nan, NOT_TESTABLE, meaning)
    counted = _that_count(judged, thresholds)
    if not counted:
        meaning = "no question that counts can be judged at this S/N"
        return Judged(answer, np.nan, NOT_TESTABLE, meaning)
    least = thresholds.galaxy_least
    verdict = ROBUST if value >= least else SENSITIVE
    lacking = [one for one in judged if one.verdict != ROBUST and _rule(one, thresholds).needed]
    if lacking and verdict == ROBUST:
        meaning = "stable, but it is not shown that its clusters are all regions, and real: "
        meaning += "; ".join(f"{one.answer.question}, {one.meaning}" for one in lacking)
        return Judged(answer, least, NOT_TESTABLE, meaning)
    questions = ", ".join(dict.fromkeys(one.answer.question for one in counted))
    meaning = (
        f"other ways of clustering ({questions}) agree with these clusters {_shown(value)} times "
        f"as well as in simulated galaxies that have them; robust from {_shown(least)} on"
    )
    failed = dict.fromkeys(one.answer.variant for one in counted if one.verdict == SENSITIVE)
    if failed:
        meaning += f"; below their own thresholds: {', '.join(failed)}"
    return Judged(answer, least, verdict, meaning)


def stability(judged: Sequence[Judged], thresholds: Thresholds) -> float:
    """Mean over the questions that count of the answers over those of simulated galaxies.

    Of several variants of a question the mean; answers above those of the simulation count as equal
    to them, answers that cannot be judged are left out. NaN if none is left.
    """
    found: dict[str, list[float]] = {}
    for one in _that_count(judged, thresholds):
        answer, rule = one.answer, _rule(one, thresholds)
        null = answer.null_median if rule.least_of_null is not None else 1.0
        found.setdefault(answer.question, []).append(float(np.clip(answer.value / null, 0.0, 1.0)))
    return float(np.mean([np.mean(values) for values in found.values()])) if found else np.nan


def _that_count(judged: Sequence[Judged], thresholds: Thresholds) -> list[Judged]:
    """The answers that count in the stability of the galaxy."""
    return [one for one in judged if one.verdict != NOT_TESTABLE and _rule(one, thresholds).counts]


def _rule(one: Judged, thresholds: Thresholds) -> Question:
    return rule_of(one.answer, thresholds.questions[one.answer.question])


def _shown(value: float) -> str:
    if not np.isfinite(value):
        return "unknown"
    return f"{value:.0f}" if value == round(value) else f"{value:.2f}"
