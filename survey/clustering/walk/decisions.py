"""The decisions of the walk, as they are recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from survey.clustering.walk.split_tests import Difference, Reason

Step = Literal["split", "join", "blend"]

SENTENCES: dict[tuple[Step, Reason], str] = {
    ("split", ""): "both sides are clusters or hold some",
    ("split", "S/N"): "a side is too noisy to be a cluster, the more so at the edge",
    ("split", "shape"): "beyond noise, shift and width the difference is small",
    ("split", "colour"): "beyond a smooth colour the difference is small",
    ("split", "dispersion"): "the difference is small beside the variety of the galaxy",
    ("join", "shape"): "joined: beyond noise, shift and width the difference is small",
    ("join", "colour"): "joined: beyond a smooth colour the difference is small",
    ("join", "dispersion"): "joined: the difference is small beside the variety of the galaxy",
    ("join", "limit"): "joined: no more clusters are wanted",
    ("blend", "shape"): "dissolved: a blend of two others, but for noise, shift and width",
    ("blend", "colour"): "dissolved: a blend of two others, but for a smooth colour",
    ("blend", "dispersion"): "dissolved: nearly a blend of two others",
    ("blend", ""): "kept: no blend of two others",
}
"""What a decision means, by step and reason."""


@dataclass(frozen=True)
class Decision:
    """One decision of the walk.

    Parameters
    ----------
    step : str
        "split" (a node of the tree), "join" (two clusters after the walk) or "blend" (a cluster
        against the blend of two others).
    reason : str
        The test that failed; empty if none, and the sides are apart.
    difference : Difference
        Of the two sides.
    node : int
        Node of the tree, in SciPy's numbers; -1 for other steps.
    height : float
        Of the node in the tree; NaN for other steps.
    """

    step: Step
    reason: Reason
    difference: Difference
    node: int = -1
    height: float = float("nan")

    @property
    def accepted(self) -> bool:
        """Whether the two sides are kept apart."""
        return not self.reason

    @property
    def sentence(self) -> str:
        """The decision in words."""
        return SENTENCES[self.step, self.reason]
