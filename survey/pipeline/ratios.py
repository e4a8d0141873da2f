"""Ratios of the catalog: their lines and bands, and their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from catalogs.reference import Reference, packaged_reference
from survey.classes.predictors import SLOPE, Measurements, Predictor, Term
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

MEASURED_COLUMNS = ("flux", "err", "detected", "ew", "ewerr")
"""Columns of a feature that predictors need."""

USUAL_OFFSET = 0.02
"""Added to the ratios of a set that has no predictors of its own."""


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


def named_predictors(name: str, reference: Reference | None = None) -> tuple[Predictor, ...]:
    """A set of predictors; of a set of ratios that has none, its ratios and the slope."""
    known = reference or packaged_reference()
    if name in known.predictor_sets:
        rows = known.predictor_sets[name]
        return tuple(
            Predictor(_term(row.numerator), _term(row.denominator), row.offset) for row in rows
        )
    ratios = named_ratios(name, known)
    quotients = (Predictor(each.numerator, each.denominator, USUAL_OFFSET) for each in ratios)
    return (*quotients, Predictor((SLOPE,), ()))


def _term(text: str) -> Term:
    return tuple(text.split("+")) if text else ()


def measurement_columns(features: Sequence[str]) -> list[str]:
    """Names of the columns that `measurements_of` reads."""
    return [f"{prefix}_{feature}" for prefix in MEASURED_COLUMNS for feature in features]


def measurements_of(rows: pd.DataFrame, features: Sequence[str]) -> Measurements:
    """Fluxes and widths from rows of the table `clusters`, some columns of which may be missing."""

    def stack(prefix: str) -> NDArray[np.float64]:
        missing = np.full(len(rows), np.nan)
        columns = [
            rows[name].to_numpy(float, na_value=np.nan) if name in rows else missing
            for name in (f"{prefix}_{feature}" for feature in features)
        ]
        return np.stack([*columns], axis=1) if columns else np.empty((len(rows), 0))

    flux, error, detected, width, width_error = map(stack, MEASURED_COLUMNS)
    return Measurements(
        tuple(features), flux, error, np.nan_to_num(detected) > 0, width, width_error
    )


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
