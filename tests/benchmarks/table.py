"""The lines that benchmarks print: a ratio measured in one run, and its target."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One measured figure, against the limit it must not exceed or fall below."""

    case: str
    value: float
    limit: float
    at_most: bool = True
    detail: str = ""

    @property
    def met(self) -> bool:
        return self.value <= self.limit if self.at_most else self.value >= self.limit


def print_table(title: str, lines: Iterable[Line]) -> bool:
    """Print the lines as they are measured; returns whether all targets are met."""
    print(f"\n{title}")
    met = True
    for line in lines:
        target = f"{'<=' if line.at_most else '>='} {line.limit:g}"
        verdict = "met" if line.met else "MISSED"
        print(f"  {line.case:<66} {line.value:8.3f}  {target:<8} {verdict:<7}{line.detail}")
        met &= line.met
    return met
