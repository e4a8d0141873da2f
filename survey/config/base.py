"""What all tables of the settings file share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SettingsTable(BaseModel):
    """One table of the settings file: immutable, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")
