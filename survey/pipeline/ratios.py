"""Ratios of the catalog: their lines and bands, and their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from catalogs.reference import Reference, packaged_reference
from survey.classes.ratios import (
    FeatureFluxes,
    Ratio,
    features_of,
    fluxes_from_columns,
    log_ratios,
    parse_ratios,
)

FLUX_COLUMNS = {
    "flux": float("nan"),
    "err": float("nan"),
    "detected": 0.0,
    "limit": float("nan"),
}
"""Columns of a feature that ratios need, with their values where it was not measured."""


def named_ratios(name: str, reference: Reference | None = None) -> tuple[Ratio, ...]:
    """A named set of ratios, from the packaged table if no reference is given."""
    return parse_ratios((reference or packaged_reference()).ratios(name))


def all_ratios(reference: Reference) -> tuple[Ratio, ...]:
    """The ratios of all sets, each once: those of the catalog."""
    sets = reference.ratio_sets.values()
    return parse_ratios(dict.fromkeys(ratio for ratios in sets for ratio in ratios))


def flux_columns(features: Sequence[str]) -> list[str]:
    """Names of the columns that `fluxes_of` reads."""
    return [f"{prefix}_{feature}" for prefix in FLUX_COLUMNS for feature in features]


def fluxes_of(rows: pd.DataFrame, features: Sequence[str]) -> FeatureFluxes:
    """Fluxes from rows of the table `clusters`, some columns of which may be missing."""
    columns = {}
    for prefix, missing in FLUX_COLUMNS.items():
        for name in (f"{prefix}_{feature}" for feature in features):
            values = rows[name].to_numpy(float, na_value=np.nan) if name in rows else np.nan
            values = np.broadcast_to(values, len(rows))
            columns[name] = np.where(np.isnan(values), missing, values)
    return fluxes_from_columns(columns, features)


def with_ratios(rows: Sequence[Mapping[str, Any]], ratios: Sequence[Ratio]) -> list[dict[str, Any]]:
    """Rows of the table `clusters` with the columns of ratios, from those of fluxes."""
    features = features_of(ratios)
    fluxes = {name: [row.get(name) for row in rows] for name in flux_columns(features)}
    found = log_ratios(fluxes_of(pd.DataFrame(fluxes), features), ratios)
    columns: dict[str, NDArray[Any]] = {}
    for number, name in enumerate(found.names):
        columns[f"log_{name}"] = found.value[:, number]
        columns[f"logerr_{name}"] = found.error[:, number]
        columns[f"loglimit_{name}"] = found.limit[:, number]
    return [
        {**row, **{name: values[number] for name, values in columns.items()}}
        for number, row in enumerate(rows)
    ]
