"""What the page of one galaxy shows, from its rows in the tables and its stored spectra."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from catalogs.flags import ClusterFlag, GalaxyFlag, QualityFlag
from catalogs.reference import Reference
from survey.pipeline.ratios import all_ratios
from survey.report.offsets import offset_matrix
from survey.report.pages.cells import MOST_SAMPLES, Cells, bins
from survey.report.pages.numbers import Quantised, encoded, rounded
from survey.report.palette import cluster_colors

CLUSTER_FACTS = (
    "n_spaxel", "area_arcsec2", "offset_arcsec", "continuum_snr", "velocity_km_s",
    "velocity_err_km_s", "shift_km_s", "slope_alpha", "slope_alpha_err",
)  # fmt: skip
"""Columns of the table `clusters` in the table of a page."""

FEATURE_COLUMNS = (
    "flux", "err", "detected", "limit", "ew", "ew_err", "region_flux", "region_err",
    "velocity_km_s",
)  # fmt: skip
"""Columns of the table `measurements` on a page."""

FRACTION_LEVELS = 255


def galaxy_data(
    galaxy: dict[str, Any],
    tables: dict[str, pd.DataFrame],
    cells: Cells,
    spectra: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    reference: Reference,
) -> dict[str, Any]:
    """The data of a page, ready for JSON.

    Parameters
    ----------
    galaxy : dict
        Its row of the table `galaxies`.
    tables : dict of DataFrame
        Its rows of `clusters`, `spaxels`, `spectra` and `measurements`.
    cells : Cells
        Of the spaxels.
    spectra : (wavelength, spectra), optional
        Rest-frame micron and mean spectra of the cells; None if the store is gone.
    reference : Reference
        Lines and bands that are marked.
    """
    clusters = tables["clusters"]
    return {
        "name": galaxy["galaxy"],
        "unit": galaxy["flux_unit"],
        "flags": flags_in_words(int(galaxy["flags"]), GalaxyFlag),
        "clusters": _clusters(clusters),
        "cells": _cells(galaxy, tables["spaxels"], len(clusters), cells, spectra),
        "medians": _medians(tables["spectra"]),
        "spectra": None if spectra is None else _spectra(*spectra),
        "features": _features(tables["measurements"], clusters, reference),
        "ratios": [
            [ratio.numerator[0], ratio.denominator[0]]
            for ratio in all_ratios(reference)
            if len(ratio.numerator) == len(ratio.denominator) == 1
        ],
        "bands": [
            {"label": band.label, "low": band.integration_um[0], "high": band.integration_um[1]}
            for band in reference.bands
        ],
    }


def flags_in_words(flags: int, kind: type[QualityFlag]) -> list[str]:
    """The meanings of the bits that are set."""
    return [flag.meaning for flag in kind if flags & flag]


def _clusters(clusters: pd.DataFrame) -> list[dict[str, Any]]:
    colors = cluster_colors(len(clusters))
    return [
        {
            "color": color,
            "flags": flags_in_words(int(row["flags"]), ClusterFlag),
            "nuclear": bool(row["flags"] & ClusterFlag.NUCLEAR),
            **{name: rounded(row[name]) for name in CLUSTER_FACTS},
        }
        for color, row in zip(colors, clusters.to_dict("records"), strict=True)
    ]


def _cells(
    galaxy: dict[str, Any],
    spaxels: pd.DataFrame,
    n_cluster: int,
    cells: Cells,
    spectra: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
) -> dict[str, Any]:
    """Places, sizes and values of the cells, on the sky: arcsec to the west and to the north."""
    matrix = offset_matrix(galaxy["celestial_header"] or "", galaxy["spaxel_area_arcsec2"])
    pixels = np.stack([cells.x - galaxy["centre_x"], cells.y - galaxy["centre_y"]])
    east, north = matrix @ pixels
    along_x, along_y = matrix[:, 0], matrix[:, 1]
    if spectra is not None:
        with np.errstate(invalid="ignore"):
            white = np.ma.masked_invalid(spectra[1]).mean(axis=1).filled(np.nan)
    else:
        white = cells.mean(spaxels["scale"].to_numpy(float))
    values = {
        "snr": cells.mean(spaxels["snr"].to_numpy(float)),
        "shift": cells.mean(spaxels["shift_km_s"].to_numpy(float)),
        "white": white,
        "psf": cells.mean(spaxels["psf_share"].to_numpy(float)),
    }
    return {
        "n": len(cells),
        "block": cells.block,
        "celestial": bool(galaxy["celestial_header"]),
        "west": encoded(-east, "f4"),
        "north": encoded(north, "f4"),
        "width": float(np.hypot(*along_x)) * cells.block,
        "height": float(np.hypot(*along_y)) * cells.block,
        "angle": float(np.arctan2(along_x[1], -along_x[0])),
        "x": encoded(cells.x, "f4"),
        "y": encoded(cells.y, "f4"),
        "cluster": encoded(cells.commonest(spaxels["cluster"].to_numpy(int)), "u2"),
        **{name: encoded(value, "f4") for name, value in values.items()},
        "fractions": _fractions(spaxels, n_cluster, cells),
    }


def _fractions(spaxels: pd.DataFrame, n_cluster: int, cells: Cells) -> dict[str, Any] | None:
    """Fractions of every cluster's spectrum in the cells, cell after cell, in one byte each."""
    if n_cluster < 2:
        return None
    nothing = np.full(n_cluster, np.nan)
    rows = [
        nothing if value is None or len(value) != n_cluster else value
        for value in spaxels["fractions"]
    ]
    held = np.array(rows, dtype=float)
    if not np.isfinite(held).any():
        return None
    means = np.stack([cells.mean(column) for column in held.T], axis=1)
    return encoded(np.rint(np.nan_to_num(means).clip(0, 1) * FRACTION_LEVELS), "u1")


def _medians(spectra: pd.DataFrame) -> dict[str, Any]:
    """Median spectra and their errors in no more bins than a screen shows."""
    wavelength = np.asarray(spectra["wavelength_um"].iloc[0], dtype=float)
    starts, number = bins(len(wavelength), MOST_SAMPLES)
    median, error = (
        np.stack([np.asarray(value, dtype=float) for value in spectra[name]])
        for name in ("median", "err")
    )
    return {
        "wavelength": encoded(np.add.reduceat(wavelength, starts) / number, "f4"),
        "flux": encoded(np.add.reduceat(median, starts, axis=1) / number, "f4"),
        "error": encoded(np.sqrt(np.add.reduceat(error**2, starts, axis=1)) / number, "f4"),
    }


def _spectra(wavelength: NDArray[np.float64], spectra: NDArray[np.float64]) -> dict[str, Any]:
    return {"wavelength": encoded(wavelength, "f4"), **Quantised.of(spectra).data()}


def _features(
    measurements: pd.DataFrame, clusters: pd.DataFrame, reference: Reference
) -> list[dict[str, Any]]:
    """Lines and bands that some cluster has, with what was measured in every cluster."""
    labels = {line.name: line.label for line in reference.lines}
    labels |= {band.name: band.label for band in reference.bands}
    numbers = clusters["cluster"].to_list()
    found = []
    for name, rows in measurements.groupby("feature", sort=False):
        if not rows["detected"].any():
            continue
        rows = rows.set_index("cluster").reindex(numbers)
        found.append(
            {
                "name": str(name),
                "label": labels.get(str(name), str(name)),
                "kind": str(rows["kind"].dropna().iloc[0]),
                "wavelength": rounded(rows["wavelength_um"].dropna().iloc[0]),
                **{column: _column(rows[column]) for column in FEATURE_COLUMNS},
            }
        )
    return sorted(found, key=lambda feature: feature["wavelength"])


def _column(values: pd.Series) -> list[Any]:
    return [None if pd.isna(value) else rounded(value) for value in values]
