"""Inside Kubernetes, where the Dask operator has started a scheduler and workers.

The command runs in the runner pod of a DaskJob (see `deploy/kubernetes`), to which the operator
tells the address of the scheduler.
"""

from __future__ import annotations

import os
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from survey.engine.backends.existing import SchedulerTable

EXAMPLE = """\
kind = "kubernetes"
workers = 8
trust_everyone_on_the_network = true  # networkpolicy.yaml lets nobody else connect
"""

OPERATOR_VARIABLE = "DASK_SCHEDULER_ADDRESS"


class KubernetesTable(SchedulerTable):
    """The scheduler of the DaskJob to which this pod belongs; `workers` is what to wait for."""

    EXAMPLE: ClassVar[str] = EXAMPLE

    kind: Literal["kubernetes"] = "kubernetes"
    address: str = Field(
        default_factory=lambda: os.environ.get(OPERATOR_VARIABLE, ""), validate_default=True
    )

    @field_validator("address", mode="before")
    @classmethod
    def _operator_told_it(cls, value: str) -> str:
        if not value:
            raise ValueError(f"{OPERATOR_VARIABLE} is not set: is this the runner of a DaskJob?")
        return value
