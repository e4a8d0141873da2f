"""The expected background of a few counts is drawn towards what all backgrounds share."""

from dataclasses import replace

import numpy as np
import pytest

from survey.latents.grid import Grid
from survey.latents.models.background import BackgroundModel
from survey.latents.spectra import SpectrumSet
from tests.latents.toys import counted

GRID = Grid(np.linspace(0.5, 8, 51), "keV")


def backgrounds(shapes: np.ndarray, total: float, seed: int = 0) -> SpectrumSet:
    rng = np.random.default_rng(seed)
    return SpectrumSet(
        np.ones(shapes.shape), GRID, "counts", background_counts=rng.poisson(total * shapes),
        background_scale=np.full(shapes.shape, 0.2),
    )  # fmt: skip


def test_faint_backgrounds_of_one_shape_are_known_better_than_bin_by_bin():
    rng = np.random.default_rng(1)
    shapes = np.tile(rng.dirichlet(np.full(50, 5.0)), (400, 1))
    spectra = backgrounds(shapes, 30)
    truth = 0.2 * 30 * shapes
    drawn = BackgroundModel.of(spectra).expected(spectra)
    assert np.abs(drawn - truth).mean() < 0.3 * np.abs(spectra.background - truth).mean()


def test_bright_backgrounds_of_their_own_shapes_are_left_alone():
    shapes = np.random.default_rng(2).dirichlet(np.full(50, 5.0), 400)
    spectra = backgrounds(shapes, 1e5)
    drawn = BackgroundModel.of(spectra).expected(spectra)
    np.testing.assert_allclose(drawn.sum(axis=1), spectra.background.sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(drawn, spectra.background, rtol=0.15, atol=1)


@pytest.mark.parametrize("concentration", [30.0, 3000.0])
def test_the_strength_is_how_alike_backgrounds_are(concentration):
    mean = np.random.default_rng(3).dirichlet(np.full(50, 5.0))
    shapes = np.random.default_rng(4).dirichlet(concentration * mean, 500)
    found = BackgroundModel.of(backgrounds(shapes, 500)).strength
    assert concentration / 2 < found < concentration * 2


def test_bins_that_are_masked_take_no_part():
    spectra = counted(50).spectra
    mask = np.ones(spectra.values.shape, bool)
    mask[:, 20:30] = False
    cut = replace(spectra, mask=mask)
    expected = BackgroundModel.of(cut).expected(cut)
    assert not expected[:, 20:30].any()
    assert expected.sum() == pytest.approx(cut.background.sum(), rel=0.02)


def test_without_background_regions_none_is_expected():
    spectra = counted(20, background=False).spectra
    assert not BackgroundModel.of(spectra).expected(spectra).any()
