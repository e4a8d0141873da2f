"""Reading the TOML files that users write."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from survey.errors import ConfigError


def read_toml(path: Path, name: str, *, advice: str | None = None) -> dict[str, Any]:
    """The tables of a TOML file in UTF-8, with or without a byte order mark.

    Parameters
    ----------
    path : Path
    name : str
        What the file is, for the error if there is none: "settings file".
    advice : str, optional
        What to do then; by default the name beside it that is most like its own.

    Raises
    ------
    ConfigError
        If it is missing, cannot be read, or is not TOML.
    """
    try:
        # Editors of Windows begin a file with a byte order mark, which TOML does not know.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        from survey.config.near_misses import advice_for_missing

        raise ConfigError(
            f"{name} not found", file=path, advice=advice or advice_for_missing(path)
        ) from None
    except OSError as error:
        raise ConfigError(f"{name} cannot be read ({error.strerror})", file=path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"not a TOML file ({error})", file=path) from None
