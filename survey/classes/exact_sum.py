"""Sums over draws that do not depend on their order or portions.

Floating-point sums depend on their order in the last digits, so the catalog would depend on the
number of workers. Values are therefore rounded to whole multiples of 2^-22, and added as
integers: 64 bits hold the squares of half a million draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survey.classes.types import Floats

UNIT = 2**22


@dataclass(frozen=True)
class ExactSum:
    """Sums of values between -1 and 1 over draws, of their squares, and how many there were."""

    total: NDArray[np.int64]
    squares: NDArray[np.int64]
    count: NDArray[np.int64]

    @classmethod
    def of(cls, values: ArrayLike) -> ExactSum:
        """The sum of one draw; NaN does not count."""
        array = np.asarray(values, dtype=np.float64)
        known = np.isfinite(array)
        rounded = np.rint(np.where(known, array, 0.0) * UNIT).astype(np.int64)
        return cls(rounded, rounded**2, known.astype(np.int64))

    def __add__(self, other: ExactSum) -> ExactSum:
        return ExactSum(
            self.total + other.total, self.squares + other.squares, self.count + other.count
        )

    @property
    def mean(self) -> Floats:
        """Mean over the draws that count, NaN without any."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.total / self.count / UNIT)

    @property
    def std(self) -> Floats:
        """Standard deviation over the draws, NaN for fewer than two."""
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = self.squares / self.count / UNIT**2 - self.mean**2
            unbiased = np.maximum(variance, 0.0) * self.count / (self.count - 1)
            return np.asarray(np.sqrt(np.where(self.count > 1, unbiased, np.nan)))
