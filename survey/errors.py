"""The errors of a survey, of the family that `catalogs.errors` begins.

The class of an error decides what the survey does with it:

=====================  ==========================================================
`SurveyError`          any of these, and `catalogs.errors.CatalogError`
`DataError`            the input is at fault: quarantine the galaxy, never retry
`IntegrityError`       something of ours on disk is damaged: discard it, recompute
`ResourceError`        memory or disk: retry alone, then quarantine
`MemoryNeeded`         the same, and how much would do: retry where there is so much
`InfrastructureError`  the cluster went away: no galaxy is to blame, resume later
`ConfigError`          the user's settings are at fault: stop before any work
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
    """The machine has not enough memory or disk for the work."""


class MemoryNeeded(ResourceError):
    """A worker has not the memory for the work; another may have it.

    Parameters
    ----------
    needed_bytes : int
        The memory limit that a worker has to have.
    """

    def __init__(self, message: str, *, needed_bytes: int, **details: Any) -> None:
        super().__init__(message, **details)
        self.needed_bytes = needed_bytes

    def _details(self) -> dict[str, Any]:
        return {**super()._details(), "needed_bytes": self.needed_bytes}


class InfrastructureError(SurveyError):
    """The Dask cluster was lost; what is committed stays, and the survey can be resumed."""


class ConfigError(SurveyError):
    """The settings, or the way a command was called, make no sense."""


class SurveyWarning(UserWarning):
    """Something the user should know that stops nothing."""


class SettingsWarning(SurveyWarning):
    """Settings that have no effect, or another one than the user may think."""
