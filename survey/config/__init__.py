"""Settings: `survey.toml` becomes immutable, validated objects.

Each class is one table of the file. Tables such as prepare, distance and cut are part of the keys
of stages; store, tables, engine and report are not stages. When a stage is computed again follows
from its key: see `survey.pipeline.galaxy.stage.Stage.key`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from survey.config.base import SettingsTable
from survey.config.classes import ClassSettings
from survey.config.engine import EngineSettings, ReportSettings
from survey.config.files import GenericReaderSettings, ReadSettings, StoreSettings, TableSettings
from survey.config.galaxy import (
    WHOLE_WINDOW,
    CutSettings,
    DistanceSettings,
    FeatureSettings,
    LinkageSettings,
    PrepareSettings,
    ProfileSettings,
    WavelengthRange,
)
from survey.config.toml_file import read_toml
from survey.earlier_settings import note_old_defaults, without_removed
from survey.errors import ConfigError

__all__ = [
    "PRESETS",
    "WHOLE_WINDOW",
    "ClassSettings",
    "CutSettings",
    "DistanceSettings",
    "EngineSettings",
    "FeatureSettings",
    "GenericReaderSettings",
    "LinkageSettings",
    "PrepareSettings",
    "ProfileSettings",
    "ReadSettings",
    "ReportSettings",
    "Settings",
    "StoreSettings",
    "TableSettings",
    "WavelengthRange",
    "build_settings",
    "fingerprint",
    "load_settings",
]

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "default": {},
    # Hermosa Munoz et al.: integral normalisation, 6 samples, Ward on the root of the
    # minimised sum of squares, a number of clusters chosen by eye between 5 and 7; labels
    # spread to all clusters, and random forests in 1,000 draws.
    "gatos": {
        "prepare": {"normalise": "integral"},
        "distance": {"shift": 6, "noise": "keep"},
        "linkage": {"method": "ward", "ward_input": "distance"},
        "cut": {"criterion": "walk"},
        "profiles": {"low_snr_rule": "scatter"},
        "classes": {"method": "forest", "spread": True, "draws": 1000},
    },
}


class Settings(SettingsTable):
    """All settings of a survey.

    `preset` is "default" or "gatos" (the settings of the paper); `targets` is the table of
    galaxies, a file beside this one.
    """

    preset: Literal["default", "gatos"] = "default"
    targets: str | None = None
    tables: TableSettings = TableSettings()
    read: ReadSettings = ReadSettings()
    prepare: PrepareSettings = PrepareSettings()
    distance: DistanceSettings = DistanceSettings()
    linkage: LinkageSettings = LinkageSettings()
    cut: CutSettings = CutSettings()
    profiles: ProfileSettings = ProfileSettings()
    features: FeatureSettings = FeatureSettings()
    store: StoreSettings = StoreSettings()
    classes: ClassSettings = ClassSettings()
    engine: EngineSettings = EngineSettings()
    report: ReportSettings = ReportSettings()


def build_settings(values: dict[str, Any], *, source: str | Path | None = None) -> Settings:
    """Validate nested settings; the preset gives those that are not in `values`.

    A removed setting is dropped with a `SettingsWarning` if its value has no effect. Another
    says what the new defaults are, where the record of an earlier version keeps the old ones.

    Raises
    ------
    ConfigError
        For an unknown key or a value out of range (all problems in one message), and for a
        removed setting whose value had an effect.
    """
    values = without_removed(values, source)
    note_old_defaults(values, source)
    preset = values.get("preset", "default")
    merged = _merge(PRESETS.get(preset, {}), values)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        from survey.config.near_misses import problem_of

        problems = "; ".join(problem_of(one, Settings) for one in error.errors())
        raise ConfigError(f"invalid settings: {problems}", file=source) from None


def load_settings(path: str | Path, overrides: dict[str, Any] | None = None) -> Settings:
    """Read a settings file; `overrides`, nested like the file, replace its values.

    Raises
    ------
    ConfigError
        If the file is missing, is not TOML, or does not validate.
    """
    path = Path(path)
    values = read_toml(path, "settings file")
    return build_settings(_merge(values, overrides or {}), source=path)


def fingerprint(*values: Any) -> str:
    """A short digest of JSON values, the same on every machine (blake2b, 128 bits)."""
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[key] = _merge(below, value)
        else:
            merged[key] = value
    return merged
