"""Measurements as columns of the table `clusters`, and as rows of the table `measurements`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from catalogs.reference import Band, Line
from survey.features.measurements import Measurement
from survey.features.width import LineWidth


def feature_columns(measurements: Iterable[Measurement]) -> dict[str, float | bool]:
    """Columns of `clusters` with what is measured of each feature in the median spectrum."""
    columns: dict[str, float | bool] = {}
    for item in measurements:
        columns[f"flux_{item.name}"] = item.flux
        columns[f"err_{item.name}"] = item.error
        columns[f"detected_{item.name}"] = item.detected
        columns[f"limit_{item.name}"] = item.limit
        columns[f"quality_{item.name}"] = item.quality
        columns[f"ew_{item.name}"] = item.equivalent_width
        columns[f"ewerr_{item.name}"] = item.equivalent_width_error
        if np.isfinite(item.velocity_km_s):
            columns[f"velocity_{item.name}"] = item.velocity_km_s
    return columns


def region_columns(measurements: Iterable[Measurement]) -> dict[str, float | bool]:
    """Columns of `clusters` with what is measured of each feature in the sum spectrum."""
    columns: dict[str, float | bool] = {}
    for item in measurements:
        columns[f"region_flux_{item.name}"] = item.flux
        columns[f"region_err_{item.name}"] = item.error
    return columns


def measurement_rows(
    median: Sequence[Measurement],
    region: Sequence[Measurement],
    width: LineWidth,
    features: Sequence[Line | Band],
) -> Iterator[dict[str, Any]]:
    """Rows of `measurements` of one cluster, without its key; none for what is not covered.

    `median` and `region` are in the order of `features`; `width` is that of the median spectrum.
    """
    for item, whole, feature in zip(median, region, features, strict=True):
        if not (np.isfinite(item.flux) or np.isfinite(whole.flux)):
            continue
        is_line = isinstance(feature, Line)
        fwhm_km_s, fwhm_error = width.of_line.get(item.name, (np.nan, np.nan))
        yield {
            "feature": item.name,
            "kind": "line" if is_line else "band",
            "wavelength_um": feature.wavelength_um
            if isinstance(feature, Line)
            else float(np.mean(feature.integration_um)),
            "flux": item.flux,
            "err": item.error,
            "err_propagated": item.error_propagated,
            "detected": item.detected,
            "limit": item.limit,
            "quality": item.quality,
            "continuum": item.continuum,
            "ew": item.equivalent_width,
            "ew_err": item.equivalent_width_error,
            "region_flux": whole.flux,
            "region_err": whole.error,
            "region_detected": whole.detected,
            "region_limit": whole.limit,
            "region_quality": whole.quality,
            "velocity_km_s": item.velocity_km_s,
            "fwhm_km_s": fwhm_km_s,
            "fwhm_err_km_s": fwhm_error,
        }
