"""Kinds of clusters, one file each: its settings, an example of them, and how it is opened."""

from survey.engine.backends.base import ClusterTable
from survey.engine.backends.existing import ExistingTable
from survey.engine.backends.kubernetes import KubernetesTable
from survey.engine.backends.local import LocalTable
from survey.engine.backends.slurm import SlurmTable
from survey.engine.backends.ssh import SshTable

KINDS: dict[str, type[ClusterTable]] = {
    "local": LocalTable,
    "existing": ExistingTable,
    "ssh": SshTable,
    "slurm": SlurmTable,
    "kubernetes": KubernetesTable,
}
"""What `kind` may be in a cluster file."""

__all__ = ["KINDS", "ClusterTable", "LocalTable"]
