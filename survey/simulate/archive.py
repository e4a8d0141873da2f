"""A whole archive of simulated galaxies, ready for `survey run`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from astropy.table import Column, Table

from survey.errors import ConfigError
from survey.simulate.cube import simulate_galaxy
from survey.simulate.galaxy import GalaxyModel
from survey.simulate.observation import CHANNEL, MULTIPLE_BANDS, Observation
from survey.simulate.recipes import RECIPES, draw_galaxy

DEMO_RECIPES = ("seyfert", "starburst", "liner", "composite")

SETTINGS = """\
# Settings of a simulated archive. Run it with: survey run survey.toml
# What is not said here has its default; `survey init` writes a file with all settings.

targets = "targets.ecsv"

[prepare]
# Wavelengths to compare, rest frame: "full" is all a cube has; also "ch3-short" or [low, high].
window = "full"
# Spaxels whose continuum has less signal-to-noise per sample are left out.
snr_min = 3.0

[cut]
# "auto" looks for the number of regions; "fixed" takes k of them.
criterion = "auto"
"""


def simulate_archive(
    out: str | Path,
    n_galaxies: int = 4,
    *,
    seed: int = 0,
    size: tuple[int, int] = (24, 24),
    window: str | tuple[float, float] = f"ch{CHANNEL}",
    snr: float = 30.0,
    fringe_amplitude: float = 0.0,
    recipes: Sequence[str] = DEMO_RECIPES,
    workers: int = 1,
    on_done: Callable[[Path], None] | None = None,
) -> list[Path]:
    """Write galaxies SIM-001, SIM-002 ... with their truth, a targets table and settings.

    A galaxy depends on `seed` and its own number only: not on how many there are, nor on
    the number of workers.

    Parameters
    ----------
    out : path
        Folder to write into; files of the same names are replaced.
    n_galaxies : int
    seed : int
    size : (ny, nx)
        Spaxels of each cube.
    window : str or (low, high)
        Observed wavelengths, a named window or micron.
    snr : float
        Continuum S/N per sample, median of each field.
    fringe_amplitude : float
        Relative amplitude of fringes.
    recipes : sequence of str
        Kinds of galaxy, taken in turn; names of `recipes.RECIPES`.
    workers : int
        Processes.
    on_done : callable, optional
        Called with the path of each cube as it is finished, in order.

    Returns
    -------
    list of Path
        The cubes, in order.

    Raises
    ------
    ConfigError
        If a number makes no sense or a recipe is unknown.
    """
    _check(n_galaxies, seed, recipes, workers)
    out = Path(out)
    observation = Observation(shape=size, window=window, snr=snr, fringe_amplitude=fringe_amplitude)
    plans = [
        _plan(number, recipes[(number - 1) % len(recipes)], seed, observation, out)
        for number in range(1, n_galaxies + 1)
    ]
    cubes = []
    for path in _simulate(plans, workers):
        cubes.append(path)
        if on_done is not None:
            on_done(path)
    _write_targets(out / "targets.ecsv", plans)
    (out / "survey.toml").write_text(SETTINGS, encoding="utf-8")
    return cubes


@dataclass(frozen=True)
class _Plan:
    """One galaxy, decided but not yet simulated."""

    model: GalaxyModel
    observation: Observation
    path: Path
    seed: int

    def simulate(self) -> Path:
        return simulate_galaxy(self.model, self.path, self.seed, observation=self.observation)


def _plan(number: int, recipe: str, seed: int, observation: Observation, out: Path) -> _Plan:
    draws, noise = np.random.SeedSequence(seed, spawn_key=(number,)).spawn(2)
    rng = np.random.default_rng(draws)
    name = f"SIM-{number:03d}"
    field_arcsec = min(observation.shape) * observation.spaxel_arcsec
    model = draw_galaxy(name, recipe, rng, field_arcsec=field_arcsec)
    observation = replace(
        observation,
        position_angle_deg=rng.uniform(0, 360),
        field_rotation_deg=rng.choice([-1, 1]) * rng.uniform(4, 9),
        pointing_offset_arcsec=tuple(rng.uniform(-0.1, 0.1, 2)),
    )
    band = f"ch{CHANNEL}"
    if observation.band != MULTIPLE_BANDS:
        band += f"-{observation.band.lower()}"
    path = out / f"{name}_{band}_s3d.fits"
    return _Plan(model, observation, path, int(noise.generate_state(1)[0]))


def _simulate(plans: list[_Plan], workers: int) -> Iterator[Path]:
    if workers == 1:
        yield from map(_Plan.simulate, plans)
        return
    # Forking a process that already runs threads (BLAS, a progress bar) can deadlock.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_Plan.simulate, plans)


def _write_targets(path: Path, plans: list[_Plan]) -> None:
    models = [plan.model for plan in plans]
    table = Table(
        {
            "galaxy": [model.name for model in models],
            "files": [plan.path.name for plan in plans],
            "redshift": [model.redshift for model in models],
            "ra": Column([model.ra_deg for model in models], unit="deg"),
            "dec": Column([model.dec_deg for model in models], unit="deg"),
        }
    )
    table.write(path, format="ascii.ecsv", overwrite=True)


def _check(n_galaxies: int, seed: int, recipes: Sequence[str], workers: int) -> None:
    for name, value, least in (
        ("number of galaxies", n_galaxies, 1),
        ("seed", seed, 0),
        ("number of workers", workers, 1),
    ):
        if value < least:
            raise ConfigError(f"impossible {name}", expected=f"{least} or more", found=str(value))
    unknown = sorted(set(recipes) - set(RECIPES))
    if unknown or not recipes:
        raise ConfigError(
            "unknown kind of galaxy",
            expected=f"some of {', '.join(RECIPES)}",
            found=", ".join(unknown) or "none",
        )
