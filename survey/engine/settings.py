"""The cluster file: a small TOML file that says where a survey runs."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from survey.config import EngineSettings
from survey.engine.backends import KINDS, ClusterTable, LocalTable
from survey.errors import ConfigError


def cluster_of(settings: EngineSettings) -> ClusterTable:
    """The cluster that the settings of a survey ask for, by a file, an address or neither.

    Raises
    ------
    ConfigError
        If the file is not there or not valid, or an address is given beside it.
    """
    if settings.cluster is not None:
        if settings.scheduler is not None:
            raise ConfigError(
                "a cluster file and a scheduler are given: one of them has to go",
                found=f"{settings.cluster} and {settings.scheduler}",
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
        }
    return build_cluster(values | {"dashboard": settings.dashboard}, source="engine")


def load_cluster(path: str | Path) -> ClusterTable:
    """Read a cluster file.

    Raises
    ------
    ConfigError
        If it is missing, is not TOML, or does not validate; with an example of one that does.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            "cluster file not found", file=path, advice=f"An example:\n{LocalTable.EXAMPLE}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"not a TOML file ({error})", file=path) from None
    return build_cluster(values, source=path, folder=path.resolve().parent)


def build_cluster(
    values: dict[str, Any], *, source: str | Path | None = None, folder: Path | None = None
) -> ClusterTable:
    """Validate the values of a cluster file, in which paths are relative to `folder`.

    Raises
    ------
    ConfigError
        For an unknown kind or key, or a value out of range; all problems in one message.
    """
    kind = values.get("kind")
    table = KINDS.get(kind) if isinstance(kind, str) else None
    if table is None:
        raise ConfigError(
            "the cluster is of no kind that is known",
            file=source,
            expected=f"kind = {' or '.join(map(repr, KINDS))}",
            found=repr(kind),
            advice=f"An example:\n{LocalTable.EXAMPLE}",
        )
    try:
        return table.model_validate(values, context={"folder": folder or Path()})
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'cluster'}: {item['msg']}"
            for item in error.errors()
        )
        raise ConfigError(
            f"invalid cluster: {problems}",
            file=source,
            advice=f"An example that works:\n{table.EXAMPLE}",
        ) from None
