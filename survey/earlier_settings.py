"""Settings files and run records of earlier versions: what was removed, and which defaults changed.

Records of runs have every setting, so records of earlier versions keep old defaults and have
settings that are gone.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from survey.errors import ConfigError, SettingsWarning

REMOVED: dict[str, tuple[Any, str]] = {
    "distance.representation": (
        "spectrum",
        "Spaxels are compared by their spectra; docs/method.md has the measurements.",
    ),
    "distance.latents": (8, "It belonged to distance.representation, which is gone."),
    "distance.model": (None, "It belonged to distance.representation, which is gone."),
}
"""Settings of earlier versions: the value without effect, and advice for other values."""

REMOVED_VALUES: dict[str, dict[Any, str]] = {
    "linkage.path": {
        "aligned": 'Use "auto": if memory is short it takes "two-stage", which is more exact.'
    }
}
"""Values that settings of earlier versions could have, and advice."""

OLD_DEFAULTS: dict[str, tuple[Any, str]] = {
    "cut.criterion": ("auto", '"auto" was the best mean rank of indices; it is the walk now'),
    "cut.k_min": (3, "the default is no limit now"),
    "cut.k_max": (12, "the default is no limit now"),
    "linkage.method": ("ward", 'the default is "average" now'),
    "profiles.low_snr_factor": (3.0, 'the default is low_snr_rule = "snr" now'),
}
"""Defaults of version 0.1.0 that have changed, and what is said of each."""

NEW = {
    "classes.method": 'the former way is method = "forest" with classes.spread = true',
    "prepare.mask_impossible": "impossible voxels are masked",
}
"""Settings that 0.1.0 did not have and that change results, and what is said of each."""

SIGNATURE = ("cut.criterion", "cut.k_min", "cut.k_max")
"""Settings that are all there, at their old defaults, only in a record of 0.1.0."""


def without_removed(values: dict[str, Any], source: str | Path | None) -> dict[str, Any]:
    """The settings without those that were removed and do nothing, which a warning names.

    Raises
    ------
    ConfigError
        If a removed setting had an effect.
    """
    tables = {name: dict(v) if isinstance(v, dict) else v for name, v in values.items()}
    dropped = []
    for path, (harmless, advice) in REMOVED.items():
        table, key = path.split(".")
        given = tables.get(table)
        if not isinstance(given, dict) or key not in given:
            continue
        if given.pop(key) != harmless:
            raise ConfigError(f"{path} was removed", file=source, advice=advice)
        dropped.append(path)
    for path, removed in REMOVED_VALUES.items():
        value = _value(tables, path)
        if isinstance(value, str) and value in removed:
            raise ConfigError(f'{path} = "{value}" was removed', file=source, advice=removed[value])
    if dropped:
        _warn(f"settings that do nothing any more are ignored: {', '.join(dropped)}", source)
    return tables


def note_old_defaults(values: dict[str, Any], source: str | Path | None) -> None:
    """Warn if a record of 0.1.0 keeps changed defaults, or lacks settings that are new."""
    kept = [path for path, (old, _) in OLD_DEFAULTS.items() if _value(values, path) == old]
    if not set(SIGNATURE) <= set(kept):
        return
    said = [f"{path} = {_value(values, path)!r} ({OLD_DEFAULTS[path][1]})" for path in kept]
    text = f"defaults of 0.1.0 are kept: {'; '.join(said)}. Delete these lines to take the new ones"
    new = [f"{path} ({what})" for path, what in NEW.items() if _value(values, path) is None]
    if new:
        text += f". New, and at their defaults: {'; '.join(new)}"
    _warn(f"{text}.", source)


def _value(values: dict[str, Any], path: str) -> Any:
    table, key = path.split(".")
    given = values.get(table)
    return given.get(key) if isinstance(given, dict) else None


def _warn(text: str, source: str | Path | None) -> None:
    where = f"{source}: " if source else ""
    warnings.warn(f"{where}{text}", SettingsWarning, stacklevel=4)
