"""Kinds of clusters, one file each: its settings, an example of them, and how it is opened."""

from survey.engine.clusters.base import ClusterTable
from survey.engine.clusters.existing import ExistingTable
from survey.engine.clusters.kubernetes import KubernetesTable
from survey.engine.clusters.local import LocalTable
from survey.engine.clusters.slurm import SlurmTable
from survey.engine.clusters.ssh import SshTable

KINDS: dict[str, type[ClusterTable]] = {
    "local": LocalTable,
    "existing": ExistingTable,
    "ssh": SshTable,
    "slurm": SlurmTable,
    "kubernetes": KubernetesTable,
}
"""What `kind` may be in a cluster file."""

__all__ = ["KINDS", "ClusterTable", "LocalTable"]
