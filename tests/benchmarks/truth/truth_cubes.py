"""Cubes of known regions, and of one region only, to judge by where dendrograms are cut.

- `simulated`: galaxies of the archive `gatos-like`, at S/N 8 to 100;
- `blended` and `painted`: scenes of three observed spectra (VV 114, and a region and the whole of
  NGC 7469). In the first, a nucleus and clumps or a cone shine through a disc; in the second,
  regions have sharp borders before the PSF;
- `uniform`: one spectrum everywhere, under several point-spread functions and fringes: any second
  cluster is wrong.

All are written as FITS cubes, with noise as that of the simulator.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
from astropy.io import fits

from survey.pipeline.galaxy.target import Target
from survey.simulate import psf
from survey.simulate.archive import plan_archive
from survey.simulate.cube import simulate_galaxy
from survey.simulate.galaxy import (
    Clump,
    Component,
    Cone,
    Disc,
    GalaxyModel,
    PointSource,
    Region,
    Rotation,
)
from survey.simulate.instruments import load_toml
from survey.simulate.noise import correlated_noise, noise_level
from survey.simulate.observation import Observation
from survey.simulate.recipes import DISC_MJY_SR
from survey.simulate.scene import PLANES_AT_ONCE, Scene
from survey.simulate.spectra import Spectrum, load_spectrum
from survey.simulate.truth import MIXED_BELOW
from survey.simulate.write import truth_path, write_simulated_cube
from tests.benchmarks.truth.observed_emission import PIVOT_UM, REDSHIFT, SPECTRA, Emission

SHAPE = (40, 40)
FIELD_ARCSEC = 0.2 * SHAPE[0]
SIMULATED_SNR = (8.0, 12.0, 20.0, 30.0, 50.0, 100.0)
OBSERVED_SNR = (8.0, 20.0, 40.0, 80.0)
SIMULATED_WINDOW_UM: str | tuple[float, float] = "ch3"
GALAXIES = 15
REST_UM = (11.6, 17.45)
"""Where all the observed spectra have data."""

SMALL_SHAPE, SMALL_OBSERVED_UM = (24, 24), (11.7, 13.5)
"""Less sky; the window of small simulated galaxies, channel 3 short.

Scenes of observed spectra keep all of channel 3: in a quarter of it nothing tells regions apart.
"""

PSFS = (
    ((0.63, 0.37), (1.0, 2.6), 1.0, 0.0),
    ((0.8, 0.2), (1.0, 3.5), 1.0, 0.2),
    ((0.55, 0.45), (1.0, 2.0), 1.1, -0.1),
    ((0.7, 0.3), (1.0, 4.0), 0.9, 0.3),
    ((0.95, 0.05), (1.0, 6.0), 1.0, 0.0),
)
"""Light and width of two Gaussians; factor of the FWHM, and power of the wavelength in it."""


def make_cubes_of(shape: tuple[int, int], *, small: bool = False) -> None:
    """From now on cubes have this shape; `small` galaxies also a quarter of the spectrum."""
    module = globals()
    module.update(SHAPE=shape, FIELD_ARCSEC=0.2 * shape[0])
    if small:
        module.update(SIMULATED_WINDOW_UM=SMALL_OBSERVED_UM)


@dataclass(frozen=True)
class Truth:
    """What a cube holds.

    Attributes
    ----------
    region : (y, x) array of int
    mixed : (y, x) array of bool
        Where no region gives `MIXED_BELOW` of the light.
    share : (region, y, x) array
        Of the light.
    """

    region: np.ndarray
    mixed: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, light: np.ndarray) -> Truth:
        """From the light (region, y, x) of every region."""
        share = light / light.sum(axis=0)
        return cls(share.argmax(axis=0), share.max(axis=0) < MIXED_BELOW, share)


@dataclass(frozen=True)
class TruthCase:
    """One cube to be made; `number` is that of the galaxy in its archive."""

    kind: str
    seed: int
    snr: float = np.nan
    number: int = 0

    def make(self, folder: Path) -> tuple[Target, Truth]:
        """Write the cube and say what it holds."""
        return MAKERS[self.kind](self, folder)


def simulated_cases(seeds: range) -> Iterator[TruthCase]:
    """Whole archives, every galaxy at one S/N."""
    for seed in seeds:
        for number in range(GALAXIES):
            snr = SIMULATED_SNR[(number + seed) % len(SIMULATED_SNR)]
            yield TruthCase("simulated", seed, snr, number)


def observed_cases(seeds: range) -> Iterator[TruthCase]:
    """Both kinds of scenes of observed spectra; none where there are no such spectra."""
    if not SPECTRA.is_dir():
        print(f"no observed spectra in {SPECTRA}: cases made of them are left out")
        return
    for seed in seeds:
        for snr in OBSERVED_SNR:
            yield TruthCase("blended", seed, snr)
            yield TruthCase("painted", seed, snr)


def uniform_cases(seeds: range) -> Iterator[TruthCase]:
    """One cube for every seed."""
    yield from (TruthCase("uniform", seed) for seed in seeds)


def _simulated(case: TruthCase, folder: Path) -> tuple[Target, Truth]:
    plans = plan_archive(
        folder,
        GALAXIES,
        archive="gatos-like",
        seed=case.seed,
        observation=Observation(shape=SHAPE, window=SIMULATED_WINDOW_UM, snr=case.snr),
    )
    plan = plans[case.number]
    plan.simulate()
    with fits.open(truth_path(plan.path)) as hdus:
        regions = hdus["COMPONENTS"].data["region"]
        fraction = hdus["FRACTION"].data.astype(float)
        light = np.array([fraction[regions == kind].sum(axis=0) for kind in np.unique(regions)])
    return _target(plan.model, plan.path), Truth.of(light)


def _uniform(case: TruthCase, folder: Path) -> tuple[Target, Truth]:
    """A disc, a point source, or a disc with clumps and a nucleus, all of one spectrum."""
    seed, rng = case.seed, np.random.default_rng([case.seed, 99])
    kind = ("disc", "point", "disc", "point", "clumps")[(seed // 5 + seed) % 5]
    names = ("disc", "old_disc", "clump", "seyfert", "cone", "liner")
    spectrum = load_spectrum(names[rng.integers(len(names))]).anywhere(rng)
    fringe_amplitude = (0.0, 0.01, 0.02, 0.03)[rng.integers(4)]
    rotation = Rotation(
        rng.uniform(0, 360), rng.uniform(20, 65), rng.uniform(100, 250), 0.05 * FIELD_ARCSEC
    )
    components: tuple[Component, ...]
    if kind == "disc":
        components = (Disc(spectrum, DISC_MJY_SR, FIELD_ARCSEC * rng.uniform(0.15, 0.3), 50.0),)
    elif kind == "point":
        components = (PointSource(spectrum, 0.05, 60.0),)
    else:
        clumps = []
        for _ in range(4):
            angle, radius = rng.uniform(0, 2 * np.pi), FIELD_ARCSEC * rng.uniform(0.15, 0.36)
            clumps.append(_clump(rng, spectrum, angle, radius, contrast=(2, 6), width_km_s=50.0))
        nucleus = PointSource(spectrum, 8e9 * psf.beam_sr(PIVOT_UM), 50.0)
        components = (Disc(spectrum, DISC_MJY_SR, FIELD_ARCSEC / 4, 50.0), *clumps, nucleus)
    # The median over the field: of a point source, most of it is its faint wings.
    levels = (3, 6, 12, 25) if kind == "point" else (8, 20, 50, 100)
    observation = Observation(
        shape=SHAPE, snr=float(rng.choice(levels)), fringe_amplitude=fringe_amplitude
    )
    redshift = round(rng.uniform(0.003, 0.02), 5)
    model = GalaxyModel(f"uniform-{seed}", redshift, 10.0, 10.0, rotation, components)
    with _point_spread(*PSFS[seed % len(PSFS)]):
        path = simulate_galaxy(
            model, folder / f"{model.name}_s3d.fits", seed, observation=observation
        )
    return _target(model, path), Truth.of(np.ones((1, *SHAPE)))


def _clump(
    rng: np.random.Generator,
    spectrum: Spectrum,
    angle: float,
    radius: float,
    *,
    contrast: tuple[float, float],
    width_km_s: float,
) -> Clump:
    """A clump at a place, of random size, `contrast` times as bright as the centre of the disc."""
    return Clump(
        spectrum,
        DISC_MJY_SR * rng.uniform(*contrast),
        radius * np.sin(angle),
        radius * np.cos(angle),
        FIELD_ARCSEC * rng.uniform(0.1, 0.18),
        width_km_s,
    )


@contextmanager
def _point_spread(
    light: tuple[float, float], width: tuple[float, float], factor: float, power: float
) -> Iterator[None]:
    """Another point-spread function of the simulator."""
    usual = psf.packaged_reference()

    def fwhm_arcsec(instrument: str, wavelength_um: np.ndarray) -> np.ndarray:
        usually = np.asarray(usual.psf_fwhm_arcsec(instrument, wavelength_um))
        return usually * factor * (wavelength_um / PIVOT_UM) ** power

    stand_in = SimpleNamespace(psf_fwhm_arcsec=fwhm_arcsec)
    gaussians = load_toml("mrs.toml")["psf"]
    with (
        patch.object(psf, "packaged_reference", lambda: stand_in),
        patch.dict(gaussians, light=list(light), width=list(width)),
    ):
        yield


def _blended(case: TruthCase, folder: Path) -> tuple[Target, Truth]:
    """A disc, clumps or a cone, and a nucleus, of three observed spectra."""
    rng = np.random.default_rng([case.seed, 77])
    emission = Emission(rng)
    any_spectrum = load_spectrum("disc")
    rotation = Rotation(
        rng.uniform(0, 360), rng.uniform(20, 55), rng.uniform(100, 250), 0.05 * FIELD_ARCSEC
    )
    scale = FIELD_ARCSEC * rng.uniform(0.22, 0.3)
    components: list[Component] = [Disc(any_spectrum, DISC_MJY_SR, scale, 50.0)]
    if case.seed % 3 == 1:
        components.append(
            Cone(
                any_spectrum,
                DISC_MJY_SR * rng.uniform(4, 7),
                rng.uniform(0, 360),
                rng.uniform(45, 75),
                FIELD_ARCSEC * rng.uniform(0.25, 0.32),
                200.0,
                150.0,
            )
        )
    else:
        first, count = rng.uniform(0, 2 * np.pi), int(rng.integers(2, 5))
        for k in range(count):
            angle = first + 2 * np.pi * (k + rng.uniform(-0.2, 0.2)) / count
            radius = FIELD_ARCSEC * rng.uniform(0.22, 0.36)
            components.append(
                _clump(rng, any_spectrum, angle, radius, contrast=(3, 6), width_km_s=40.0)
            )
    flux_jy = rng.uniform(8, 16) * (1e6 * DISC_MJY_SR) * psf.beam_sr(PIVOT_UM)
    components.append(PointSource(any_spectrum, flux_jy, 150.0))
    name = f"blended-{case.seed}"
    model = GalaxyModel(name, REDSHIFT, 10.0, 10.0, rotation, tuple(components))
    scene = Scene(model, observation_of(case.snr))
    spectrum_of = {Region.DISC: 0, Region.CLUMP: 1, Region.CONE: 1, Region.AGN: 2}
    wavelength_um = scene.observation.wavelength_um
    cube = np.zeros((len(wavelength_um), *SHAPE), np.float32)
    light = np.zeros((3, *SHAPE))
    for start in range(0, len(wavelength_um), PLANES_AT_ONCE):
        planes = slice(start, start + PLANES_AT_ONCE)
        for layer in scene.layers:
            kind = spectrum_of[layer.component.region]
            moving = emission.moving(kind, wavelength_um[planes], layer.velocity_km_s)
            emitted = moving * layer.light
            if layer.is_point:
                image = scene.image(layer, emitted, wavelength_um[planes])
            else:
                image = scene.blur(emitted, wavelength_um[planes])
            cube[planes] += image
            light[kind] += image.sum(axis=0)
    return written(cube, model, scene.observation, case, folder), Truth.of(light)


def _painted(case: TruthCase, folder: Path) -> tuple[Target, Truth]:
    """A nucleus and a ring, a sector or spots in a disc, with sharp borders before the PSF."""
    rng = np.random.default_rng([case.seed, 55])
    emission = Emission(rng)
    observation = observation_of(case.snr)
    wavelength_um = observation.wavelength_um
    margin = psf.margin_spaxels(wavelength_um, observation.spaxel_arcsec)
    y, x = np.indices([n + 2 * margin for n in SHAPE]) - margin
    y, x = y - SHAPE[0] / 2 - rng.uniform(-2, 2), x - SHAPE[1] / 2 - rng.uniform(-2, 2)
    angle, axis_ratio = rng.uniform(0, np.pi), rng.uniform(0.5, 0.9)
    major = x * np.cos(angle) + y * np.sin(angle)
    minor = (y * np.cos(angle) - x * np.sin(angle)) / axis_ratio
    radius, azimuth = np.hypot(major, minor), np.arctan2(minor, major)
    kind = np.zeros(radius.shape, int)
    nucleus = rng.uniform(4, 7)
    if case.seed % 3 == 0:
        kind[(radius > nucleus + 4) & (radius < nucleus + rng.uniform(8, 11))] = 2
    elif case.seed % 3 == 1:
        off_axis = np.abs(np.angle(np.exp(1j * (azimuth - rng.uniform(0, 2 * np.pi)))))
        kind[off_axis < rng.uniform(0.5, 0.9)] = 2
    else:
        for _ in range(3):
            where, away = rng.uniform(0, 2 * np.pi), rng.uniform(9, 16)
            spot = np.hypot(x - away * np.cos(where), y - away * np.sin(where))
            kind[spot < rng.uniform(3, 5)] = 2
    kind[radius < nucleus] = 1
    light = DISC_MJY_SR * np.exp(-radius / rng.uniform(9, 14))
    light[kind == 1] *= rng.uniform(1.5, 4)
    light[kind == 2] *= rng.uniform(1, 3)
    velocity_km_s = rng.uniform(80, 220) * 2 / np.pi * np.arctan(radius / 4) * np.cos(azimuth)
    cube = np.zeros((len(wavelength_um), *SHAPE), np.float32)
    share = np.zeros((3, *SHAPE))
    for start in range(0, len(wavelength_um), PLANES_AT_ONCE):
        planes = slice(start, start + PLANES_AT_ONCE)
        for number in range(3):
            moving = emission.moving(number, wavelength_um[planes], velocity_km_s)
            image = psf.convolve(
                moving * light * (kind == number),
                wavelength_um[planes],
                margin,
                observation.spaxel_arcsec,
            )
            cube[planes] += image
            share[number] += image.sum(axis=0)
    rotation = Rotation(0.0, 30.0, 100.0, 1.0)
    disc = Disc(load_spectrum("disc"), DISC_MJY_SR, 2.0, 50.0)
    model = GalaxyModel(f"painted-{case.seed}", REDSHIFT, 10.0, 10.0, rotation, (disc,))
    return written(cube, model, observation, case, folder), Truth.of(share)


def observation_of(snr: float) -> Observation:
    """Of galaxies made of observed spectra."""
    low, high = ((1 + REDSHIFT) * rest for rest in REST_UM)
    return Observation(shape=SHAPE, window=(low, high), snr=snr)


def written(
    noiseless: np.ndarray,
    model: GalaxyModel,
    observation: Observation,
    case: TruthCase,
    folder: Path,
) -> Target:
    """Add the noise of the simulator, whose median S/N near the pivot is that of the case."""
    depth = observation.field_depth()
    near = np.abs(observation.wavelength_um / (1 + REDSHIFT) - PIVOT_UM) < 0.2
    level = np.median(noiseless[near], axis=0)
    sigma = noise_level(noiseless, float(np.median(level[depth > 0])), depth)
    reached = np.median((level / np.median(sigma[near], axis=0))[depth > 0])
    sigma *= np.float32(reached / case.snr)
    rng = np.random.default_rng(round(100 * case.seed + case.snr))
    flux = noiseless + sigma * correlated_noise(noiseless.shape, rng)
    flux[:, depth == 0] = np.nan
    flux[observation.seam_planes()] = np.nan
    error = sigma / np.float32(observation.noise_over_error)
    path = folder / f"{model.name}_s3d.fits"
    write_simulated_cube(
        path, flux, error, depth, model=model, observation=observation, seed=case.seed
    )
    return _target(model, path)


def _target(model: GalaxyModel, path: Path) -> Target:
    return Target(model.name, (path,), model.redshift, model.ra_deg, model.dec_deg)


MAKERS = {
    "simulated": _simulated,
    "blended": _blended,
    "painted": _painted,
    "uniform": _uniform,
}
