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

INDEX = (-1.0, 6.0)
LOG_KT = (-1.1, 1.4)
"""log10 of the temperature in keV: from 0.08 to 25."""

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
    """

    values: Floats
    errors: Floats
    deviance: Floats


@dataclass(frozen=True, eq=False)
class _Model:
    """A family of spectra of two parameters (2,): their ranges, and its photons (m, e)."""

    low: Floats
    high: Floats
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
    values, errors, deviance = np.zeros((n, 2)), np.zeros((n, 2)), np.zeros(n)
    start, energies = chosen.start(), spectra.folding.energies
    templates = chosen.photons(start, energies)
    for number in np.unique(spectra.response).tolist():
        matrix = spectra.folding.matrix(number).toarray()
        folded = templates @ matrix
        for row in np.flatnonzero(spectra.response == number):
            one = _Spectrum(
                spectra.values[row], background[row], spectra.mask[row], matrix, energies, chosen
            )
            values[row], errors[row], deviance[row] = _fit_one(one, start, folded)
    return PhysicalFits(values, errors, deviance)


def photons_of(model: str, values: Floats, energies: Grid) -> Floats:
    """Photons (n, e) in the bins of energy of one of `MODELS`, for parameters (n, 2); sum one."""
    return _models()[model].photons(values, energies)


@dataclass(frozen=True, eq=False)
class _Spectrum:
    """Counts (p,) of one spectrum, and what a model expects there."""

    counts: Floats
    background: Floats
    mask: npt.NDArray[np.bool_]
    matrix: Floats
    energies: Grid
    model: _Model

    def expected(self, values: Floats) -> Floats:
        """Counts (m, p) for parameters (m, 2), each with its best amplitude."""
        return self.scaled(self.model.photons(values, self.energies) @ self.matrix)

    def scaled(self, shapes: Floats) -> Floats:
        """Counts (m, p) of folded shapes (m, p), each with its best amplitude."""
        shapes = shapes / np.maximum((shapes * self.mask).sum(axis=1, keepdims=True), 1e-300)
        counts, mask = self._repeated(len(shapes))
        background = np.broadcast_to(self.background, shapes.shape)
        scale = counts_amplitude(counts, shapes, background, mask)
        return np.asarray(scale[:, None] * shapes + background)

    def deviances(self, mean: Floats) -> Floats:
        """C-statistics (m,) of expected counts (m, p)."""
        counts, mask = self._repeated(len(mean))
        return poisson_deviance(counts, mean, mask)

    def _repeated(self, m: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
        shape = (m, len(self.counts))
        return np.broadcast_to(self.counts, shape), np.broadcast_to(self.mask, shape)


def _fit_one(one: _Spectrum, start: Floats, folded: Floats) -> tuple[Floats, Floats, float]:
    """Best parameters (2,), their errors (2,) and the C-statistic, from a folded grid (m, p)."""
    of_grid = one.deviances(one.scaled(folded))
    best = int(of_grid.argmin())
    values, deviance, damping = start[best].copy(), float(of_grid[best]), 1e-3
    for _ in range(STEPS):
        score, information = _derivatives(one, values)
        step = np.linalg.solve(information + damping * np.diag(np.diag(information) + TINY), score)
        step *= min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), 1e-300))
        tried = np.clip(values + step, one.model.low, one.model.high)
        found = float(one.deviances(one.expected(tried[None]))[0])
        if found < deviance:
            gain, deviance, values = deviance - found, found, tried
            damping = max(damping / 10, 1e-6)
            if gain < 1e-4:
                break
        else:
            damping *= 10
            if damping > 1e4:
                break
    _, information = _derivatives(one, values)
    return values, _errors(information, values, one.model), deviance


def _derivatives(one: _Spectrum, values: Floats) -> tuple[Floats, Floats]:
    """Score (2,) and Fisher information (2, 2) of the likelihood, its amplitude profiled."""
    low, high, mask = one.model.low, one.model.high, one.mask
    width = 1e-3 * (high - low)
    up, down = np.minimum(values + width, high), np.maximum(values - width, low)
    points = np.array([[up[0], values[1]], [down[0], values[1]],
                       [values[0], up[1]], [values[0], down[1]], values])  # fmt: skip
    means = one.expected(points)
    slopes = np.stack([(means[0] - means[1]) / (up[0] - down[0]),
                       (means[2] - means[3]) / (up[1] - down[1])])[:, mask]  # fmt: skip
    mean = np.maximum(means[4][mask], TINY)
    score = slopes @ (one.counts[mask] / mean - 1)
    return np.asarray(score), np.asarray((slopes / mean) @ slopes.T)


def _errors(information: Floats, values: Floats, model: _Model) -> Floats:
    """Standard errors (2,); a parameter at its end is held there."""
    free = (values > model.low + 1e-6) & (values < model.high - 1e-6)
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
    nodes = np.linspace(*LOG_KT, 101)
    photons = [plasma(energies, kt_kev=10**one, abundance=ABUNDANCE) for one in nodes]
    return nodes, np.log(np.maximum(np.stack(photons) * energies.widths, 1e-300))


@cache
def _models() -> dict[str, _Model]:
    return {
        "power law": _absorbed(INDEX, (15, 13), _power_law),
        "thermal": _absorbed(LOG_KT, (13, 13), _thermal),
    }


def _absorbed(own: tuple[float, float], nodes: tuple[int, int], law: Law) -> _Model:
    low, high = np.array([own, LOG_N_H]).T
    return _Model(low, high, nodes, law)
