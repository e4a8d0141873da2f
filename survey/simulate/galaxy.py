"""The components of a simulated galaxy: light, velocity and spectrum.

Positions are offsets in arcsec east and north of the nucleus. Surface brightnesses are those
of the continuum at the pivot wavelength of the spectra (15 micron, rest frame), before the
point spread function.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from survey.errors import ConfigError
from survey.simulate.spectra import Spectrum

Array = NDArray[np.float64]


class Region(IntEnum):
    """Kinds of region, as numbered in truth maps."""

    NONE = 0
    AGN = 1
    DISC = 2
    CLUMP = 3
    CONE = 4
    JET = 5


@dataclass(frozen=True)
class Rotation:
    """Orientation of the galaxy's plane and its rotation curve, v(R) = v 2/pi arctan(R / R_t).

    `position_angle_deg` is that of the receding half of the major axis, east of north.
    """

    position_angle_deg: float
    inclination_deg: float
    velocity_km_s: float
    turnover_arcsec: float

    def in_plane(self, east: Array, north: Array) -> tuple[Array, Array]:
        """Coordinates (arcsec) in the plane of the galaxy: along the major and minor axis."""
        angle = np.deg2rad(self.position_angle_deg)
        major = east * np.sin(angle) + north * np.cos(angle)
        minor = east * np.cos(angle) - north * np.sin(angle)
        return major, minor / np.cos(np.deg2rad(self.inclination_deg))

    def line_of_sight_km_s(self, east: Array, north: Array) -> Array:
        """Radial velocity of gas in circular rotation."""
        major, minor = self.in_plane(east, north)
        radius = np.hypot(major, minor)
        speed = self.velocity_km_s * 2 / np.pi * np.arctan(radius / self.turnover_arcsec)
        cosine = np.divide(major, radius, out=np.zeros_like(major), where=radius > 0)
        return speed * cosine * np.sin(np.deg2rad(self.inclination_deg))


@dataclass(frozen=True)
class PointSource:
    """An unresolved nucleus of flux density `flux_jy` at the pivot wavelength."""

    spectrum: Spectrum
    flux_jy: float
    dispersion_km_s: float
    region: Region = Region.AGN


@dataclass(frozen=True)
class Disc:
    """An exponential disc in the galaxy's plane."""

    spectrum: Spectrum
    surface_brightness_mjy_sr: float
    scale_length_arcsec: float
    dispersion_km_s: float
    region: Region = Region.DISC

    def light(self, east: Array, north: Array, rotation: Rotation) -> Array:
        """Surface brightness (MJy/sr)."""
        radius = np.hypot(*rotation.in_plane(east, north))
        return self.surface_brightness_mjy_sr * np.exp(-radius / self.scale_length_arcsec)

    def velocity_km_s(self, east: Array, north: Array, rotation: Rotation) -> Array:
        """Radial velocity."""
        return rotation.line_of_sight_km_s(east, north)


@dataclass(frozen=True)
class Clump:
    """A round Gaussian star-forming region that rotates with the disc."""

    spectrum: Spectrum
    surface_brightness_mjy_sr: float
    east_arcsec: float
    north_arcsec: float
    fwhm_arcsec: float
    dispersion_km_s: float
    region: Region = Region.CLUMP

    def light(self, east: Array, north: Array, rotation: Rotation) -> Array:
        """Surface brightness (MJy/sr)."""
        radius = np.hypot(east - self.east_arcsec, north - self.north_arcsec)
        return self.surface_brightness_mjy_sr * np.exp2(-((2 * radius / self.fwhm_arcsec) ** 2))

    def velocity_km_s(self, east: Array, north: Array, rotation: Rotation) -> Array:
        """Radial velocity of the whole clump."""
        centre = np.array([self.east_arcsec]), np.array([self.north_arcsec])
        return np.full_like(east, rotation.line_of_sight_km_s(*centre)[0])


@dataclass(frozen=True)
class Cone:
    """A bicone of ionised gas: two wedges on the sky, one approaching and one receding.

    Light falls off as exp(-(r / length)^2) along the axis and steeply beyond half the
    opening angle. The projected velocity rises to `outflow_km_s` over one length; the side
    at `position_angle_deg` approaches.
    """

    spectrum: Spectrum
    surface_brightness_mjy_sr: float
    position_angle_deg: float
    opening_deg: float
    length_arcsec: float
    outflow_km_s: float
    dispersion_km_s: float
    region: Region = Region.CONE

    def light(self, east: Array, north: Array, rotation: Rotation) -> Array:
        """Surface brightness (MJy/sr)."""
        radius, cosine = self._polar(east, north)
        off_axis = np.arccos(np.abs(cosine)) / np.deg2rad(self.opening_deg / 2)
        profile = np.exp(-((radius / self.length_arcsec) ** 2) - np.log(2) * off_axis**8)
        return self.surface_brightness_mjy_sr * profile

    def velocity_km_s(self, east: Array, north: Array, rotation: Rotation) -> Array:
        """Radial velocity."""
        radius, cosine = self._polar(east, north)
        speed = self.outflow_km_s * (1 - np.exp(-radius / self.length_arcsec))
        return -np.sign(cosine) * speed

    def _polar(self, east: Array, north: Array) -> tuple[Array, Array]:
        """Distance from the nucleus and cosine of the angle from the axis."""
        angle = np.deg2rad(self.position_angle_deg)
        radius = np.hypot(east, north)
        along = east * np.sin(angle) + north * np.cos(angle)
        cosine = np.divide(along, radius, out=np.ones_like(along), where=radius > 0)
        return radius, np.clip(cosine, -1, 1)


Extended = Disc | Clump | Cone
Component = PointSource | Extended


@dataclass(frozen=True)
class GalaxyModel:
    """A galaxy: where it is, how it rotates and what it is made of."""

    name: str
    redshift: float
    ra_deg: float
    dec_deg: float
    rotation: Rotation
    components: tuple[Component, ...]

    def __post_init__(self) -> None:
        if not self.components:
            raise ConfigError(f"galaxy {self.name} is empty", expected="at least one component")
