"""Rows of the tables of sources, declared in `catalogs.xray.tables`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from survey.latents.anomaly import find_anomalies, standardised
from survey.latents.by_source import Rows
from survey.latents.evaluation.benchmark import Summary
from survey.latents.evaluation.class_probabilities import ClassProbabilities
from survey.latents.grid import Floats
from survey.latents.models.base import Representation
from survey.latents.run.labels import Label
from survey.latents.run.source_files import SourceFiles
from survey.latents.run.source_latents import SourceLatents
from survey.latents.spectra import SpectrumSet
from survey.latents.xray.catalog_tables import csc_bands, hardness_ratios
from survey.latents.xray.physical_fit import MODELS, PhysicalFits
from survey.latents.xray.spectra import SpectrumFacts

Row = dict[str, Any]

LOG_CM2 = 22.0
"""Columns of the fits are in 1e22 per cm2."""

HARDNESS_DRAWS = 200
PILED_UP = 0.05
"""Share of piled-up events above which a source is marked."""


def detection_rows(
    spectra: SpectrumSet, facts: Sequence[SpectrumFacts], members: list[Rows]
) -> list[Row]:
    """Rows of `detections`."""
    added = set(np.concatenate(members).tolist())
    assert spectra.exposure_s is not None
    return [
        {
            "spectrum": one.name,
            "source": str(spectra.sources[row]),
            "file": one.file,
            "observation": one.observation,
            "counts": float(spectra.totals[row]),
            "exposure": float(spectra.exposure_s[row]),
            "background": one.background,
            "background_reason": one.background_reason,
            "response": one.response,
            "response_reason": one.response_reason,
            "pile_up": one.pile_up,
            "added": row in added,
        }
        for row, one in enumerate(facts)
    ]


def source_rows(
    sums: SpectrumSet, background: Floats, members: list[Rows], facts: Sequence[SpectrumFacts],
    files: SourceFiles,
) -> list[Row]:  # fmt: skip
    """What a row of `sources` says of the source and its detections."""
    assert sums.exposure_s is not None
    rows = []
    for k, name in enumerate(sums.sources.tolist()):
        of_source = [facts[row] for row in members[k].tolist()]
        used = [one.background == "used" for one in of_source]
        ra, dec = files.position.get(name, (np.nan, np.nan))
        rows.append(
            {
                "source": name,
                "listed_as": files.listed_as.get(name, name),
                "ra": ra,
                "dec": dec,
                "n_detection": len(of_source),
                "counts": float(sums.totals[k]),
                "background_counts": float(np.where(sums.mask[k], background[k], 0.0).sum()),
                "exposure": float(sums.exposure_s[k]),
                "background": "all" if all(used) else "some" if any(used) else "none",
                "background_reason": _reasons(one.background_reason for one in of_source),
                "responses": [one.response for one in of_source if one.response],
                "response_reason": _reasons(one.response_reason for one in of_source),
                "pile_up": (worst := max(one.pile_up for one in of_source)),
                "piled_up": worst > PILED_UP,
                "n_bin": int(sums.mask[k].sum()),
            }
        )
    return rows


def _reasons(reasons: Any) -> str:
    return "; ".join(dict.fromkeys(one for one in reasons if one))


def add_latents(
    rows: list[Row], model: Representation, sums: SpectrumSet, latents: SourceLatents,
    neighbours: int,
) -> None:  # fmt: skip
    """Latents, how unusual each source is, and the sources most like it.

    Sources are compared by their latents at equal counts.
    """
    odd = find_anomalies(model, sums, latents.values, latents.alike)
    scaled = standardised(latents.alike)
    number = min(neighbours, len(sums) - 1)
    for k, row in enumerate(rows):
        distance = np.sqrt(((scaled - scaled[k]) ** 2).sum(axis=1))
        distance[k] = np.inf
        nearest = np.argsort(distance, kind="stable")[:number]
        row |= {
            "latent": latents.values[k],
            "err_latent": latents.errors[k],
            "cov_latent": latents.covariance[k].ravel(),
            "latent_equal": latents.alike[k],
            "err_latent_equal": latents.alike_errors[k],
            "isolation": float(odd.isolation[k]),
            "misfit_sigma": float(odd.misfit[k]),
            "anomaly": float(odd.score[k]),
            "neighbour": [str(sums.sources[other]) for other in nearest],
            "neighbour_distance": distance[nearest],
        }


def add_hardness(rows: list[Row], sums: SpectrumSet, background: Floats, seed: int) -> None:
    """Hardness ratios of counts without background, and their scatter by noise."""
    rng = np.random.default_rng(seed)
    net = _in_bands(sums, sums.values - background)
    gross, behind = _in_bands(sums, sums.values), _in_bands(sums, background)
    ratios = hardness_ratios(*net.T)
    drawn = np.stack(
        [hardness_ratios(*(rng.poisson(gross) - behind).T) for _ in range(HARDNESS_DRAWS)]
    )
    scatter = drawn.std(axis=0)
    for k, row in enumerate(rows):
        for place, name in enumerate(("hm", "hs", "ms")):
            row[f"hardness_{name}"] = float(ratios[k, place])
            row[f"hardness_{name}_err"] = float(scatter[k, place])


def _in_bands(sums: SpectrumSet, counts: Floats) -> Floats:
    bands = csc_bands(sums.grid)
    return np.stack([np.where(sums.mask & band, counts, 0.0).sum(axis=1) for band in bands], axis=1)


def add_fits(rows: list[Row], fits: dict[str, PhysicalFits]) -> None:
    """The parameters of both physical models, and the column of the better one."""
    law, plasma = (fits[name] for name in MODELS)
    for k, row in enumerate(rows):
        better = MODELS[int(plasma.deviance[k] < law.deviance[k])]
        chosen = fits[better]
        row |= {
            "photon_index": law.values[k, 0],
            "photon_index_err": law.errors[k, 0],
            "log_kt": plasma.values[k, 0],
            "log_kt_err": plasma.errors[k, 0],
            "log_n_h": chosen.values[k, 1] + LOG_CM2,
            "log_n_h_err": chosen.errors[k, 1],
            "better_fit": better,
            "c_statistic": chosen.deviance[k],
        }


def add_labels(rows: list[Row], labels: Sequence[Label | None]) -> None:
    """The labels, and where they are from."""
    for row, label in zip(rows, labels, strict=True):
        if label is not None:
            row |= {
                "label": label.source_class,
                "label_reference": label.reference,
                "label_used_xray": label.used_xray,
                "label_matched_by": label.matched,
            }


def add_classes(rows: list[Row], found: ClassProbabilities) -> None:
    """The most probable class of each source, and all probabilities; all are held out."""
    order = np.sort(found.values, axis=1)
    for k, row in enumerate(rows):
        row |= {f"p_{name}": found.values[k, i] for i, name in enumerate(found.classes)}
        row["class"] = found.classes[int(found.values[k].argmax())]
        row["margin"] = float(order[k, -1] - order[k, -2])
        row["class_held_out"] = True


def score_rows(
    summaries: Sequence[Summary], numbers: dict[str, int], titles: dict[str, str]
) -> list[Row]:
    """Rows of `label_scores`: balanced accuracies of all methods and sets of labels.

    Parameters
    ----------
    summaries : sequence of Summary
    numbers : dict
        Sources with a label, by target of the summaries.
    titles : dict
        What the table calls each target.
    """
    tasks = ("supervised", "unsupervised")
    return [
        {
            "method": one.method,
            "n_latent": one.latents,
            "labels": titles[one.target],
            "classifier": one.metric,
            "balanced_accuracy": one.mean,
            "std": one.std,
            "n_fold": one.seeds,
            "n_source": numbers[one.target],
        }
        for one in summaries
        if one.task in tasks and one.target in titles
    ]
