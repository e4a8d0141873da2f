"""What the galaxies of a run add up to: outcomes, seconds of the stages, bytes, failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from survey.engine.observe.metrics import Metric
from survey.pipeline.galaxy.stage_list import STAGES
from survey.pipeline.run.records.alike import AlikeMessages

if TYPE_CHECKING:
    from survey.pipeline.galaxy.task import GalaxyReport
    from survey.pipeline.run.live_file import InFlight

OUTCOMES = ("computed", "reused", "quarantined")


@dataclass
class Totals:
    """Sums over the galaxies that have ended in this run.

    Attributes
    ----------
    outcomes : Counter
        Galaxies by outcome.
    stage_seconds : dict of float
        Of all galaxies, by stage, in the order of the stages.
    stage_galaxies : Counter
        How many galaxies computed a stage.
    input_bytes : int
        Sizes of the files of the galaxies that were computed.
    peak_memory_bytes : int
        The largest of any galaxy.
    failures : AlikeMessages
        Of galaxies in quarantine.
    notes : AlikeMessages
        Of all galaxies.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    stage_seconds: dict[str, float] = field(
        default_factory=lambda: {stage.name: 0.0 for stage in STAGES}
    )
    stage_galaxies: Counter[str] = field(default_factory=Counter)
    input_bytes: int = 0
    peak_memory_bytes: int = 0
    failures: AlikeMessages = field(default_factory=AlikeMessages)
    notes: AlikeMessages = field(default_factory=AlikeMessages)

    def add(self, report: GalaxyReport) -> None:
        """Add a galaxy that has ended."""
        self.outcomes[report.outcome] += 1
        for stage, seconds in report.stage_seconds.items():
            self.stage_seconds[stage] = self.stage_seconds.get(stage, 0.0) + seconds
            self.stage_galaxies[stage] += 1
        if report.outcome == "computed":
            self.input_bytes += sum(file.size for file in report.inputs)
        self.peak_memory_bytes = max(self.peak_memory_bytes, report.peak_memory_bytes)
        if report.failure is not None:
            self.failures.add(report.galaxy, report.failure["message"])
        for note in report.notes:
            self.notes.add(report.galaxy, note)

    def metrics(self, in_flight: Iterable[InFlight] = ()) -> list[Metric]:
        """The same for Prometheus, with the galaxies under way by stage."""
        at = Counter(each.stage for each in in_flight)
        names = [stage.name for stage in STAGES]
        return [
            Metric(
                "survey_galaxies", "Galaxies that ended in this run", "counter", "outcome",
                {outcome: self.outcomes[outcome] for outcome in OUTCOMES},
            ),
            Metric(
                "survey_stage_seconds", "Seconds that a stage took, over all galaxies", "counter",
                "stage", dict(self.stage_seconds),
            ),
            Metric(
                "survey_galaxies_in_flight", "Galaxies under way", "gauge", "stage",
                {name: at[name] for name in names},
            ),
            Metric(
                "survey_bytes", "Bytes of the files of galaxies that were computed", "counter",
                "direction", {"read": self.input_bytes},
            ),
        ]  # fmt: skip
