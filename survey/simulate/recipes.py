"""Draws random galaxies of a few kinds that look different.

Sizes scale with the field of view and brightnesses with that of the disc, so that a galaxy fills
the cube. The ranges here are choices, not measurements; those of the spectra are in
`components.toml` and `components_optical.toml`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

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
from survey.simulate.instruments import MRS
from survey.simulate.psf import beam_sr
from survey.simulate.spectra import Spectrum, load_spectrum

SPECTRAL_SCATTER_DEX = 0.08
"""Scatter of line ratios and equivalent widths among galaxies of one kind."""

DISC_MJY_SR = 800.0


def draw_galaxy(
    name: str,
    recipe: str,
    rng: np.random.Generator,
    *,
    field_arcsec: float,
    diverse: bool = False,
    instrument: str = MRS,
) -> GalaxyModel:
    """A galaxy of the kind `recipe`, one of `RECIPES`, that fills a field of view.

    Its parts have typical spectra in the range of an instrument, or with `diverse` any that are
    found in their kind.
    """
    inclination_deg, components = RECIPES[recipe](Parts(rng, field_arcsec, diverse, instrument))
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


@dataclass(frozen=True)
class Parts:
    """Draws the parts of one galaxy, for a field of given width."""

    rng: np.random.Generator
    field_arcsec: float
    diverse: bool
    instrument: str = MRS

    def nucleus(self, name: str, *, low: float, high: float) -> PointSource:
        """A nucleus whose peak is `low` to `high` times as bright as the centre of the disc."""
        contrast = self.rng.uniform(low, high)
        spectrum = self.spectrum(name)
        peak_jy_sr = contrast * DISC_MJY_SR * 1e6
        return PointSource(
            spectrum,
            peak_jy_sr * beam_sr(spectrum.pivot_um, self.instrument),
            dispersion_km_s=self.rng.uniform(120, 180),
        )

    def disc(self, name: str = "disc") -> Disc:
        """A disc that fills the field."""
        return Disc(
            spectrum=self.spectrum(name),
            surface_brightness_mjy_sr=DISC_MJY_SR,
            scale_length_arcsec=self.field_arcsec * self.rng.uniform(0.22, 0.30),
            dispersion_km_s=self.rng.uniform(40, 60),
        )

    def cone(self) -> Cone:
        """An outflowing ionisation cone in any direction."""
        return Cone(
            spectrum=self.spectrum("cone"),
            surface_brightness_mjy_sr=DISC_MJY_SR * self.rng.uniform(4, 6),
            position_angle_deg=self.rng.uniform(0, 360),
            opening_deg=self.rng.uniform(45, 70),
            length_arcsec=self.field_arcsec * self.rng.uniform(0.25, 0.32),
            outflow_km_s=self.rng.uniform(100, 300),
            dispersion_km_s=self.rng.uniform(120, 180),
        )

    def jet(self, *, beside_deg: float | None = None) -> Cone:
        """Gas shocked along a jet, roughly across the direction given, or in any."""
        if beside_deg is None:
            direction_deg = self.rng.uniform(0, 360)
        else:
            direction_deg = beside_deg + self.rng.uniform(70, 110)
        return Cone(
            spectrum=self.spectrum("shock"),
            surface_brightness_mjy_sr=DISC_MJY_SR * self.rng.uniform(4, 6),
            position_angle_deg=direction_deg,
            opening_deg=self.rng.uniform(30, 45),
            length_arcsec=self.field_arcsec * self.rng.uniform(0.28, 0.36),
            outflow_km_s=self.rng.uniform(100, 300),
            dispersion_km_s=self.rng.uniform(150, 220),
            region=Region.JET,
        )

    def centre(self) -> Clump:
        """A star-forming clump where other galaxies have a nucleus."""
        return Clump(
            spectrum=self.spectrum("clump"),
            surface_brightness_mjy_sr=DISC_MJY_SR * self.rng.uniform(5, 8),
            east_arcsec=0.0,
            north_arcsec=0.0,
            fwhm_arcsec=self.field_arcsec * self.rng.uniform(0.12, 0.18),
            dispersion_km_s=60.0,
        )

    def clumps(self, n: int) -> tuple[Clump, ...]:
        """Clumps spread around the nucleus, all of one spectrum."""
        rng, field = self.rng, self.field_arcsec
        spectrum = self.spectrum("clump")
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

    def spectrum(self, name: str) -> Spectrum:
        """A spectrum of this kind."""
        spectrum = load_spectrum(name, self.instrument)
        if self.diverse:
            spectrum = spectrum.anywhere(self.rng)
        return spectrum.varied(self.rng, SPECTRAL_SCATTER_DEX)


Recipe = Callable[[Parts], tuple[float, tuple[Component, ...]]]
"""Draws the inclination (degrees) and the components."""


def _seyfert(parts: Parts) -> tuple[float, tuple[Component, ...]]:
    """A bright nucleus with an outflowing ionisation cone on a disc, few clumps."""
    cone = parts.cone()
    nucleus = parts.nucleus("seyfert", low=8, high=16)
    return parts.rng.uniform(30, 55), (nucleus, parts.disc(), cone, *parts.clumps(2))


def _starburst(parts: Parts) -> tuple[float, tuple[Component, ...]]:
    """A disc full of star-forming clumps, one of them at the centre."""
    centre = parts.centre()
    n_clumps = int(parts.rng.integers(4, 7))
    return parts.rng.uniform(20, 50), (parts.disc(), centre, *parts.clumps(n_clumps))


def _liner(parts: Parts) -> tuple[float, tuple[Component, ...]]:
    """A weak nucleus in a highly inclined disc without clumps."""
    nucleus = parts.nucleus("liner", low=3, high=6)
    return parts.rng.uniform(60, 75), (nucleus, parts.disc())


def _composite(parts: Parts) -> tuple[float, tuple[Component, ...]]:
    """A bright nucleus inside a ring of clumps, no cone."""
    nucleus = parts.nucleus("seyfert", low=8, high=16)
    n_clumps = int(parts.rng.integers(5, 8))
    return parts.rng.uniform(20, 45), (nucleus, parts.disc(), *parts.clumps(n_clumps))


def _ringed_seyfert(parts: Parts) -> tuple[float, tuple[Component, ...]]:
    """A bright nucleus with a cone that shines through a ring of clumps."""
    nucleus, cone = parts.nucleus("seyfert", low=8, high=16), parts.cone()
    n_clumps = int(parts.rng.integers(4, 7))
    return parts.rng.uniform(20, 50), (nucleus, parts.disc(), cone, *parts.clumps(n_clumps))


def _jet_seyfert(parts: Parts) -> tuple[float, tuple[Component, ...]]:
    """A bright nucleus with a cone, and across it a jet that shocks the gas of the disc."""
    nucleus, cone = parts.nucleus("seyfert", low=8, high=16), parts.cone()
    jet = parts.jet(beside_deg=cone.position_angle_deg)
    return parts.rng.uniform(30, 55), (nucleus, parts.disc(), cone, jet, *parts.clumps(2))


def _old_liner(parts: Parts) -> tuple[float, tuple[Component, ...]]:
    """A weak nucleus in a disc of old stars."""
    nucleus = parts.nucleus("liner", low=3, high=6)
    return parts.rng.uniform(50, 75), (nucleus, parts.disc("old_disc"))


def _jet_liner(parts: Parts) -> tuple[float, tuple[Component, ...]]:
    """A weak nucleus among old stars, with a jet."""
    nucleus, jet = parts.nucleus("liner", low=3, high=6), parts.jet()
    return parts.rng.uniform(30, 60), (nucleus, parts.disc("old_disc"), jet)


RECIPES: dict[str, Recipe] = {
    "seyfert": _seyfert,
    "starburst": _starburst,
    "liner": _liner,
    "composite": _composite,
    "ringed-seyfert": _ringed_seyfert,
    "jet-seyfert": _jet_seyfert,
    "old-liner": _old_liner,
    "jet-liner": _jet_liner,
}
