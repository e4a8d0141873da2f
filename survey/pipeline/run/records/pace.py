"""How fast a run is, and how long it will take."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

RATE_S = 300.0
"""The rate is that of the last minutes."""


@dataclass
class Pace:
    """Galaxies of a run as they end; times are seconds of one clock.

    Attributes
    ----------
    n_galaxies : int
    began : float
    projected_s : dict of float
        Seconds that each galaxy should take which is really to be computed; empty if unknown.
    """

    n_galaxies: int
    began: float
    projected_s: Mapping[str, float] = field(default_factory=dict)
    n_ended: int = 0
    _planned: float | None = None
    _moments: deque[float] = field(default_factory=deque)
    _computed_s: float = 0.0
    _ended_s: float = 0.0

    def plan(self, projected_s: Mapping[str, float], now: float) -> None:
        """Take the projected seconds of what is to be computed, which begins now."""
        self.projected_s, self._planned = projected_s, now

    def ended(self, galaxy: str, outcome: str, now: float) -> None:
        """Count a galaxy that has ended."""
        self.n_ended += 1
        seconds = self.projected_s.get(galaxy, 0.0)
        self._ended_s += seconds
        if outcome == "computed":
            self._computed_s += seconds
        if outcome != "reused":
            self._moments.append(now)
            while now - self._moments[0] >= RATE_S:
                self._moments.popleft()

    def rate_per_min(self, now: float) -> float | None:
        """Galaxies that were computed a minute, of late; None if none was."""
        if not self._moments:
            return None
        return 60.0 * len(self._moments) / max(1.0, min(RATE_S, now - self.began))

    def remaining_s(self, now: float) -> float | None:
        """Time for what is left: by projected cost where it is known, else by number."""
        left = self.n_galaxies - self.n_ended
        if not self.n_ended or left <= 0:
            return 0.0 if left <= 0 else None
        if self._planned is None or self._computed_s <= 0:
            return (now - self.began) / self.n_ended * left
        left_s = sum(self.projected_s.values()) - self._ended_s
        return max(0.0, (now - self._planned) / self._computed_s * left_s)
