"""The errors of a survey; all are derived from `SurveyError` of `catalogs.errors`.

The class of an error decides what the survey does with it:

=====================  ==========================================================
`SurveyError`          any of these, and `catalogs.errors.CatalogError`
`DataError`            the input is wrong: quarantine the galaxy, never retry
`IntegrityError`       one of our files is damaged: discard it, recompute
`ResourceError`        memory or disk: retry alone, then quarantine
`MemoryNeeded`         memory, with the amount needed: retry on a larger worker
`InfrastructureError`  the cluster is lost: not due to a galaxy, resume later
`ConfigError`          the settings are wrong: stop before any work
=====================  ==========================================================
"""

from __future__ import annotations

from typing import Any

from catalogs.errors import SurveyError

__all__ = [
    "ConfigError",
    "DataError",
    "InfrastructureError",
    "IntegrityError",
    "MemoryNeeded",
    "ResourceError",
    "SettingsWarning",
    "SurveyError",
    "SurveyWarning",
]


class DataError(SurveyError):
    """The input data cannot be processed; repeating the attempt would change nothing."""


class IntegrityError(SurveyError):
    """A store, part or catalog written by the survey is incomplete or damaged."""


class ResourceError(SurveyError):
    """The machine does not have enough memory or disk for the work."""


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

    def _details(self) -> dict[str, Any]:
        return {**super()._details(), "needed_bytes": self.needed_bytes}


class InfrastructureError(SurveyError):
    """The Dask cluster was lost; committed parts stay, and the survey can be resumed."""


class ConfigError(SurveyError):
    """The settings, or the way a command was called, make no sense."""


class SurveyWarning(UserWarning):
    """A warning for the user that does not stop the work."""


class SettingsWarning(SurveyWarning):
    """Settings that have no effect, or another effect than the user may expect."""
