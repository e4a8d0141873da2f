"""Predictors of classes from measured fluxes: quotients with a floor, equivalent widths, the slope.

    log10(max(N, 0) / D + offset)

N and D are fluxes as measured, not limits, or sums of such; D may be the continuum beside N, which
makes an equivalent width. The rules:

- A negative N counts as zero before the offset is added. So what is not there has the value
  log10(offset), and noise about zero, which is small beside the offset, moves it little.
- A D that is not detected makes the predictor missing: the quotient could be anything. So does a
  continuum that is not significant.
- In a draw of the errors, D is at least its own error.

A missing predictor gets the median of the sample, when all are scaled (`survey.classes.sample`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from survey.classes.types import Bools, Floats
from survey.errors import DataError

SLOPE = "slope_alpha"
CONTINUUM = "continuum"
"""In place of a denominator: the quotient is an equivalent width in micron."""

Term = tuple[str, ...]


@dataclass(frozen=True)
class Predictor:
    """A quotient of features, or sums of features; or the slope, which has no denominator."""

    numerator: Term
    denominator: Term
    offset: float = 0.0

    @property
    def name(self) -> str:
        """As `NeIII_15.56/NeII_12.81`, `PAH_12.7/continuum` or `slope_alpha`."""
        above = "+".join(self.numerator)
        return f"{above}/{'+'.join(self.denominator)}" if self.denominator else above

    @property
    def is_slope(self) -> bool:
        """Whether it is the slope of the continuum."""
        return self.numerator == (SLOPE,)

    @property
    def is_width(self) -> bool:
        """Whether it is an equivalent width."""
        return self.denominator == (CONTINUUM,)

    @property
    def features(self) -> Term:
        """Lines and bands that must be measured."""
        below = () if self.is_width else self.denominator
        return () if self.is_slope else (*self.numerator, *below)


@dataclass(frozen=True)
class Measurements:
    """M features of N clusters as measured; arrays of shape (N, M), NaN where not covered.

    Attributes
    ----------
    features : tuple of str
    flux, error : array
        Of any sign, below the detection threshold as well.
    detected : bool array
    width, width_error : array
        Equivalent widths in micron; NaN where the continuum is not significant.
    """

    features: Term
    flux: Floats
    error: Floats
    detected: Bools
    width: Floats
    width_error: Floats

    def draw(self, rng: np.random.Generator) -> Measurements:
        """The same clusters observed again: fluxes and widths drawn within their errors.

        The width of a feature moves with its flux, whose noise it has.
        """
        noise = rng.standard_normal(self.flux.shape)
        return Measurements(
            self.features,
            self.flux + self.error * noise,
            self.error,
            self.detected,
            self.width + self.width_error * noise,
            self.width_error,
        )


def features_needed(predictors: Iterable[Predictor]) -> Term:
    """The features of the predictors, each once, in order of appearance."""
    return tuple(dict.fromkeys(name for each in predictors for name in each.features))


def predictor_values(
    predictors: Sequence[Predictor], measured: Measurements, slope: Floats | None = None
) -> Floats:
    """Values (N, P) of predictors, NaN where missing.

    Parameters
    ----------
    predictors : sequence of Predictor
    measured : Measurements
    slope : array (N,), optional
        Missing everywhere if it is not given.

    Raises
    ------
    DataError
        If a predictor needs a feature that the measurements do not have.
    """
    missing = sorted(set(features_needed(predictors)) - set(measured.features))
    if missing:
        raise DataError(
            "predictors need features that were not measured",
            expected=", ".join(missing),
            found=", ".join(measured.features),
        )
    n = len(measured.flux)
    nowhere = np.full(n, np.nan)
    columns = [
        (nowhere if slope is None else slope) if each.is_slope else _log_quotient(each, measured)
        for each in predictors
    ]
    return np.column_stack(columns)


def _log_quotient(predictor: Predictor, measured: Measurements) -> Floats:
    above = _columns(measured, predictor.numerator)
    if predictor.is_width:
        quotient = measured.width[:, above].sum(axis=1)
    else:
        below = _columns(measured, predictor.denominator)
        flux, error = measured.flux[:, below], measured.error[:, below]
        total, total_error = flux.sum(axis=1), np.sqrt((error**2).sum(axis=1))
        known = measured.detected[:, below].all(axis=1)
        under = np.where(known, np.maximum(total, total_error), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            quotient = measured.flux[:, above].sum(axis=1) / under
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log10(np.maximum(quotient, 0.0) + predictor.offset)
    return np.where(np.isfinite(log), log, np.nan)


def _columns(measured: Measurements, term: Term) -> list[int]:
    return [measured.features.index(name) for name in term]
