"""What all tables of the settings file share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SettingsTable(BaseModel):
    """One table of a settings file: immutable; unknown keys, inf and nan are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
