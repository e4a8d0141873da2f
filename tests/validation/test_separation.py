"""What clusters leave unexplained: noise in real ones, differences in others."""

from dataclasses import replace

import numpy as np
import pytest

from survey.validation.galaxy import PartitionedGalaxy
from survey.validation.recluster import link
from survey.validation.separation import (
    inner_spaxels,
    steps_to_border,
    unexplained,
    unexplained_of_clusters,
    variance,
)
from tests.validation.galaxies import SIDE, galaxy_of, spectra


def share_of(galaxy: PartitionedGalaxy) -> float:
    """The unexplained share of a galaxy."""
    simulated = galaxy.noisy(galaxy.noiseless, np.random.default_rng(1))
    inner = inner_spaxels(galaxy.labels, galaxy.to_border)
    assert inner is not None
    observed, like = (
        variance(link(data, galaxy.recipe), galaxy.labels, inner)
        for data in (galaxy.data, simulated)
    )
    return unexplained(observed, like)


def with_labels(galaxy: PartitionedGalaxy, labels: np.ndarray) -> PartitionedGalaxy:
    """The galaxy with other clusters, and their median spectra."""
    medians = [np.median(galaxy.data.flux[labels == one], axis=0) for one in np.unique(labels)]
    return replace(
        galaxy,
        labels=labels.astype(np.int32),
        medians=np.stack(medians).astype(np.float32),
        to_border=steps_to_border(labels, galaxy.y, galaxy.x),
    )


def mixed(share: np.ndarray, noise: float = 0.03) -> PartitionedGalaxy:
    """A galaxy whose spaxels have so much (n,) of the second spectrum."""
    galaxy = galaxy_of(2)
    first, second = spectra()
    flux = 5.0 * ((1 - share)[:, None] * first + share[:, None] * second)
    flux += noise * np.random.default_rng(2).standard_normal(flux.shape)
    data = replace(galaxy.data, flux=flux.astype(np.float32))
    return with_labels(replace(galaxy, data=data), np.where(share > 0.5, 2, 1))


@pytest.mark.parametrize("noise", [0.03, 0.3])
def test_real_clusters_leave_nothing_but_noise(noise):
    assert share_of(galaxy_of(2, noise=noise)) < 0.05


def test_a_gradual_change_that_is_cut_is_left_in_its_clusters():
    x = galaxy_of(2).x
    assert share_of(mixed(x / (SIDE - 1))) > 0.1
    assert share_of(mixed(np.where(x < SIDE // 2, 0.0, 1.0))) < 0.02


def test_a_border_that_a_point_spread_function_makes_is_not_held_against_clusters():
    x = galaxy_of(2).x
    blurred = 1 / (1 + np.exp(-(x - (SIDE - 1) / 2) / 0.6))
    assert share_of(mixed(blurred)) < 0.02


def test_a_region_that_is_missed_is_left_in_the_cluster_that_has_it():
    galaxy = galaxy_of(2)
    # The clusters are two halves of the lower part; the upper one is of both.
    labels = np.where(galaxy.y < SIDE // 2, 1, 2)
    assert share_of(with_labels(galaxy, labels)) > 0.9


def test_the_cluster_that_has_a_missed_region_is_named():
    galaxy = galaxy_of(2)
    y, x = galaxy.y, galaxy.x
    # Of three parts, two are of one spectrum; the third is half of each.
    labels = np.where(x >= SIDE // 2, 2, np.where(y < SIDE // 2, 1, 3))
    share = np.where(x >= SIDE // 2, 1.0, np.where(y < SIDE // 2, 0.0, (x % 2) * 1.0))
    found = mixed(share)
    found = with_labels(found, labels)
    simulated = found.noisy(found.noiseless, np.random.default_rng(1))
    inner = inner_spaxels(labels, found.to_border)
    spread = [variance(link(data, found.recipe), labels, inner) for data in (found.data, simulated)]
    of_cluster = unexplained_of_clusters(*spread)
    assert of_cluster[2] > 0.5 > 0.1 > max(of_cluster[:2])


def test_steps_to_the_border_are_counted_also_along_diagonals():
    y, x = (axis.ravel() for axis in np.indices((5, 6)))
    labels = np.where((y == 0) & (x == 0), 2, 1)
    steps = steps_to_border(labels, y, x).reshape(5, 6)
    assert (steps[1, 1], steps[2, 1], steps[4, 5], steps[0, 0]) == (1, 2, 5, 1)
    assert steps_to_border(np.ones(30, int), y, x).min() > 5


def test_clusters_that_are_nowhere_away_from_a_border_are_not_judged():
    y, x = (axis.ravel() for axis in np.indices((10, 10)))
    board = 1 + (y + x) % 2
    assert inner_spaxels(board, steps_to_border(board, y, x)) is None
    spot = np.where((y == 5) & (x == 5), 2, 1)
    assert inner_spaxels(spot, steps_to_border(spot, y, x)) is None
