"""Spectra of one source add up: counts, backgrounds and responses."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from survey.errors import DataError
from survey.latents.by_source import added_by_source
from survey.latents.folding import Folding, joined, single
from survey.latents.grid import Grid
from survey.latents.spectra import SpectrumSet, concatenate

GRID = Grid(np.arange(1.0, 8.0), "keV")
ENERGIES = Grid(np.arange(1.0, 5.0), "keV")


def made(seed: int, n: int, sources: list[str], *, folded: bool = True) -> SpectrumSet:
    rng = np.random.default_rng(seed)
    matrices = sparse.csr_array(rng.uniform(0, 5, (n * 3, 6)))
    return SpectrumSet(
        rng.poisson(5, (n, 6)).astype(float), GRID, "counts",
        ids=np.array([f"{seed}-{k}" for k in range(n)]), sources=np.array(sources),
        background_counts=rng.poisson(8, (n, 6)).astype(float),
        background_scale=rng.uniform(0.1, 0.5, (n, 6)),
        exposure_s=rng.uniform(1, 9, n),
        folding=Folding(ENERGIES, matrices, tuple(f"r{seed}{k}" for k in range(n))) if folded
        else None,
        response=np.arange(n) if folded else None,
    )  # fmt: skip


def test_counts_and_expected_backgrounds_of_a_source_add() -> None:
    spectra = made(1, 4, ["b", "a", "b", "b"])
    sums, members = added_by_source(spectra)
    assert sums.ids.tolist() == ["a", "b"]
    assert [rows.tolist() for rows in members] == [[1], [0, 2, 3]]
    np.testing.assert_allclose(sums.values[1], spectra.values[[0, 2, 3]].sum(axis=0))
    np.testing.assert_allclose(sums.background[1], spectra.background[[0, 2, 3]].sum(axis=0))
    assert sums.exposure_s[1] == pytest.approx(spectra.exposure_s[[0, 2, 3]].sum())


def test_the_response_of_a_sum_expects_what_its_detections_do_together() -> None:
    spectra = made(2, 4, ["b", "a", "b", "b"])
    sums, _ = added_by_source(spectra)
    photons = np.array([3.0, 1.0, 2.0])
    each = spectra.folding.fold(photons, spectra.response) * spectra.exposure_s[:, None]
    together = sums.folding.fold(photons, sums.response) * sums.exposure_s[:, None]
    np.testing.assert_allclose(together[1], each[[0, 2, 3]].sum(axis=0))
    np.testing.assert_allclose(together[0], each[1])


def test_an_unknown_response_takes_no_part_in_that_of_a_sum() -> None:
    spectra = replace(made(2, 4, ["b", "a", "b", "b"]), response=np.array([0, -1, -1, 3]))
    sums, _ = added_by_source(spectra)
    assert sums.response.tolist() == [-1, 0]
    share = spectra.exposure_s[[0, 3]] / spectra.exposure_s[[0, 3]].sum()
    wanted = spectra.folding.matrix(0) * share[0] + spectra.folding.matrix(3) * share[1]
    np.testing.assert_allclose(sums.folding.matrix(0).toarray(), wanted.toarray())
    blind, _ = added_by_source(replace(spectra, response=np.full(4, -1)))
    assert blind.folding is None


def test_a_detection_that_would_take_most_bins_away_is_left_out() -> None:
    spectra = made(3, 3, ["a", "a", "a"])
    mask = np.ones((3, 6), bool)
    faint = int(spectra.totals.argmin())
    mask[faint, :5] = False
    masked = SpectrumSet(spectra.values, GRID, "counts", mask=mask, sources=spectra.sources,
                         exposure_s=spectra.exposure_s)  # fmt: skip
    sums, members = added_by_source(masked)
    assert faint not in members[0]
    assert sums.mask[0].all()


def test_fluxes_are_not_added() -> None:
    flux = SpectrumSet(np.ones((2, 6)), GRID, "flux", ivar=np.ones((2, 6)))
    with pytest.raises(DataError, match="only counts"):
        added_by_source(flux)


def test_sets_keep_their_responses_when_they_are_joined_and_each_matrix_once() -> None:
    one, other, without = (
        made(4, 2, ["a", "b"]),
        made(5, 2, ["c", "d"]),
        made(6, 1, ["e"], folded=False),
    )
    whole = concatenate([one, without, other])
    photons = np.array([1.0, 2.0, 3.0])
    got = whole.folding.fold(photons, whole.response)
    np.testing.assert_allclose(got[:2], one.folding.fold(photons, one.response))
    np.testing.assert_allclose(got[3:], other.folding.fold(photons, other.response))
    assert whole.response[2] == -1
    np.testing.assert_allclose(got[2], got[[0, 1, 3, 4]].mean(axis=0))
    twice, numbers = joined([one.folding, one.folding])
    assert len(twice) == 2
    assert numbers[0].tolist() == numbers[1].tolist() == [0, 1]
    assert whole.rows([3, 0]).response.tolist() == [whole.response[3], whole.response[0]]


def test_folding_goes_with_the_bins_of_the_spectra() -> None:
    spectra = made(7, 2, ["a", "b"])
    photons = np.array([1.0, 2.0, 3.0])
    counts = spectra.folding.fold(photons, spectra.response)
    wide = spectra.rebinned(Grid(np.array([1.0, 3.0, 7.0]), "keV"))
    np.testing.assert_allclose(
        wide.folding.fold(photons, wide.response),
        np.stack([counts[:, :2].sum(axis=1), counts[:, 2:].sum(axis=1)], axis=1),
    )
    part = spectra.between(2.0, 5.0)
    np.testing.assert_allclose(part.folding.fold(photons, part.response), counts[:, 1:4])


def test_a_response_on_coarser_energies_expects_the_same_of_an_even_spectrum() -> None:
    rng = np.random.default_rng(8)
    fine = Grid(np.linspace(1.0, 4.0, 31), "keV")
    matrix = sparse.csr_array(rng.uniform(0, 5, (30, 6)))
    coarse = single(matrix, fine, Grid(np.array([0.5, 1.0, 2.0, 4.0, 6.0]), "keV"), "r")
    even = fine.widths @ matrix
    got = coarse.fold(np.array([0.5, 1.0, 2.0, 2.0]), np.array([0]))[0]
    np.testing.assert_allclose(got, even)
