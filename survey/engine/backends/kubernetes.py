"""Inside Kubernetes, where the Dask operator has started a scheduler and workers.

The command runs in the runner pod of a DaskJob (see `deploy/kubernetes`). The operator sets the
address of the scheduler in its environment.
"""

from __future__ import annotations

import os
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from survey.engine.backends.existing import SchedulerSettings

EXAMPLE = """\
kind = "kubernetes"
workers = 8
trust_everyone_on_the_network = true  # networkpolicy.yaml lets nobody else connect
"""

OPERATOR_VARIABLE = "DASK_SCHEDULER_ADDRESS"


class KubernetesSettings(SchedulerSettings):
    """The scheduler of the DaskJob of this pod; the run waits for `workers` workers."""

    EXAMPLE: ClassVar[str] = EXAMPLE

    kind: Literal["kubernetes"] = "kubernetes"
    address: str = Field(
        default_factory=lambda: os.environ.get(OPERATOR_VARIABLE, ""), validate_default=True
    )

    @field_validator("address", mode="before")
    @classmethod
    def _operator_has_set_it(cls, value: str) -> str:
        if not value:
            raise ValueError(f"{OPERATOR_VARIABLE} is not set: is this the runner of a DaskJob?")
        return value
