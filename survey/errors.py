"""The errors of a survey; all are derived from `SurveyError` of `catalogs.errors`.

The class of an error decides what the survey does with it:

=====================  ==========================================================
`SurveyError`          any of these, and `catalogs.errors.CatalogError`
`DataError`            the input is wrong: quarantine the galaxy, never retry
`FileAccessError`      an input file cannot be opened: ask another worker first
`IntegrityError`       one of our files is damaged: discard it, recompute
`ResourceError`        more memory or disk than there is: quarantine
`MemoryNeeded`         memory, with the amount needed: retry on a larger worker
`Unconfirmed`          failed, but its worker may be the cause: ask another worker
`InfrastructureError`  the cluster is lost: not due to a galaxy, resume later
`WorkersLost`          workers of a task died: see `survey.engine.suspects`
`MachineError`         a disk or file system fails: wait, try again, resume later
`ConfigError`          the settings are wrong: stop before any work
=====================  ==========================================================
"""

from __future__ import annotations

from typing import Any

from catalogs.errors import SurveyError

RESUME = "Run the same command again: finished galaxies are not computed again."
"""The advice of errors that are no galaxy's fault."""

__all__ = [
    "ConfigError",
    "DataError",
    "FileAccessError",
    "InfrastructureError",
    "IntegrityError",
    "MachineError",
    "MemoryNeeded",
    "ResourceError",
    "SettingsWarning",
    "SurveyError",
    "SurveyWarning",
    "Unconfirmed",
    "WorkersLost",
]


class DataError(SurveyError):
    """The input data cannot be processed; repeating the attempt would change nothing."""


class FileAccessError(DataError):
    """An input file is missing or cannot be opened here; another machine may see it."""


class IntegrityError(SurveyError):
    """A store, part or catalog written by the survey is incomplete or damaged."""


class ResourceError(SurveyError):
    """The work needs more memory or disk than the machine has at all."""


class MemoryNeeded(ResourceError):
    """A worker does not have enough memory for the work; another may.

    Parameters
    ----------
    needed_bytes : int
        The memory limit that a worker needs.
    """

    def __init__(self, message: str, *, needed_bytes: int, **details: Any) -> None:
        super().__init__(message, **details)
        self.needed_bytes = needed_bytes

    def details(self) -> dict[str, Any]:
        """See `SurveyError`."""
        return {**super().details(), "needed_bytes": self.needed_bytes}


class InfrastructureError(SurveyError):
    """The Dask cluster was lost; committed parts stay, and the survey can be resumed."""


class WorkersLost(InfrastructureError):
    """Workers that did a part of the work of a task died again and again.

    Parameters
    ----------
    n_deaths : int
        How many died.
    """

    def __init__(self, message: str, *, n_deaths: int, **details: Any) -> None:
        super().__init__(message, **details)
        self.n_deaths = n_deaths

    def details(self) -> dict[str, Any]:
        """See `SurveyError`."""
        return {**super().details(), "n_deaths": self.n_deaths}


class MachineError(InfrastructureError):
    """A disk, a file system or a limit of a machine stops the work; no galaxy is the cause.

    Parameters
    ----------
    result : object, optional
        What the work has come to if only its own input files cannot be read, here and elsewhere.
    """

    def __init__(self, message: str, *, result: Any = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.result = result

    def details(self) -> dict[str, Any]:
        """See `SurveyError`."""
        return {**super().details(), "result": self.result}


class Unconfirmed(SurveyError):
    """The work failed, and its worker may be the cause: another one has to confirm it.

    Parameters
    ----------
    result : object
        What the work has come to if another worker fails, too.
    """

    def __init__(self, message: str, *, result: Any, **details: Any) -> None:
        super().__init__(message, **details)
        self.result = result

    def details(self) -> dict[str, Any]:
        """See `SurveyError`."""
        return {**super().details(), "result": self.result}


class ConfigError(SurveyError):
    """The settings, or the way a command was called, make no sense."""


class SurveyWarning(UserWarning):
    """A warning for the user that does not stop the work."""


class SettingsWarning(SurveyWarning):
    """Settings that have no effect, or another effect than the user may expect."""
