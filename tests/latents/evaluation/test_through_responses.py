"""Whether latents tell the response that a source was seen through is found out."""

from dataclasses import replace

import numpy as np
import pytest

from survey.errors import DataError
from survey.latents.evaluation.labelled import LabelledSpectra
from survey.latents.models.base import Representation
from survey.latents.models.pca import SpectralPCA
from survey.latents.spectra import concatenate
from survey.latents.xray.simulate import simulate_xray
from tests.benchmarks.latents.through_responses import judge_responses
from tests.latents.toys import tilted

CLASSES = ["LM-STAR", "HMXB"]
NUMBER = 120


@pytest.fixture(scope="module")
def sets() -> list:
    return [
        simulate_xray(NUMBER, seed=3, responses=[tilted(power)], classes=CLASSES)
        for power in (-1.0, 1.0)
    ]


@pytest.fixture(scope="module")
def data(sets: list) -> LabelledSpectra:
    """Each source through one of the two responses."""
    second = np.array([int(name[3:8]) % 4 < 2 for name in sets[0].spectra.sources])
    parts = [sets[k].spectra.rows(second == bool(k)) for k in (0, 1)]
    classes = [sets[k].truth.classes[second == bool(k)] for k in (0, 1)]
    return LabelledSpectra(concatenate(parts), classes=np.concatenate(classes))


def judged(model: Representation, data: LabelledSpectra, sets: list) -> dict[str, float]:
    known = np.array([int(name[3:8]) % 3 > 0 for name in data.spectra.sources])
    found = judge_responses(model, data, known, [one.spectra for one in sets], 0)
    return {one.metric: one.value for one in found}


def test_latents_that_mean_the_chip_are_told_from_those_that_mean_the_source(
    sets: list, data: LabelledSpectra
) -> None:
    blind = replace(data.spectra, folding=None, response=None)
    found = [judged(SpectralPCA(3).fit(one), data, sets) for one in (blind, data.spectra)]
    assert found[0]["chance"] == 0.5
    assert found[0]["told"] > 0.65, "with responses ignored"
    assert found[1]["told"] < 0.6, "with responses divided out"
    assert found[1]["largest less smallest"] < 0.1
    assert found[1]["accuracy, mean"] > found[0]["accuracy, mean"] - 0.02


def test_spectra_without_responses_cannot_be_judged(sets: list, data: LabelledSpectra) -> None:
    blind = replace(data, spectra=replace(data.spectra, folding=None, response=None))
    with pytest.raises(DataError, match="with classes and responses"):
        list(judge_responses(SpectralPCA(2), blind, np.ones(len(blind), bool), [], 0))
