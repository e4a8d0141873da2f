"""Simulated galaxies of many spaxels, for `bench_scale`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from survey.pipeline.galaxy.target import Target
from survey.simulate.cube import simulate_galaxy
from survey.simulate.observation import Observation
from survey.simulate.recipes import draw_galaxy
from survey.simulate.write import truth_path

SNR = 10.0
RECIPE = "seyfert"
START_UM = 11.6
STEP_UM = 0.0025


@dataclass(frozen=True)
class CubeSize:
    """Spaxels along y and x, and planes."""

    shape: tuple[int, int]
    n_plane: int


CUBES = {
    "small": CubeSize((14, 14), 300),
    "10k": CubeSize((104, 104), 2400),
    "30k": CubeSize((181, 181), 1000),
    "90k": CubeSize((316, 316), 400),
    "growth": CubeSize((104, 104), 500),
    "growth-spaxels": CubeSize((147, 147), 500),
    "growth-planes": CubeSize((104, 104), 1000),
}
"""Larger than their names say: corners hold no data, and faint spaxels are left out."""


def cube_target(name: str, draw: int, folder: Path) -> Target:
    """A cube with one draw of noise, simulated if it is not there."""
    path = folder / f"{name}-{draw}_s3d.fits"
    facts = path.with_suffix(".json")
    if not facts.exists():
        folder.mkdir(parents=True, exist_ok=True)
        size = CUBES[name]
        window = (START_UM, START_UM + STEP_UM * size.n_plane)
        observation = Observation(shape=size.shape, window=window, snr=SNR)
        field_arcsec = size.shape[0] * observation.spaxel_arcsec
        model = draw_galaxy(name, RECIPE, np.random.default_rng(1), field_arcsec=field_arcsec)
        simulate_galaxy(model, path, draw, observation=observation)
        facts.write_text(json.dumps({"redshift": model.redshift}))
    return Target(f"{name}-{draw}", (path,), json.loads(facts.read_text())["redshift"])


def truth_at(target: Target, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Kind of region of some spaxels; 0 where it is not known, or mixed."""
    with fits.open(truth_path(target.files[0])) as file:
        region = np.where(file["MIXED"].data == 1, 0, file["TRUTH_MAP"].data)
    return region[y, x].astype(int)
