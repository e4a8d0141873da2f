"""Simulates a whole archive of galaxies, ready for `survey run`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from astropy.table import Column, Table

from survey.errors import ConfigError
from survey.simulate.cube import simulate_galaxy
from survey.simulate.designs import Member, load_design
from survey.simulate.galaxy import GalaxyModel
from survey.simulate.labels import label_regions
from survey.simulate.observation import MULTIPLE_BANDS, Observation
from survey.simulate.recipes import draw_galaxy
from survey.simulate.write import truth_path

SETTINGS = """\
# Settings of a simulated archive. Run it with: survey run survey.toml
# Other settings have their defaults; `survey init` writes a file with all settings.

targets = "targets.ecsv"

[prepare]
# Wavelengths to compare, rest frame: "full" is all a cube has; also "ch3-short" or [low, high].
window = "full"
# Spaxels whose continuum has less signal-to-noise per sample are left out.
snr_min = 3.0

[cut]
# "auto" chooses the number of regions; "fixed" takes k.
criterion = "auto"
"""


@dataclass(frozen=True)
class PlannedGalaxy:
    """A galaxy that is planned but not yet simulated; `labelled`: its classes are known."""

    model: GalaxyModel
    observation: Observation
    path: Path
    seed: int
    labelled: bool

    def simulate(self) -> Path:
        """Write the cube and its truth; returns the path of the cube."""
        return simulate_galaxy(self.model, self.path, self.seed, observation=self.observation)


def simulate_archive(
    out: str | Path,
    n_galaxies: int | None = None,
    *,
    archive: str = "demo",
    seed: int = 0,
    size: tuple[int, int] = (24, 24),
    window: str | tuple[float, float] = "ch3",
    snr: float = 30.0,
    fringe_amplitude: float = 0.0,
    workers: int = 1,
    on_done: Callable[[Path], None] | None = None,
) -> list[Path]:
    """Write galaxies SIM-001, SIM-002 ... with their truth, a targets table and settings.

    Where the archive has galaxies that are labelled, `labels.ecsv` has the regions on the sky
    in which one true class gives most of their light.

    A galaxy depends on `seed` and its own number only: not on how many there are, nor on
    the number of workers.

    Parameters
    ----------
    out : path
        Folder to write into; files of the same names are replaced.
    n_galaxies : int, optional
        As many as the archive has, unless given.
    archive : str
        One of `archives.toml`.
    seed : int
    size : (ny, nx)
        Spaxels of each cube.
    window : str or (low, high)
        Observed wavelengths, a named window or micron.
    snr : float
        Continuum S/N per sample, median of each field.
    fringe_amplitude : float
        Relative amplitude of fringes.
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
        If a number makes no sense or there is no such archive.
    """
    out = Path(out)
    observation = Observation(shape=size, window=window, snr=snr, fringe_amplitude=fringe_amplitude)
    _check("number of workers", workers, 1)
    plans = plan_archive(out, n_galaxies, archive=archive, seed=seed, observation=observation)
    cubes = []
    for path in _simulate(plans, workers):
        cubes.append(path)
        if on_done is not None:
            on_done(path)
    _write_targets(out / "targets.ecsv", plans)
    labelled = {plan.model.name: truth_path(plan.path) for plan in plans if plan.labelled}
    labels = out / "labels.ecsv"
    labels.unlink(missing_ok=True)  # of another archive, it would be wrong
    if labelled:
        label_regions(labelled).write(labels, format="ascii.ecsv")
    (out / "survey.toml").write_text(SETTINGS, encoding="utf-8")
    return cubes


def plan_archive(
    out: Path,
    n_galaxies: int | None = None,
    *,
    archive: str,
    seed: int,
    observation: Observation,
) -> list[PlannedGalaxy]:
    """The galaxies of an archive and how each is observed; see `simulate_archive`."""
    design = load_design(archive)
    count = len(design.members) if n_galaxies is None else n_galaxies
    _check("number of galaxies", count, 1)
    _check("seed", seed, 0)
    return [
        _plan(number, member, design.diverse, seed, observation, out)
        for number, member in enumerate(design.take(count), start=1)
    ]


def _plan(
    number: int, member: Member, diverse: bool, seed: int, observation: Observation, out: Path
) -> PlannedGalaxy:
    draws, noise = np.random.SeedSequence(seed, spawn_key=(number,)).spawn(2)
    rng = np.random.default_rng(draws)
    name = f"SIM-{number:03d}"
    field_arcsec = min(observation.shape) * observation.spaxel_arcsec
    model = draw_galaxy(name, member.kind, rng, field_arcsec=field_arcsec, diverse=diverse,
                        instrument=observation.mode.instrument)  # fmt: skip
    if member.redshift is not None:
        model = replace(model, redshift=member.redshift)
    observation = replace(
        observation,
        position_angle_deg=rng.uniform(0, 360),
        field_rotation_deg=rng.choice([-1, 1]) * rng.uniform(4, 9),
        pointing_offset_arcsec=tuple(rng.uniform(-0.1, 0.1, 2)),
    )
    band = observation.mode.name
    if observation.mode.sub_bands and observation.band != MULTIPLE_BANDS:
        band += f"-{observation.band.lower()}"
    path = out / f"{name}_{band}_s3d.fits"  # also of MUSE: where its truth is follows from it
    return PlannedGalaxy(model, observation, path, int(noise.generate_state(1)[0]), member.labelled)


def _simulate(plans: list[PlannedGalaxy], workers: int) -> Iterator[Path]:
    if workers == 1:
        yield from map(PlannedGalaxy.simulate, plans)
        return
    # Forking a process that already runs threads (BLAS, a progress bar) can deadlock.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(PlannedGalaxy.simulate, plans)


def _write_targets(path: Path, plans: list[PlannedGalaxy]) -> None:
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


def _check(name: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigError(f"impossible {name}", expected=f"{least} or more", found=str(value))
