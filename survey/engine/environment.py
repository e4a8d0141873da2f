"""Checks that this machine, the scheduler and all workers have the same software.

Results depend on the versions of the numerical libraries and on our own code; pickles depend on
the version of Python. The check comes before any work, and its message names what differs where.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from distributed import Client

import catalogs
import survey
from survey.errors import ConfigError

PACKAGES = (
    "numpy",
    "scipy",
    "numba",
    "fastcluster",
    "astropy",
    "reproject",
    "scikit-learn",
    "xarray",
    "zarr",
    "pyarrow",
    "pandas",
    "dask",
    "distributed",
    "cloudpickle",
    "msgpack",
)
"""Packages on which results depend, or messages between the processes of a cluster."""

MISSING = "none"
SHOWN = 5

Environment = dict[str, str]
"""Versions by name of package, with "python" and our own code among them."""


@cache
def environment() -> Environment:
    """The versions of this process; no package is imported for that.

    Our own code is identified by its version and a digest of its source, because a version stays
    the same while somebody develops.
    """
    versions = {"python": ".".join(platform.python_version_tuple()[:2])}
    versions["spaxel-survey"] = f"{survey.__version__} (source {_source_digest()})"
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = MISSING
    return versions


def _source_digest() -> str:
    digest = hashlib.blake2b(digest_size=4)
    for package in (catalogs, survey):
        folder = Path(str(package.__file__)).parent
        for file in sorted(folder.rglob("*.py")):
            digest.update(str(file.relative_to(folder)).encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """How `there` differs from `here`, or "" if it does not."""
    return ", ".join(
        f"{name} {there.get(name, MISSING)} instead of {version}"
        for name, version in here.items()
        if there.get(name, MISSING) != version
    )


def check_environments(client: Client) -> None:
    """Compare the versions on the scheduler and on all workers with those of this process.

    Raises
    ------
    ConfigError
        If they differ, naming where and in what.
    """
    here = environment()
    found: dict[str, object] = dict(client.run(environment, on_error="return"))
    try:
        found["the scheduler"] = client.run_on_scheduler(environment)
    except ImportError as error:
        found["the scheduler"] = error
    faults = [
        f"{place}: {fault}"
        for place, versions in found.items()
        if (fault := _fault(here, versions))
    ]
    if faults:
        more = f"\n... and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise ConfigError(
            "the cluster has other software than this command",
            expected="the same versions everywhere",
            found=f"{len(faults)} places that differ",
            advice="Install the same versions everywhere, or use one environment or image:\n"
            + "\n".join(faults[:SHOWN])
            + more,
        )


def _fault(here: Environment, versions: object) -> str:
    if isinstance(versions, ImportError):
        return f"spaxel-survey cannot be imported ({versions})"
    if isinstance(versions, OSError):
        return ""  # The worker has just left. Those that come are checked when they join.
    if isinstance(versions, BaseException):
        raise versions
    assert isinstance(versions, dict)
    return differences(here, versions)
