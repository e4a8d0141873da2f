"""Small sets of spectra with a truth: absorbed power laws and thermal ones, or lines on a slope."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from survey.latents.grid import Grid
from survey.latents.spectra import SpectrumSet, concatenate
from survey.latents.xray.acis import acis_like_response
from survey.latents.xray.fold import Response
from survey.latents.xray.simulate import simulate_xray

ENERGY = Grid(np.linspace(0.5, 8.0, 65), "keV")
WAVELENGTH = Grid(np.linspace(11.5, 13.5, 121), "um")
EPOCHS = 2


@dataclass(frozen=True)
class Toy:
    """Spectra with what is true of them.

    `shape` (n, p) sums to one for counts; `expected` includes the background; `absorption` is
    the logarithm of a column, or the strength of the line of flux.
    """

    spectra: SpectrumSet
    shape: np.ndarray
    expected: np.ndarray
    absorption: np.ndarray
    classes: np.ndarray


def counted(
    n: int = 300, seed: int = 0, *, counts: tuple[float, float] = (40, 4000),
    background: bool = True,
) -> Toy:  # fmt: skip
    """X-ray spectra of two classes, two epochs of each source."""
    rng = np.random.default_rng(seed)
    source = np.arange(n) // EPOCHS
    thermal = (source % 2 == 0)[:, np.newaxis]
    column = rng.uniform(-1.5, 0.5, source.max() + 1)[source, np.newaxis]
    slope = rng.normal(1.8, 0.2, source.max() + 1)[source, np.newaxis]
    e = ENERGY.centres
    area = np.exp(-((np.log(e / 1.6) / 0.8) ** 2))
    power_law = e**-slope
    lines = sum(np.exp(-0.5 * ((e - line) / 0.08) ** 2) for line in (0.9, 1.35, 1.86))
    shape = np.where(thermal, np.exp(-e / 0.7) * (1 + 2 * lines), power_law) * area
    shape = shape * np.exp(-(10**column) * 2 * e**-2.7)
    shape /= shape.sum(axis=1, keepdims=True)
    total = np.exp(rng.uniform(*np.log(counts), n))[:, np.newaxis]
    behind = np.full(shape.shape, 1.0 / len(e)) * 0.1 * total * background
    scale = np.full(shape.shape, 0.1)
    expected = total * shape + behind
    spectra = SpectrumSet(
        rng.poisson(expected), ENERGY, "counts", sources=np.array([f"s{k}" for k in source]),
        background_counts=rng.poisson(behind / scale) if background else None,
        background_scale=scale if background else None,
        ids=np.array([f"s{k}e{i % EPOCHS}" for i, k in enumerate(source)]),
    )  # fmt: skip
    classes = np.where(thermal[:, 0], "thermal", "power law")
    return Toy(spectra, shape, expected, column[:, 0], classes)


def measured(n: int = 300, seed: int = 0, *, snr: float = 10.0, unit: float = 1e-20) -> Toy:
    """Infrared spectra with a line of any strength on a continuum of any slope."""
    rng = np.random.default_rng(seed)
    w = WAVELENGTH.centres
    strength = rng.uniform(0, 2, (n, 1))
    shape = (w / 12.5) ** rng.uniform(-2, 2, (n, 1))
    shape = shape + strength * np.exp(-0.5 * ((w - 12.81) / 0.03) ** 2)
    shape /= shape.mean(axis=1, keepdims=True)
    expected = shape * np.exp(rng.normal(0, 1, (n, 1))) * unit
    sigma = expected.mean(axis=1, keepdims=True) / snr * np.ones_like(shape)
    flux = rng.normal(expected, sigma)
    spectra = SpectrumSet(flux, WAVELENGTH, "flux", ivar=sigma**-2.0, frame="rest")
    classes = np.where(strength[:, 0] > 1, "strong", "weak")
    return Toy(spectra, shape, expected, strength[:, 0], classes)


def divergence(truth: np.ndarray, model: np.ndarray) -> float:
    """Mean Kullback-Leibler divergence of shapes (n, p)."""
    p = truth / truth.sum(axis=1, keepdims=True)
    q = np.maximum(model, 1e-12)
    q = q / q.sum(axis=1, keepdims=True)
    return float(np.mean(np.sum(p * np.log(np.maximum(p, 1e-300) / q), axis=1)))


def tilted(power: float) -> Response:
    """A response whose area rises or falls with energy, as with place and age of the camera."""
    plain = acis_like_response()
    factor = (plain.energies.centres / 2.0) ** power
    matrix = sparse.csr_array(sparse.diags_array(factor) @ plain.matrix)
    return replace(plain, matrix=matrix, name=f"tilted by {power}")


def through_two_responses(n: int, seed: int) -> SpectrumSet:
    """The same n simulated sources through two responses that are tilted against each other."""
    sets = []
    for power in (-0.7, 0.7):
        spectra = simulate_xray(n, seed=seed, responses=[tilted(power)]).spectra
        sets.append(replace(spectra, ids=np.array([f"{one}@{power}" for one in spectra.ids])))
    return concatenate(sets)
