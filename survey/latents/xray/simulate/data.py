"""The data files of this package."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import as_file, files
from typing import Any

from astropy.table import Table


@cache
def load_toml(name: str) -> dict[str, Any]:
    """A TOML file of this package; not to be changed."""
    return tomllib.loads((files("survey.latents.xray.simulate") / name).read_text(encoding="utf-8"))


def load_table(name: str) -> Table:
    """An ECSV table of this package."""
    with as_file(files("survey.latents.xray.simulate") / name) as path:
        return Table.read(path, format="ascii.ecsv")
