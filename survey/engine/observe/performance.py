"""Dask's performance report of a whole run: one page with what its workers did when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from distributed import Client, performance_report

from survey.errors import ConfigError

PROFILED: dict[str, Any] = {"distributed.worker.profile.enabled": True}
"""Dask's settings for runs with a report; others keep no profile (see `SMALL_HISTORY`)."""


def check_report_path(path: Path) -> None:
    """Refuse a report that could not be written at the end.

    Raises
    ------
    ConfigError
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        found = "a folder" if path.is_dir() else "no such folder"
        raise ConfigError(
            "the performance report cannot be written there", file=path,
            expected="a new HTML file in a folder that exists", found=found,
        )  # fmt: skip


@contextmanager
def reported(client: Client, path: Path, warn: Callable[[str], None]) -> Iterator[None]:
    """Write Dask's report of what the cluster does in the block; it opens without a network.

    A report that cannot be written never ends a run.
    """
    with ExitStack() as stack:
        stack.enter_context(client.as_current())
        report = performance_report(filename=str(path), mode="inline")
        report.__enter__()
        try:
            yield
        finally:
            try:
                report.__exit__(None, None, None)
            except Exception as error:
                warn(f"{path}: no performance report ({type(error).__name__}: {error})")
