"""Spectra of IFU clusters as eight numbers: principal components, and NMF of flux.

Clusters of simulated galaxies of all kinds, 12 to 18 micron: the spectrum of one component of the
galaxy, part of its disc in front, lines as wide and shifted as its gas, noise of any S/N. What is
compared is how near each method is to the spectrum without noise, and what its numbers tell of the
kind of region and of the line ratio [Ne III]/[Ne II], for galaxies that were not learned from.
Results of single jobs are kept in `bench-latent/clusters/`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from survey.latents.evaluation.benchmark import BenchmarkPlan, evaluate, summarise
from survey.latents.evaluation.labelled import LabelledSpectra, Target
from survey.latents.grid import Floats, Grid
from survey.latents.spectra import SpectrumSet
from survey.simulate.recipes import RECIPES, draw_galaxy
from survey.simulate.spectra import Spectrum, line_profile
from survey.spectra.constants import LIGHT_KM_S, LIGHT_UM_S
from tests.benchmarks.table import Line, print_table

FOLDER = Path(__file__).resolve().parents[3] / "bench-latent" / "clusters"
RANGE_UM, SAMPLES = (12.0, 18.0), 800
RESOLVING_POWER = 2700
PER_COMPONENT = 2
METHODS = ("pca", "nmf")
LATENTS = 8
FIELD_ARCSEC = 6.0


def clusters(galaxies: int, seed: int) -> LabelledSpectra:
    """Spectra of clusters with their truth."""
    rng = np.random.default_rng(seed)
    grid = Grid(np.geomspace(*RANGE_UM, SAMPLES + 1), "um")
    truth, regions, ratios, sources = [], [], [], []
    names = list(RECIPES)
    for number in range(galaxies):
        model = draw_galaxy(
            f"g{number}", names[number % len(names)], rng, field_arcsec=FIELD_ARCSEC, diverse=True
        )
        kinds = {part.spectrum.name: part for part in model.components}
        disc = next(part for name, part in kinds.items() if "disc" in name)
        for name, part in kinds.items():
            for _ in range(PER_COMPONENT):
                share = 0.0 if part is disc else rng.uniform(0.0, 0.6)
                sigma = np.hypot(part.dispersion_km_s, rng.uniform(0, 100))
                own = emission(part.spectrum, grid, sigma, rng.normal(0, 30))
                truth.append((1 - share) * own + share * emission(disc.spectrum, grid, 60.0, 0.0))
                regions.append(name)
                sources.append(model.name)
                fluxes = dict(
                    zip([one.name for one in part.spectrum.lines], part.spectrum.line_fluxes(),
                        strict=True)
                )  # fmt: skip
                ratios.append(np.log10(fluxes["NeIII_15.56"] / fluxes["NeII_12.81"]))
    expected = np.stack(truth) * 10 ** rng.normal(2, 0.5, (len(truth), 1))
    error = expected.mean(axis=1, keepdims=True) / 10 ** rng.uniform(0.5, 2.5, (len(truth), 1))
    errors = np.broadcast_to(error, expected.shape)
    spectra = SpectrumSet(
        rng.normal(expected, errors), grid, "flux", ivar=errors**-2.0,
        sources=np.array(sources), frame="rest",
    )  # fmt: skip
    return LabelledSpectra(
        spectra,
        classes=np.array(regions),
        targets={"log [Ne III]/[Ne II]": Target(np.array(ratios))},
        confounders={"log S/N": np.log10((expected / errors).mean(axis=1))},
        expected=expected,
    )


def emission(spectrum: Spectrum, grid: Grid, dispersion_km_s: float, shift_km_s: float) -> Floats:
    """Flux density (p,) of one kind of region, its continuum one at the pivot."""
    total = spectrum.continuum(grid.centres) + spectrum.bands(grid.centres)
    bandwidth_hz = -np.diff(LIGHT_UM_S / grid.edges)
    for line, flux in zip(spectrum.lines, spectrum.line_fluxes(), strict=True):
        centre = line.wavelength_um * (1 + shift_km_s / LIGHT_KM_S)
        width = np.hypot(1 / (RESOLVING_POWER * 2.355), dispersion_km_s / LIGHT_KM_S) * centre
        total += flux * line_profile(grid.edges, np.array(centre), np.array(width)) / bandwidth_hz
    return np.asarray(total)


def measure(data: LabelledSpectra, seeds: int, methods: list[str]) -> Iterator[Line]:
    """Figures of all methods, mean and scatter over the folds."""
    plan = BenchmarkPlan(methods, (LATENTS,), tuple(range(seeds)), controls=False,
                         uncertainties=False)  # fmt: skip
    records = evaluate(data, plan, FOLDER / f"{len(data)}" / "jobs", on_job=tell)
    found = {(s.method, s.task, s.metric): s for s in summarise(records)}
    for task, metric in (
        ("reconstruction", "relative error"), ("reconstruction", "deviance per bin"),
        ("supervised", "forest"), ("supervised", "logistic"), ("unsupervised", "mixture votes"),
        ("regression", "R2, forest"), ("confounder", "R2, forest"),
    ):  # fmt: skip
        for method in methods:
            if (one := found.get((method, task, metric))) is not None:
                detail = f"(+-{one.std:.3f}, {one.seeds} folds of {len(data)} clusters)"
                yield Line(f"{task}, {metric}, {method}", one.mean, detail=detail)


def tell(job: object, cached: bool) -> None:
    """Say what is done."""
    if not cached:
        print(f"  {job}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--galaxies", type=int, default=96)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    given = parser.parse_args()
    data = clusters(given.galaxies, seed=1)
    print_table("Spectra of clusters as eight numbers", measure(data, given.seeds, given.methods))


if __name__ == "__main__":
    main()
