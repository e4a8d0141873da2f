"""A run from its plan to its end: all galaxies, then their classes if the settings name labels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from survey.engine.cluster import Cluster, LazyCluster
from survey.engine.drain import Drain
from survey.errors import DataError
from survey.machine_faults import patiently
from survey.pipeline.run.plan import RunPlan
from survey.pipeline.run.survey import run_survey

if TYPE_CHECKING:
    from survey.pipeline.classification.classify import Classified
    from survey.pipeline.galaxy.task import GalaxyReport

logger = logging.getLogger(__name__)

OUTCOMES = ("computed", "reused", "quarantined")


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended: numbers of galaxies by outcome, and the classification if there is one.

    `refusal` is the error that prevented a classification.
    """

    counts: dict[str, int]
    classified: Classified | None = None
    refusal: DataError | None = None


def run_and_classify(
    plan: RunPlan,
    cluster: Cluster,
    *,
    draw: Callable[[Path, str, str], None] | None = None,
    on_report: Callable[[GalaxyReport], None] = lambda report: None,
    on_plan: Callable[[Mapping[str, float]], None] = lambda projected_s: None,
    on_draws: Callable[[int], None] = lambda n: None,
    drain: Drain | None = None,
) -> RunOutcome:
    """Process the galaxies of a plan, and classify their clusters if the plan says so.

    Parameters
    ----------
    plan : RunPlan
    cluster : Cluster
    draw, on_report, on_plan, drain
        See `run_survey`.
    on_draws : callable
        See `classify_run`.
    """
    results = run_survey(
        plan.root,
        plan.targets,
        plan.settings,
        cluster,
        draw=draw,
        on_report=on_report,
        on_plan=on_plan,
        verify_inputs=plan.verify_inputs,
        drain=drain,
    )
    classified, refusal = None, None
    if plan.classify:
        from survey.pipeline.classification.classify import classify_run  # slow to load

        try:
            classified = patiently(
                lambda: classify_run(plan.root, plan.settings, cluster, on_draws=on_draws),
                patience_s=plan.settings.engine.patience_s,
                warn=cluster.warn if isinstance(cluster, LazyCluster) else logger.warning,
                place=plan.root,
            )
        except DataError as error:
            refusal = error  # The galaxies are in the catalog all the same.
    return RunOutcome({name: results.count(name) for name in OUTCOMES}, classified, refusal)
