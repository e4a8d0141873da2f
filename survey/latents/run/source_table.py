"""Reads `sources.parquet` again: which sources are like one, and which are unlike all others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from survey.errors import ConfigError
from survey.latents.anomaly import nearest

SOURCES_FILE = "sources.parquet"

Row = dict[str, Any]


def is_source_run(folder: Path) -> bool:
    """Whether a folder is that of a `survey latent run`."""
    return (folder / SOURCES_FILE).is_file()


def read_sources(folder: Path) -> pd.DataFrame:
    """The table of sources of a run.

    Raises
    ------
    ConfigError
        If it is damaged, or no table of sources.
    """
    file = folder / SOURCES_FILE
    try:
        table = pd.read_parquet(file)
    except (OSError, ValueError) as error:
        raise ConfigError(
            "the table of sources cannot be read", file=file, found=str(error)
        ) from None
    wanted = {"source", "listed_as", "latent_equal", "isolation", "misfit_sigma", "anomaly"}
    if not wanted <= set(table.columns):
        raise ConfigError(
            "not a table of sources", file=file, expected=", ".join(sorted(wanted)),
            found=", ".join(map(str, table.columns)),
        )  # fmt: skip
    return table


def nearest_sources(folder: Path, name: str, number: int) -> list[Row]:
    """The sources with the latents most like those of one, with their distances and classes.

    Parameters
    ----------
    folder : Path
    name : str
        Of the source in the catalog, or in the list.
    number : int

    Raises
    ------
    ConfigError
        If the table has no such source, or no other one.
    """
    table = read_sources(folder)
    places = np.flatnonzero((table["source"] == name) | (table["listed_as"] == name))
    if not len(places):
        raise ConfigError(
            f"the table has no source {name!r}", file=folder / SOURCES_FILE,
            expected=f"one of {len(table)}, as {table['source'].iloc[0]}", found=name,
        )  # fmt: skip
    rows, distance = nearest(np.stack(list(table["latent_equal"])), int(places[0]), number)
    return [
        _described(table.iloc[row]) | {"distance": round(float(far), 4)}
        for row, far in zip(rows.tolist(), distance, strict=True)
    ]


def oddest_sources(folder: Path, number: int) -> list[Row]:
    """The most unusual sources, the most unusual first."""
    table = read_sources(folder).sort_values("anomaly", ascending=False, kind="stable")
    return [
        _described(row)
        | {
            "score": round(float(row["anomaly"]), 4),
            "isolation": round(float(row["isolation"]), 3),
            "misfit_sigma": round(float(row["misfit_sigma"]), 2),
        }
        for _, row in table.head(number).iterrows()
    ]


def _described(row: pd.Series) -> Row:
    """Names of a source, and its class where the table has classes."""
    out = {"source": str(row["source"])}
    if row["listed_as"] != row["source"]:
        out["listed_as"] = str(row["listed_as"])
    for name in ("label", "class"):
        if isinstance(row.get(name), str):
            out[name] = row[name]
    return out
