"""Labelled spectra for the evaluation of representations: simulated, or with a table of labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from survey.errors import ConfigError, DataError
from survey.latents.evaluation.labelled import LabelledSpectra, Target
from survey.latents.grid import Floats
from survey.latents.run.inputs import read_table
from survey.latents.spectra import Names, SpectrumSet
from survey.latents.xray.catalog_tables import COMPACT, csc_bands, hardness_ratios
from survey.latents.xray.fold import Response
from survey.latents.xray.ogip import read_pha, responses_beside
from survey.latents.xray.responses import read_response
from survey.latents.xray.simulate import SimulatedXray
from survey.latents.xray.spectra import find_spectra

LABEL_COLUMNS = {"id", "source", "class"}
AGN_OR_COMPACT = {"AGN": "AGN"} | dict.fromkeys(COMPACT, "compact")


def simulated_benchmark(simulated: SimulatedXray) -> LabelledSpectra:
    """Simulated X-ray sources with all their truth, to judge representations by."""
    truth, spectra = simulated.truth, simulated.spectra
    noiseless = hardness_of(spectra, truth.expected)
    observed = hardness_of(spectra, np.maximum(spectra.values - spectra.background, 0))
    return LabelledSpectra(
        spectra,
        classes=truth.classes,
        groupings={"AGN or compact": AGN_OR_COMPACT},
        targets={
            "log N_H": Target(np.log10(truth.n_h_1e22)),
            "hard/soft ratio, true": Target(noiseless),
            "hard/soft ratio, observed": Target(observed, circular=True),
        },
        variability={
            "fractional rms": truth.variability,
            "variability index": truth.variability_index,
        },
        confounders={
            "log counts": np.log10(spectra.totals + 1),
            "off-axis angle": truth.off_axis_arcmin,
        },
        expected=truth.expected + truth.expected_background,
        expected_source=truth.expected,
    )


def observed_responses(folder: Path) -> list[Response]:
    """The responses that the spectra in a folder name, to simulate with.

    Raises
    ------
    DataError
        If there are none, or one cannot be read.
    """
    found = []
    for path in find_spectra(folder):
        for pha in read_pha(path):
            rmf, arf = responses_beside(pha)
            if rmf is not None:
                found.append(read_response(rmf, arf))
    if not found:
        raise DataError(
            "the spectra have no responses beside them", file=folder, expected="RMF and ARF",
            found="none",
        )  # fmt: skip
    return found


def hardness_of(spectra: SpectrumSet, counts: Floats) -> Floats:
    """Ratios (n,) of counts (n, p) in the hard and soft bands of the Chandra Source Catalog."""
    soft, medium, hard = (counts[:, band].sum(axis=1) for band in csc_bands(spectra.grid))
    return np.asarray(hardness_ratios(soft, medium, hard)[:, 1])


def labelled_benchmark(spectra: SpectrumSet, labels: Path) -> LabelledSpectra:
    """Spectra with the labels of a table, by their names.

    The table has a column `id`; `class` and `source` if there are; any other column of
    numbers is a target, or variability or a confounder where its name begins like this.

    Raises
    ------
    ConfigError
        If the table cannot be read, has no `id`, or knows none of the spectra.
    """
    table = read_table(labels)
    if "id" not in table.colnames:
        raise ConfigError(
            "the table has no column with the names of the spectra", file=labels, expected="id"
        )
    place = {str(name): row for row, name in enumerate(table["id"])}
    rows = np.array([place.get(str(name), -1) for name in spectra.ids])
    if (rows < 0).all():
        raise ConfigError(
            "the table has none of the spectra", file=labels,
            expected=f"names as {spectra.ids[0]}", found=str(table["id"][0]),
        )  # fmt: skip
    found = rows >= 0
    kept, table = spectra.rows(found), table[rows[found]]
    columns: dict[str, Floats] = {}
    for name in set(table.colnames) - LABEL_COLUMNS:
        if table[name].dtype.kind in "fiu":
            columns[name] = np.ma.filled(np.ma.asarray(table[name], np.float64), np.nan)
    apart = {kind: _beginning(columns, kind) for kind in ("variability", "confounder")}
    rest = columns.keys() - apart["variability"].keys() - apart["confounder"].keys()
    if "source" in table.colnames:
        kept = replace(kept, sources=np.array(table["source"].astype(str), dtype=np.str_))
    classes: Names | None = None
    if "class" in table.colnames:
        classes = np.array(np.ma.filled(np.ma.asarray(table["class"], str), ""), dtype=np.str_)
    return LabelledSpectra(
        kept,
        classes=classes,
        groupings={"AGN or compact": AGN_OR_COMPACT},
        targets={name: Target(columns[name]) for name in sorted(rest)},
        variability=apart["variability"],
        confounders=apart["confounder"],
    )


def _beginning(columns: Mapping[str, Floats], kind: str) -> dict[str, Floats]:
    return {name: columns[name] for name in sorted(columns) if name.startswith(kind)}
