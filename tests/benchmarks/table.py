"""The lines that benchmarks print: a figure measured in one run, and its target."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One measured figure, against the limit it must not exceed or fall below.

    A limit of NaN is none: the figure is worth knowing, and nobody has promised it. `n` is of how
    many values it is made.
    """

    case: str
    value: float
    limit: float = math.nan
    at_most: bool = True
    detail: str = ""
    n: int = 0

    @property
    def met(self) -> bool:
        if math.isnan(self.limit):
            return True
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    @property
    def verdict(self) -> str:
        """The target, and whether it is met."""
        if math.isnan(self.limit):
            return f"{'-':<8} {'':<7}"
        target = f"{'<=' if self.at_most else '>='} {self.limit:g}"
        return f"{target:<8} {'met' if self.met else 'MISSED':<7}"


def print_table(title: str, lines: Iterable[Line]) -> bool:
    """Print the lines as they are measured; returns whether all targets are met."""
    print(f"\n{title}")
    met = True
    for line in lines:
        print(f"  {line.case:<66} {line.value:8.3f}  {line.verdict}{line.detail}", flush=True)
        met &= line.met
    return met
