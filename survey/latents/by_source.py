"""Adds the spectra of each source up: one spectrum of a source, whatever its detections.

Counts of a source at several epochs add, as do their expected backgrounds. The response of the sum
is the mean of the known responses, weighted by exposure; that is exact for the mean spectrum of the
source over its exposures.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from survey.errors import DataError
from survey.latents.folding import UNKNOWN_RESPONSE
from survey.latents.grid import Floats
from survey.latents.spectra import SpectrumSet

LEAST_SHARED = 0.5
"""Share of the bins usable so far that must stay usable when another detection is added."""

NO_RESPONSES = {"folding": None, "response": None}

Rows = npt.NDArray[np.intp]


def added_by_source(spectra: SpectrumSet) -> tuple[SpectrumSet, list[Rows]]:
    """One spectrum for each source, and the rows that it was made of.

    A bin is usable where it is in all detections. They are added in order of their counts, the
    brightest first; one that would leave fewer than half of the bins usable so far is left out.

    Parameters
    ----------
    spectra : SpectrumSet
        Of counts.

    Returns
    -------
    sums : SpectrumSet
        A row for each source, in order of their names; `ids` are the names of the sources.
    rows : list of arrays
        For each source the rows of its detections that were added.

    Raises
    ------
    DataError
        If the spectra are not counts.
    """
    if spectra.kind != "counts":
        raise DataError("only counts can be added", expected="counts", found=spectra.kind)
    names, group = np.unique(spectra.sources, return_inverse=True)
    members = [_that_go_together(spectra, np.flatnonzero(group == k)) for k in range(len(names))]
    mask = np.stack([spectra.mask[rows].all(axis=0) for rows in members])
    changes: dict[str, Any] = {
        "values": _summed(spectra.values, members),
        "mask": mask,
        "ids": names,
        "sources": names,
        "redshift": np.array([spectra.redshift[rows[0]] for rows in members]),
    }
    assert spectra.exposure_s is not None
    changes["exposure_s"] = np.array([spectra.exposure_s[rows].sum() for rows in members])
    if spectra.background_counts is not None and spectra.background_scale is not None:
        counts = _summed(spectra.background_counts, members)
        expected = _summed(spectra.background, members)
        mean_scale = np.stack([spectra.background_scale[rows].mean(axis=0) for rows in members])
        # With the mean scale, its background regions together are as large as they count.
        scale = np.divide(expected, counts, out=mean_scale, where=counts > 0)
        changes |= {"background_counts": counts, "background_scale": scale}
    if spectra.folding is not None and spectra.response is not None:
        exposure = np.nan_to_num(spectra.exposure_s, nan=1.0)
        known = spectra.response != UNKNOWN_RESPONSE
        seen = [rows[known[rows]] for rows in members]
        some = [rows for rows in seen if len(rows)]
        has_one = np.array([len(rows) > 0 for rows in seen])
        number = np.where(has_one, np.cumsum(has_one) - 1, UNKNOWN_RESPONSE)
        changes |= NO_RESPONSES
        if some:
            changes["response"] = number
            changes["folding"] = spectra.folding.averaged(
                [spectra.response[rows] for rows in some], [exposure[rows] for rows in some]
            )
    return replace(spectra, **changes), members


def _summed(table: Floats, members: list[Rows]) -> Floats:
    return np.stack([table[rows].sum(axis=0) for rows in members])


def _that_go_together(spectra: SpectrumSet, rows: Rows) -> Rows:
    """Rows of one source that have most of their usable bins in common, the brightest first."""
    order = rows[np.argsort(-spectra.totals[rows], kind="stable")]
    chosen, usable = [order[0]], spectra.mask[order[0]].copy()
    for row in order[1:]:
        shared = usable & spectra.mask[row]
        if shared.sum() >= LEAST_SHARED * usable.sum():
            chosen.append(row)
            usable = shared
    return np.sort(np.array(chosen))
