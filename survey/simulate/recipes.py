"""Galaxies drawn at random, of a few kinds that look different.

Sizes scale with the field of view, brightnesses with that of the disc: what is drawn is a
picture that fills the cube. The ranges are choices, not measurements.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from survey.simulate.galaxy import (
    Clump,
    Component,
    Cone,
    Disc,
    GalaxyModel,
    PointSource,
    Rotation,
)
from survey.simulate.psf import beam_sr
from survey.simulate.spectra import Spectrum, load_spectrum

SPECTRAL_SCATTER_DEX = 0.08
"""Scatter of line ratios and equivalent widths among galaxies of one kind."""

DISC_MJY_SR = 800.0


def draw_galaxy(
    name: str, recipe: str, rng: np.random.Generator, *, field_arcsec: float
) -> GalaxyModel:
    """A galaxy of the kind `recipe`, one of `RECIPES`, that fills a field of view."""
    inclination_deg, components = RECIPES[recipe](rng, field_arcsec)
    return GalaxyModel(
        name=name,
        redshift=round(rng.uniform(0.003, 0.020), 6),
        ra_deg=round(rng.uniform(0, 360), 6),
        dec_deg=round(rng.uniform(-70, 70), 6),
        rotation=Rotation(
            position_angle_deg=rng.uniform(0, 360),
            inclination_deg=inclination_deg,
            velocity_km_s=rng.uniform(150, 250),
            turnover_arcsec=0.05 * field_arcsec,
        ),
        components=components,
    )


Recipe = Callable[[np.random.Generator, float], tuple[float, tuple[Component, ...]]]
"""Draws the inclination (degrees) and the components for a field of given width (arcsec)."""


def _seyfert(rng: np.random.Generator, field: float) -> tuple[float, tuple[Component, ...]]:
    """A bright nucleus with an outflowing ionisation cone on a disc, few clumps."""
    cone = Cone(
        spectrum=_spectrum("cone", rng),
        surface_brightness_mjy_sr=DISC_MJY_SR * rng.uniform(4, 6),
        position_angle_deg=rng.uniform(0, 360),
        opening_deg=rng.uniform(45, 70),
        length_arcsec=field * rng.uniform(0.25, 0.32),
        outflow_km_s=rng.uniform(100, 300),
        dispersion_km_s=rng.uniform(120, 180),
    )
    nucleus = _nucleus("seyfert", rng, contrast=rng.uniform(8, 16))
    return rng.uniform(30, 55), (nucleus, _disc(rng, field), cone, *_clumps(rng, field, 2))


def _starburst(rng: np.random.Generator, field: float) -> tuple[float, tuple[Component, ...]]:
    """A disc full of star-forming clumps, one of them at the centre."""
    centre = Clump(
        spectrum=_spectrum("clump", rng),
        surface_brightness_mjy_sr=DISC_MJY_SR * rng.uniform(5, 8),
        east_arcsec=0.0,
        north_arcsec=0.0,
        fwhm_arcsec=field * rng.uniform(0.12, 0.18),
        dispersion_km_s=60.0,
    )
    n_clumps = int(rng.integers(4, 7))
    return rng.uniform(20, 50), (_disc(rng, field), centre, *_clumps(rng, field, n_clumps))


def _liner(rng: np.random.Generator, field: float) -> tuple[float, tuple[Component, ...]]:
    """A weak nucleus in a highly inclined disc without clumps."""
    nucleus = _nucleus("liner", rng, contrast=rng.uniform(3, 6))
    return rng.uniform(60, 75), (nucleus, _disc(rng, field))


def _composite(rng: np.random.Generator, field: float) -> tuple[float, tuple[Component, ...]]:
    """A bright nucleus inside a ring of clumps, no cone."""
    nucleus = _nucleus("seyfert", rng, contrast=rng.uniform(8, 16))
    n_clumps = int(rng.integers(5, 8))
    return rng.uniform(20, 45), (nucleus, _disc(rng, field), *_clumps(rng, field, n_clumps))


RECIPES: dict[str, Recipe] = {
    "seyfert": _seyfert,
    "starburst": _starburst,
    "liner": _liner,
    "composite": _composite,
}


def _nucleus(name: str, rng: np.random.Generator, *, contrast: float) -> PointSource:
    """A nucleus whose peak is `contrast` times as bright as the centre of the disc."""
    spectrum = _spectrum(name, rng)
    peak_jy_sr = contrast * DISC_MJY_SR * 1e6
    return PointSource(
        spectrum, peak_jy_sr * beam_sr(spectrum.pivot_um), dispersion_km_s=rng.uniform(120, 180)
    )


def _disc(rng: np.random.Generator, field: float) -> Disc:
    return Disc(
        spectrum=_spectrum("disc", rng),
        surface_brightness_mjy_sr=DISC_MJY_SR,
        scale_length_arcsec=field * rng.uniform(0.22, 0.30),
        dispersion_km_s=rng.uniform(40, 60),
    )


def _clumps(rng: np.random.Generator, field: float, n: int) -> tuple[Clump, ...]:
    """Clumps spread around the nucleus, all of one spectrum."""
    spectrum = _spectrum("clump", rng)
    start = rng.uniform(0, 2 * np.pi)
    angles = start + 2 * np.pi * (np.arange(n) + rng.uniform(-0.2, 0.2, n)) / n
    radii = field * rng.uniform(0.25, 0.38, n)
    return tuple(
        Clump(
            spectrum=spectrum,
            surface_brightness_mjy_sr=DISC_MJY_SR * rng.uniform(3, 5),
            east_arcsec=radius * np.sin(angle),
            north_arcsec=radius * np.cos(angle),
            fwhm_arcsec=field * rng.uniform(0.10, 0.16),
            dispersion_km_s=rng.uniform(30, 50),
        )
        for radius, angle in zip(radii, angles, strict=True)
    )


def _spectrum(name: str, rng: np.random.Generator) -> Spectrum:
    return load_spectrum(name).varied(rng, SPECTRAL_SCATTER_DEX)
