"""Regions that differ in their lines alone: how strong lines have to be to make a cluster.

A rotating disc of one observed spectrum, and in it a double cone whose spectrum is the same with
more [Ne III] and [Ne V], of equal width, as gas has that an active nucleus ionises. With a width of
zero there is one spectrum, and any second cluster is wrong. The walk is compared with one without
the test of the lines.

    python -m tests.benchmarks.truth.bench_truth_lines [--seeds chosen]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from survey.clustering.geometry import edge_of_field
from survey.clustering.walk.split_tests import Rules
from survey.clustering.walk.walk import EDGE_SPAXELS, walk
from survey.pipeline.galaxy.target import Target
from survey.simulate import psf
from survey.simulate.galaxy import Disc, GalaxyModel, Rotation
from survey.simulate.recipes import DISC_MJY_SR
from survey.simulate.scene import PLANES_AT_ONCE
from survey.simulate.spectra import load_spectrum
from survey.spectra.constants import FWHM_PER_SIGMA, LIGHT_KM_S
from tests.benchmarks.kept import Kept, code_of
from tests.benchmarks.truth import truth_cubes
from tests.benchmarks.truth.bench_truth_cut import STAGES, WORKERS, Spaxels, score
from tests.benchmarks.truth.observed_emission import REDSHIFT, SPECTRA, Emission
from tests.benchmarks.truth.truth_cubes import Truth, TruthCase, observation_of, written

BENCHMARK = 1
"""Raised when cubes or scores change."""

FIRST = {"chosen": 0, "fresh": 10}
SEEDS_EACH = 3
SNR = (10.0, 20.0, 50.0, 100.0)
ADDED_NM = (0, 3, 6, 12, 25)
"""Equivalent widths that are added in [Ne III] and in [Ne V]."""

LINES_UM = (14.3217, 15.5551)
RESOLVING_POWER = 2300.0
RULES = {"walk": Rules(), "without lines": Rules(min_lines=np.inf)}


@dataclass(frozen=True)
class ConeCase(TruthCase):
    """A cube; `number` is the width that is added, in nm."""

    def make(self, folder: Path) -> tuple[Target, Truth]:
        """Write the cube and say where the cone is."""
        rng = np.random.default_rng([self.seed, 33])
        emission, observation = Emission(rng), observation_of(self.snr)
        shape, wavelength_um = truth_cubes.SHAPE, observation.wavelength_um
        margin = psf.margin_spaxels(wavelength_um, observation.spaxel_arcsec)
        y, x = np.indices([n + 2 * margin for n in shape]) - margin
        y, x = y - shape[0] / 2 - rng.uniform(-2, 2), x - shape[1] / 2 - rng.uniform(-2, 2)
        radius, angle = np.hypot(x, y), np.arctan2(y, x)
        off_axis = np.abs(np.angle(np.exp(2j * (angle - rng.uniform(0, np.pi)))) / 2)
        inside = (off_axis < rng.uniform(0.4, 0.6)) & (radius < rng.uniform(10, 14))
        light = DISC_MJY_SR * np.exp(-radius / rng.uniform(9, 14))
        turned = np.cos(angle - rng.uniform(0, 2 * np.pi))
        velocity = rng.uniform(80, 220) * 2 / np.pi * np.arctan(radius / 4) * turned
        cube = np.zeros((len(wavelength_um), *shape), np.float32)
        share = np.zeros((2, *shape))
        for start in range(0, len(wavelength_um), PLANES_AT_ONCE):
            planes = wavelength_um[start : start + PLANES_AT_ONCE]
            moving = emission.moving(0, planes, velocity)
            more = added_lines(emission, planes, velocity, self.number / 1000)
            for number, spectrum in enumerate((moving, moving + more)):
                image = psf.convolve(
                    spectrum * light * (inside == number), planes, margin,
                    observation.spaxel_arcsec,
                )  # fmt: skip
                cube[start : start + PLANES_AT_ONCE] += image
                share[number] += image.sum(axis=0)
        disc = Disc(load_spectrum("disc"), DISC_MJY_SR, 2.0, 50.0)
        rotation = Rotation(0.0, 30.0, 100.0, 1.0)
        model = GalaxyModel(f"cone-{self.seed}", REDSHIFT, 10.0, 10.0, rotation, (disc,))
        return written(cube, model, observation, self, folder), Truth.of(share)


def added_lines(
    emission: Emission, wavelength_um: np.ndarray, velocity_km_s: np.ndarray, width_um: float
) -> np.ndarray:
    """(plane, y, x) the lines that the cone has more, of an equivalent width each."""
    rest_um = wavelength_um[:, None, None] / (1 + REDSHIFT) / (1 + velocity_km_s / LIGHT_KM_S)
    total = np.zeros(rest_um.shape)
    for centre_um in LINES_UM:
        sigma_um = centre_um / RESOLVING_POWER / FWHM_PER_SIGMA
        near = np.linspace(centre_um - 0.05, centre_um + 0.05, 21)
        peak = np.median(emission.of(0, near)) * width_um / (sigma_um * np.sqrt(2 * np.pi))
        total += peak * np.exp(-0.5 * np.square((rest_um - centre_um) / sigma_um))
    return total


def cases_of(seeds: str) -> Iterator[ConeCase]:
    """All cubes; none where there are no observed spectra."""
    if not SPECTRA.is_dir():
        print(f"no observed spectra in {SPECTRA}")
        return
    for seed in range(FIRST[seeds], FIRST[seeds] + SEEDS_EACH):
        yield from (ConeCase("cone", seed, snr, added) for snr in SNR for added in ADDED_NM)


def judged(case: ConeCase) -> list[dict[str, Any]]:
    """Scores of the walk with and without the test of the lines."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        target, truth = case.make(Path(name))
        spaxels = Spaxels(target, Path(name) / "run")
        field = np.zeros(truth.region.shape, bool)
        field[spaxels.place] = True
        at_edge = edge_of_field(field, EDGE_SPAXELS)[spaxels.place]
        common = {"seed": case.seed, "snr": case.snr, "added_nm": case.number}
        rows = []
        for method, rules in RULES.items():
            labels = walk(spaxels.tree.tree, spaxels.aligned, at_edge, rules).labels
            rows.append(common | {"method": method} | score(labels, truth, spaxels.place))
        return rows


def name_of(case: ConeCase) -> str:
    """Of the file that has the figures of a cube."""
    return f"{case.seed}-{case.snr:g}-{case.number}"


def print_scores(rows: pd.DataFrame) -> None:
    """The index, and how many cubes have more than one cluster, by width and S/N."""
    for method, of in rows.groupby("method", sort=False):
        table = of.pivot_table(index="added_nm", columns="snr", values="ari").round(2)
        more = of.assign(more=of["k"] > 1).pivot_table(
            index="added_nm", columns="snr", values="more", aggfunc="sum"
        )
        print(
            f"\n{method}: index of all spaxels, mean of {of['seed'].nunique()}\n{table.to_string()}"
        )
        print(f"cubes of more than one cluster\n{more.to_string()}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is not kept, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", choices=FIRST, default="fresh")
    parser.add_argument("--workers", type=int, default=WORKERS)
    given = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers: one processor each
    kept = Kept("truth_lines", code_of(STAGES, BENCHMARK))
    found = kept.measured(cases_of(given.seeds), name_of, judged, given.workers)
    if rows := [row for _, scores in found for row in scores]:
        print(f"\nRegions that differ in lines alone, seeds {given.seeds!r}")
        print_scores(pd.DataFrame(rows))


if __name__ == "__main__":
    main()
