"""The cluster file: a small TOML file that says where a survey runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from survey.config import EngineSettings
from survey.config.toml_file import read_toml
from survey.engine.backends import KINDS, ClusterSettings, LocalSettings
from survey.errors import ConfigError


def cluster_of(settings: EngineSettings) -> ClusterSettings:
    """The cluster that the settings of a survey ask for, by a file, an address or neither.

    Raises
    ------
    ConfigError
        If the file is missing or not valid, or an address is given as well.
    """
    if settings.cluster is not None:
        if settings.scheduler is not None:
            raise ConfigError(
                "both a cluster file and a scheduler are given",
                found=f"{settings.cluster} and {settings.scheduler}",
                advice="Remove engine.cluster or engine.scheduler.",
            )
        return load_cluster(settings.cluster)
    if settings.scheduler is not None:
        values: dict[str, Any] = {"kind": "existing", "address": settings.scheduler}
    else:
        values = {
            "kind": "local",
            "workers": settings.workers,
            "threads": settings.threads_per_worker,
            "memory_limit": settings.memory_limit,
            "grace_s": settings.drain_s + 30.0,
        }
    return build_cluster(values | {"dashboard": settings.dashboard}, source="engine")


def load_cluster(path: str | Path) -> ClusterSettings:
    """Read a cluster file.

    Raises
    ------
    ConfigError
        If it is missing, is not TOML, or does not validate. The message has a valid example.
    """
    path = Path(path)
    values = read_toml(path, "cluster file", advice=f"An example:\n{LocalSettings.EXAMPLE}")
    return build_cluster(values, source=path, folder=path.resolve().parent)


def build_cluster(
    values: dict[str, Any], *, source: str | Path | None = None, folder: Path | None = None
) -> ClusterSettings:
    """Validate the values of a cluster file; its paths are relative to `folder`.

    Raises
    ------
    ConfigError
        For an unknown kind or key, or a value out of range; all problems in one message.
    """
    kind = values.get("kind")
    kind_settings = KINDS.get(kind) if isinstance(kind, str) else None
    if kind_settings is None:
        raise ConfigError(
            "unknown kind of cluster",
            file=source,
            expected=f"kind = {' or '.join(map(repr, KINDS))}",
            found=repr(kind),
            advice=f"An example:\n{LocalSettings.EXAMPLE}",
        )
    try:
        return kind_settings.model_validate(values, context={"folder": folder or Path()})
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'cluster'}: {item['msg']}"
            for item in error.errors()
        )
        raise ConfigError(
            f"invalid cluster: {problems}",
            file=source,
            advice=f"An example that works:\n{kind_settings.EXAMPLE}",
        ) from None
