"""Fits of the spectra that a person would try first: an absorbed power law, and thin hot plasma.

    photons(E) = A E^-index exp(-N_H s(E))         (power law)
    photons(E) = A plasma(E; kT) exp(-N_H s(E))    (thermal)

folded through the response of each spectrum, on top of its expected background; the Poisson
likelihood (Cash 1979, ApJ 228, 939) is highest. Each fit starts from the best of a grid and goes on
by Fisher scoring; errors are those of the Fisher information. Absorption and plasma are those of
the simulator (`survey.latents.xray.simulate`), so neither is a plasma code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from survey.errors import DataError
from survey.latents.grid import Floats, Grid
from survey.latents.models.likelihood import TINY, counts_amplitude, poisson_deviance
from survey.latents.spectra import SpectrumSet
from survey.latents.xray.simulate.absorption import cross_section_cm2
from survey.latents.xray.simulate.plasma import plasma

LOG_N_H = (-2.5, 2.0)
"""log10 of the column in 1e22 per cm2: from 3e19 to 1e24."""

STEPS = 25
LONGEST_STEP = 0.5
ABUNDANCE = 0.5
"""Metals of the plasma, relative to solar: between those of coronae and of hot gas in galaxies."""

MODELS = ("power law", "thermal")

Law = Callable[[Floats, Grid], Floats]


@dataclass(frozen=True, eq=False)
class PhysicalFits:
    """Fits of one model to n spectra.

    Attributes
    ----------
    values : array (n, 2)
        Photon index or log10 kT (keV), and log10 N_H (1e22 per cm2).
    errors : array (n, 2)
        Standard errors; NaN where a value is at the end of its range.
    deviance : array (n,)
        C-statistic.
    expected : array (n, p)
        Counts, background included.
    """

    values: Floats
    errors: Floats
    deviance: Floats
    expected: Floats


@dataclass(frozen=True)
class _Model:
    """A family of spectra of two parameters: its ranges, and its photons (m, e)."""

    low: tuple[float, float]
    high: tuple[float, float]
    nodes: tuple[int, int]
    law: Law

    def photons(self, values: Floats, energies: Grid) -> Floats:
        """Photons (m, e) in the bins of energy for parameters (m, 2), their sum one."""
        cross = cross_section_cm2(energies.centres) * 1e22
        emitted = self.law(values[:, 0], energies)
        seen = emitted * np.exp(-(10 ** values[:, 1:]) * cross)
        return np.asarray(seen / np.maximum(seen.sum(axis=1, keepdims=True), 1e-300))

    def start(self) -> Floats:
        """A grid of parameters (m, 2)."""
        axes = [
            np.linspace(a, b, k) for a, b, k in zip(self.low, self.high, self.nodes, strict=True)
        ]
        return np.stack([part.ravel() for part in np.meshgrid(*axes, indexing="ij")], axis=1)


def fit_physical(spectra: SpectrumSet, background: Floats, model: str) -> PhysicalFits:
    """Fit one of `MODELS` to each spectrum.

    Parameters
    ----------
    spectra : SpectrumSet
        Of counts, with responses.
    background : array (n, p)
        Expected counts of the background.
    model : {"power law", "thermal"}

    Raises
    ------
    DataError
        If the spectra have no responses.
    """
    if spectra.folding is None or spectra.response is None:
        raise DataError(
            "fits of physical models need the responses of the spectra",
            expected="RMF and ARF of each",
            found="none",
        )
    chosen = _models()[model]
    n = len(spectra)
    fits = PhysicalFits(
        np.zeros((n, 2)), np.zeros((n, 2)), np.zeros(n), np.zeros(spectra.values.shape)
    )
    start = chosen.start()
    templates = chosen.photons(start, spectra.folding.energies)
    for number in np.unique(spectra.response).tolist():
        matrix = spectra.folding.matrix(number).toarray()
        folded = templates @ matrix
        for row in np.flatnonzero(spectra.response == number):
            _fit_one(fits, spectra, background, int(row), chosen, start, folded, matrix)
    return fits


def photons_of(model: str, values: Floats, energies: Grid) -> Floats:
    """Photons (n, e) in the bins of energy of one of `MODELS`, for parameters (n, 2); sum one."""
    return _models()[model].photons(values, energies)


def _fit_one(
    fits: PhysicalFits, spectra: SpectrumSet, background: Floats, row: int, model: _Model,
    start: Floats, folded: Floats, matrix: Floats,
) -> None:  # fmt: skip
    assert spectra.folding is not None
    mask, counts, behind = spectra.mask[row], spectra.values[row], background[row]
    energies = spectra.folding.energies

    def expected(values: Floats, shapes: Floats | None = None) -> Floats:
        """Counts (m, p) for parameters (m, 2), each with its best amplitude."""
        if shapes is None:
            shapes = model.photons(values, energies) @ matrix
        shapes = shapes / np.maximum((shapes * mask).sum(axis=1, keepdims=True), 1e-300)
        m = len(shapes)
        several = [np.broadcast_to(one, (m, len(one))) for one in (counts, behind, mask)]
        scale = counts_amplitude(several[0], shapes, several[1], several[2])
        return np.asarray(scale[:, None] * shapes + several[1])

    def deviances(mean: Floats) -> Floats:
        m = len(mean)
        return poisson_deviance(
            np.broadcast_to(counts, (m, len(counts))), mean, np.broadcast_to(mask, (m, len(mask)))
        )

    all_of_grid = deviances(expected(start, folded))
    best = int(all_of_grid.argmin())
    values, deviance = start[best].copy(), float(all_of_grid[best])
    low, high = np.array(model.low), np.array(model.high)
    damping, information = 1e-3, np.eye(2)
    for _ in range(STEPS):
        score, information = _derivatives(values, expected, counts, mask, low, high)
        step = np.linalg.solve(information + damping * np.diag(np.diag(information) + TINY), score)
        step *= min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), 1e-300))
        tried = np.clip(values + step, low, high)
        found = float(deviances(expected(tried[None]))[0])
        if found < deviance:
            gain, deviance, values = deviance - found, found, tried
            damping = max(damping / 10, 1e-6)
            if gain < 1e-4:
                break
        else:
            damping *= 10
            if damping > 1e4:
                break
    _, information = _derivatives(values, expected, counts, mask, low, high)
    fits.values[row], fits.deviance[row] = values, deviance
    fits.errors[row] = _errors(information, values, low, high)
    fits.expected[row] = expected(values[None])[0]


def _derivatives(
    values: Floats, expected: Callable[[Floats], Floats], counts: Floats,
    mask: npt.NDArray[np.bool_], low: Floats, high: Floats,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Score (2,) and Fisher information (2, 2) of the likelihood, its amplitude profiled."""
    width = 1e-3 * (high - low)
    up, down = np.minimum(values + width, high), np.maximum(values - width, low)
    points = np.array([[up[0], values[1]], [down[0], values[1]],
                       [values[0], up[1]], [values[0], down[1]], values])  # fmt: skip
    means = expected(points)
    slopes = np.stack([(means[0] - means[1]) / (up[0] - down[0]),
                       (means[2] - means[3]) / (up[1] - down[1])])[:, mask]  # fmt: skip
    mean = np.maximum(means[4][mask], TINY)
    score = slopes @ (counts[mask] / mean - 1)
    return np.asarray(score), np.asarray((slopes / mean) @ slopes.T)


def _errors(information: Floats, values: Floats, low: Floats, high: Floats) -> Floats:
    """Standard errors (2,); a parameter at its end is held there."""
    free = (values > low + 1e-6) & (values < high - 1e-6)
    errors = np.full(2, np.nan)
    if free.any():
        part = information[np.ix_(free, free)]
        errors[free] = np.sqrt(np.maximum(np.diag(np.linalg.pinv(part)), 0.0))
    return errors


def _power_law(index: Floats, energies: Grid) -> Floats:
    centres = energies.centres
    return np.asarray(np.exp(-index[:, None] * np.log(centres)) * energies.widths)


def _thermal(log_kt: Floats, energies: Grid) -> Floats:
    """By interpolation between temperatures, in the logarithm of the photons."""
    nodes, table = _plasma_table(energies)
    place = np.clip((log_kt - nodes[0]) / (nodes[1] - nodes[0]), 0, len(nodes) - 1 - 1e-9)
    below = place.astype(np.int64)
    share = (place - below)[:, None]
    return np.asarray(np.exp((1 - share) * table[below] + share * table[below + 1]))


@cache
def _plasma_table(energies: Grid) -> tuple[Floats, Floats]:
    nodes = np.linspace(-1.1, 1.4, 101)
    photons = [plasma(energies, kt_kev=10**one, abundance=ABUNDANCE) for one in nodes]
    return nodes, np.log(np.maximum(np.stack(photons) * energies.widths, 1e-300))


@cache
def _models() -> dict[str, _Model]:
    return {
        "power law": _Model((-1.0, LOG_N_H[0]), (6.0, LOG_N_H[1]), (15, 13), _power_law),
        "thermal": _Model((-1.1, LOG_N_H[0]), (1.4, LOG_N_H[1]), (13, 13), _thermal),
    }
