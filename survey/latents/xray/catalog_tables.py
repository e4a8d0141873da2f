"""Published tables of classified Chandra sources, for baselines on real sources.

They have no spectra, but fluxes in bands (so hardness ratios) and classes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from survey.errors import DataError
from survey.latents.grid import Grid

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Names = npt.NDArray[np.str_]

CSC_BANDS_KEV = ((0.5, 1.2), (1.2, 2.0), (2.0, 7.0))
"""Soft, medium and hard band of the Chandra Source Catalog."""

COMPACT = ("CV", "HMXB", "LMXB", "NS")
"""Compact objects of stellar mass, and binaries with one."""


@dataclass(frozen=True, eq=False)
class CatalogSources:
    """n classified sources, or detections of them.

    Attributes
    ----------
    names : array (n,) of str
        Of the sources: rows of one source have one name.
    classes : array (n,) of str
    hardness : array (n, 3)
        See `hardness_ratios`.
    labels : {"literature", "predicted"}
        Where the classes come from.
    title : str
        What table it is.
    n_h_1e22 : array (n,), optional
        Column density fitted to the spectrum, NaN where none was.
    variability : array (n, 2), optional
        Chance of being variable within an observation, and between observations.
    """

    names: Names
    classes: Names
    hardness: Floats
    labels: Literal["literature", "predicted"]
    title: str
    n_h_1e22: Floats | None = None
    variability: Floats | None = None

    def __len__(self) -> int:
        return len(self.names)


def read_catalog_table(path: str | Path) -> CatalogSources:
    """Read one of the tables declared in `catalog_tables.toml` (CSV, plain or compressed).

    Raises
    ------
    DataError
        If it cannot be read, or is none of them.
    """
    path = Path(path)
    try:
        table = pd.read_csv(path, low_memory=False)
    except FileNotFoundError:
        raise DataError("the table does not exist", file=path) from None
    except (ValueError, EOFError, OSError) as error:  # parser and codec errors are ValueErrors
        raise DataError(f"not a readable CSV table ({error})", file=path) from None
    form = _form_of(table, path)
    names = table[form["class"]].astype("string")
    classes = names.replace(form.get("rename", {}))
    table, classes = (part[(classes != "") & classes.notna()] for part in (table, classes))
    n_h = _numbers(table, [form["n_h_1e20"]], path)[:, 0] / 100 if "n_h_1e20" in form else None
    return CatalogSources(
        names=np.asarray(table[form["name"]].astype(str), dtype=np.str_),
        classes=np.asarray(classes, dtype=np.str_),
        hardness=_hardness(table, form, path),
        labels=cast(Literal["literature", "predicted"], form["labels"]),
        title=form["title"],
        n_h_1e22=n_h,
        variability=_numbers(table, form["variability"], path) if "variability" in form else None,
    )


def hardness_ratios(soft: Floats, medium: Floats, hard: Floats) -> Floats:
    """Hardness ratios (n, 3) of fluxes or counts in three bands, from -1 to 1.

    (H - M) / (H + M), (H - S) / (H + S), (M - S) / (M + S), as in the Chandra Source Catalog
    (Evans et al. 2010, ApJS 189, 37).

    Fluxes below zero, as are left of faint sources when the background is taken off, count as
    zero. A ratio of nothing to nothing is zero, and NaN where a flux is.
    """
    s, m, h = (np.maximum(np.asarray(band, dtype=np.float64), 0.0) for band in (soft, medium, hard))
    return np.stack([_ratio(h, m), _ratio(h, s), _ratio(m, s)], axis=1)


def agn_or_compact(sources: CatalogSources) -> tuple[Names, npt.NDArray[np.bool_]]:
    """Names (n,) "AGN" or "compact" of the sources, and which are either."""
    is_agn = sources.classes == "AGN"
    either = is_agn | np.isin(sources.classes, COMPACT)
    return np.where(is_agn, "AGN", "compact"), either


def _ratio(above: Floats, below: Floats) -> Floats:
    total = above + below
    return np.divide(
        above - below, total, out=np.where(np.isnan(total), np.nan, 0.0), where=total > 0
    )


def csc_bands(grid: Grid) -> Bools:
    """Which bins (3, p) of a grid in keV are in the soft, medium and hard band."""
    return np.stack([(grid.centres >= low) & (grid.centres < high) for low, high in CSC_BANDS_KEV])


def known_form(columns: Iterable[str]) -> dict[str, Any] | None:
    """What is declared of a published table with these columns; None if it is none of them."""
    there = set(columns)
    for form in _forms():
        needed = {form["name"], form["class"], *form.get("fluxes", ()), *form.get("hardness", ())}
        if needed <= there:
            return form
    return None


def _form_of(table: pd.DataFrame, path: Path) -> dict[str, Any]:
    if (form := known_form(table.columns)) is not None:
        return form
    raise DataError(
        "unknown table of sources",
        file=path,
        expected="; ".join(form["title"] for form in _forms()),
        found=f"columns {', '.join(map(str, table.columns[:8]))} ...",
        advice="Declare it in catalog_tables.toml",
    )


def _hardness(table: pd.DataFrame, form: dict[str, Any], path: Path) -> Floats:
    if "hardness" in form:
        return _numbers(table, form["hardness"], path)
    return hardness_ratios(*_numbers(table, form["fluxes"], path).T)


def _numbers(table: pd.DataFrame, columns: list[str], path: Path) -> Floats:
    try:
        return np.asarray(table[columns].to_numpy(dtype=np.float64))
    except (ValueError, KeyError) as error:
        raise DataError(f"columns that are not numbers ({error})", file=path) from None


@cache
def _forms() -> list[dict[str, Any]]:
    text = (files("survey.latents.xray") / "catalog_tables.toml").read_text(encoding="utf-8")
    return cast(list[dict[str, Any]], tomllib.loads(text)["table"])
