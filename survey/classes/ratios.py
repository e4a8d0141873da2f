"""Logarithmic ratios of line and band fluxes, the quantities that classes are predicted from.

    log10(N / D),    sigma = sqrt((e_N / N)^2 + (e_D / D)^2) / ln 10

A feature that is not detected is replaced by its upper limit: in the numerator it makes the ratio
an upper limit, in the denominator a lower limit. With limits in both, the value is missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.classes.types import Bools, Floats, Ints
from survey.errors import ConfigError, DataError

Term = tuple[str, ...]


class Limit(IntFlag):
    """What a ratio is when it is not a measurement."""

    NONE = 0
    UPPER = 1
    LOWER = 2
    BOTH = UPPER | LOWER


@dataclass(frozen=True)
class Ratio:
    """Two features, or sums of features, to be divided."""

    numerator: Term
    denominator: Term

    @property
    def name(self) -> str:
        """As `NeIII_15.56/NeII_12.81`, a sum as `SII_6716+SII_6731/Halpha_6563`."""
        return f"{'+'.join(self.numerator)}/{'+'.join(self.denominator)}"


@dataclass(frozen=True)
class FeatureFluxes:
    """Fluxes of M features in N clusters; arrays of shape (N, M).

    `flux` is as measured, below the detection threshold and negative as well; `limit` is what the
    true flux is below. What was not measured is NaN, and not detected.
    """

    features: tuple[str, ...]
    flux: Floats
    error: Floats
    detected: Bools
    limit: Floats

    @property
    def is_limit(self) -> Bools:
        """What was measured and not detected."""
        return np.isfinite(self.flux) & ~self.detected

    @property
    def or_limit(self) -> Floats:
        """Fluxes of what was detected, and upper limits of what was not."""
        return np.where(self.detected, self.flux, self.limit)


@dataclass(frozen=True)
class LogRatios:
    """R ratios of N clusters; arrays of shape (N, R).

    `value` is log10 of the ratio, NaN where there is none; `error` is NaN for limits, and
    `limit` a `Limit`.
    """

    names: tuple[str, ...]
    value: Floats
    error: Floats
    limit: NDArray[np.int8]


def log_ratios(fluxes: FeatureFluxes, ratios: Sequence[Ratio]) -> LogRatios:
    """Take all ratios of all clusters, with errors and limits.

    Raises
    ------
    DataError
        If a ratio needs a feature that the fluxes do not have.
    """
    plan = plan_ratios(ratios, fluxes.features)
    limit = plan.limits(fluxes.is_limit)
    value = np.where(limit == Limit.BOTH, np.nan, plan.log_ratios(fluxes.or_limit))
    error = np.where(limit == Limit.NONE, plan.log_errors(fluxes.flux, fluxes.error), np.nan)
    return LogRatios(
        names=tuple(ratio.name for ratio in ratios),
        value=value,
        error=np.where(np.isfinite(value), error, np.nan),
        limit=limit,
    )


def parse_ratios(rows: Iterable[tuple[str, str]]) -> tuple[Ratio, ...]:
    """Ratios from (numerator, denominator) as the table of ratios writes them.

    `A+B` is the sum of two features.

    Raises
    ------
    ConfigError
        If there are none, a ratio occurs twice, or a feature is divided by itself.
    """
    ratios = [Ratio(_term(numerator), _term(denominator)) for numerator, denominator in rows]
    _check_ratios(ratios)
    return tuple(ratios)


def fluxes_from_columns(columns: Mapping[str, Any], features: Sequence[str]) -> FeatureFluxes:
    """Collect the catalog columns `flux_`, `err_`, `detected_` and `limit_` of the features."""

    def stack(prefix: str, dtype: type) -> NDArray[Any]:
        return np.stack([np.asarray(columns[prefix + name], dtype) for name in features], axis=1)

    return FeatureFluxes(
        features=tuple(features),
        flux=stack("flux_", np.float64),
        error=stack("err_", np.float64),
        detected=stack("detected_", np.bool_),
        limit=stack("limit_", np.float64),
    )


def features_of(ratios: Iterable[Ratio]) -> tuple[str, ...]:
    """The features that the ratios need, each once, in order of appearance."""
    return tuple(
        dict.fromkeys(name for ratio in ratios for name in ratio.numerator + ratio.denominator)
    )


@dataclass(frozen=True)
class RatioPlan:
    """Ratios as positions: of features in terms, and of terms in numerator and denominator.

    Each term's logarithm is taken once, however many ratios it is in: 12 features make 66.
    """

    terms: tuple[tuple[int, ...], ...]
    numerator: Ints
    denominator: Ints

    def log_ratios(self, flux: Floats) -> Floats:
        """log10 of the ratios (N, R) of fluxes (N, M), NaN unless both are positive."""
        total = self._sums(flux)
        positive = total > 0
        log = np.log10(total, where=positive, out=np.full_like(total, np.nan))
        return log[:, self.numerator] - log[:, self.denominator]

    def log_errors(self, flux: Floats, error: Floats) -> Floats:
        """Their standard errors, independent features taken for granted."""
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = self._sums(error**2) / self._sums(flux) ** 2
        summed = relative[:, self.numerator] + relative[:, self.denominator]
        return np.sqrt(summed) / math.log(10)

    def limits(self, limit: Bools) -> NDArray[np.int8]:
        """What the ratios are when these fluxes are upper limits.

        A sum with a limit in it is taken for one: it lies between the rest and the whole.
        """
        some = self._sums(limit.astype(np.float64)) > 0
        upper = some[:, self.numerator] * np.int8(Limit.UPPER)
        return upper + some[:, self.denominator] * np.int8(Limit.LOWER)

    def _sums(self, values: Floats) -> Floats:
        return np.stack([values[:, term].sum(axis=1) for term in self.terms], axis=1)


def plan_ratios(ratios: Sequence[Ratio], features: Sequence[str]) -> RatioPlan:
    """Find the features of the ratios among those that were measured.

    Raises
    ------
    DataError
        If one is missing.
    """
    missing = sorted(set(features_of(ratios)) - set(features))
    if missing:
        raise DataError(
            "ratios need features that were not measured",
            expected=", ".join(missing),
            found=", ".join(features),
        )
    terms = list(dict.fromkeys(t for ratio in ratios for t in (ratio.numerator, ratio.denominator)))
    return RatioPlan(
        terms=tuple(tuple(list(features).index(name) for name in term) for term in terms),
        numerator=np.array([terms.index(ratio.numerator) for ratio in ratios], dtype=np.intp),
        denominator=np.array([terms.index(ratio.denominator) for ratio in ratios], dtype=np.intp),
    )


def _term(text: str) -> Term:
    return tuple(text.split("+"))


def _check_ratios(ratios: Sequence[Ratio]) -> None:
    names = [ratio.name for ratio in ratios]
    twice = sorted({name for name in names if names.count(name) > 1})
    empty = [ratio.name for ratio in ratios if set(ratio.numerator) & set(ratio.denominator)]
    if not ratios or twice or empty:
        raise ConfigError(
            "the set of ratios is not valid",
            expected="at least one ratio, each once, of different features",
            found=", ".join(twice or empty) or "none",
        )
