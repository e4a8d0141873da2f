"""Simulates one galaxy: a cube as a pipeline writes it, and a file with its truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from survey.simulate.galaxy import GalaxyModel
from survey.simulate.noise import correlated_noise, fringes, noise_level
from survey.simulate.observation import Observation
from survey.simulate.scene import Scene
from survey.simulate.truth import find_truth
from survey.simulate.write import truth_path, write_simulated_cube, write_truth

Array = NDArray[np.floating]

LEVEL_HALF_WIDTH_UM = 0.02
"""The continuum level is a median over this far on both sides of the pivot wavelength."""


def simulate_galaxy(
    model: GalaxyModel,
    path: str | Path,
    seed: int,
    *,
    observation: Observation | None = None,
    keep_noiseless: bool = False,
) -> Path:
    """Write a cube of a galaxy and, beside it, its truth (`X_s3d.fits`, `X_truth.fits`).

    The same arguments give the same bytes, in whatever process they are run.

    Parameters
    ----------
    model : GalaxyModel
    path : path of the cube
    seed : int
        Decides noise, fringes and which spaxels are missing.
    observation : Observation, optional
        A full channel 3 cube unless given.
    keep_noiseless : bool
        Whether the noiseless cube goes into the truth file.

    Returns
    -------
    Path
        That of the cube.
    """
    observation = observation or Observation()
    path = Path(path)
    # One thread: the order of sums, and so the last bit, could depend on their number.
    with threadpool_limits(1, user_api="blas"):
        scene = Scene(model, observation)
        noiseless = scene.cube()
        flux, error, depth, snr = _observe(noiseless, scene, seed)
        truth = find_truth(scene, snr)
    write_simulated_cube(path, flux, error, depth, model=model, observation=observation, seed=seed)
    write_truth(
        truth_path(path),
        truth,
        model=model,
        observation=observation,
        seed=seed,
        noiseless=noiseless if keep_noiseless else None,
    )
    return path


def _observe(
    noiseless: NDArray[np.float32], scene: Scene, seed: int
) -> tuple[Array, Array, Array, Array]:
    """Noisy flux with its faults, written error, depth and continuum S/N."""
    observation = scene.observation
    noise_rng, fringe_rng, fault_rng = map(
        np.random.default_rng, np.random.SeedSequence(seed).spawn(3)
    )
    depth = observation.field_depth()
    sigma, snr = _noise_for(noiseless, depth, scene)

    flux = sigma * correlated_noise(noiseless.shape, noise_rng, scene.instrument)
    if observation.fringe_amplitude:
        flux += noiseless * fringes(
            observation.wavelength_um, observation.shape, observation.fringe_amplitude, fringe_rng
        )
    else:
        flux += noiseless
    _blank(depth, observation.nan_spaxels, fault_rng)
    flux[:, depth == 0] = np.nan
    flux[observation.seam_planes()] = np.nan
    error = sigma / np.float32(observation.noise_over_error)
    return flux, error, depth, np.where(depth > 0, snr, 0)


def _noise_for(noiseless: NDArray[np.float32], depth: Array, scene: Scene) -> tuple[Array, Array]:
    """Noise level and continuum S/N map, whose median over the field is the one asked for."""
    near_pivot = _near_pivot(scene)
    level = np.median(noiseless[near_pivot], axis=0)
    sigma = noise_level(noiseless, float(np.median(level[depth > 0])), depth)
    noise = np.median(sigma[near_pivot], axis=0)
    snr = np.divide(level, noise, out=np.zeros_like(level), where=depth > 0)
    scale = np.float32(scene.observation.snr / np.median(snr[depth > 0]))
    return sigma / scale, snr * scale


def _near_pivot(scene: Scene) -> NDArray[np.bool_]:
    """Planes around the pivot wavelength, or the nearest to it that are observed."""
    wavelength_um = scene.observation.wavelength_um
    pivot_um = scene.model.components[0].spectrum.pivot_um * (1 + scene.model.redshift)
    centre_um = np.clip(pivot_um, wavelength_um[0], wavelength_um[-1])
    return np.abs(wavelength_um - centre_um) <= LEVEL_HALF_WIDTH_UM


def _blank(depth: Array, n_spaxels: int, rng: np.random.Generator) -> None:
    """Take the exposures of a few spaxels of the field away, in place."""
    inside = np.flatnonzero(depth)
    depth.flat[rng.choice(inside, size=min(n_spaxels, len(inside)), replace=False)] = 0
