"""Kinds of clusters, one file each: settings, an example, and how to open one."""

from survey.engine.backends.base import ClusterSettings
from survey.engine.backends.existing import ExistingSettings
from survey.engine.backends.kubernetes import KubernetesSettings
from survey.engine.backends.local import LocalSettings
from survey.engine.backends.slurm import SlurmSettings
from survey.engine.backends.ssh import SshSettings

KINDS: dict[str, type[ClusterSettings]] = {
    "local": LocalSettings,
    "existing": ExistingSettings,
    "ssh": SshSettings,
    "slurm": SlurmSettings,
    "kubernetes": KubernetesSettings,
}
"""What `kind` may be in a cluster file."""

__all__ = ["KINDS", "ClusterSettings", "LocalSettings"]
