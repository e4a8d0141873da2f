"""The noiseless cube of a galaxy, plane by plane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalogs.reference import packaged_reference
from survey.simulate.galaxy import Component, GalaxyModel, PointSource
from survey.simulate.observation import Observation
from survey.simulate.psf import convolve, margin_spaxels, point_source
from survey.simulate.spectra import (
    Spectrum,
    line_profile,
)
from survey.spectra.constants import FWHM_PER_SIGMA, LIGHT_KM_S, LIGHT_UM_S

Array = NDArray[np.float64]

PLANES_AT_ONCE = 128


@dataclass(frozen=True)
class Layer:
    """A component on the grid of the cube and a margin around it.

    `light` is in MJy/sr at the pivot wavelength for extended components; for a point source
    it is the brightness that all its light would give to one spaxel, as a (1, 1) array.
    """

    component: Component
    light: Array
    velocity_km_s: Array

    @property
    def spectrum(self) -> Spectrum:
        """The component's spectrum per unit of light."""
        return self.component.spectrum

    @property
    def is_point(self) -> bool:
        """Whether the component is unresolved."""
        return isinstance(self.component, PointSource)


class Scene:
    """A galaxy as the instrument would see it without noise.

    Parameters
    ----------
    model : GalaxyModel
    observation : Observation
    """

    def __init__(self, model: GalaxyModel, observation: Observation) -> None:
        self.model = model
        self.observation = observation
        self.instrument = observation.mode.instrument
        self.margin = margin_spaxels(
            observation.wavelength_um, observation.spaxel_arcsec, self.instrument
        )
        self.target_xy = observation.target_pixel(model.ra_deg, model.dec_deg)
        east, north = observation.sky_offsets(model.ra_deg, model.dec_deg, self.margin)
        self.layers = tuple(self._layer(c, east, north) for c in model.components)

    def cube(self) -> NDArray[np.float32]:
        """Surface brightness (wavelength, y, x) in MJy/sr."""
        edges, wavelength = self.observation.edges_um, self.observation.wavelength_um
        cube = np.zeros((len(wavelength), *self.observation.shape), dtype=np.float32)
        extended = [layer for layer in self.layers if not layer.is_point]
        for start in range(0, len(wavelength), PLANES_AT_ONCE):
            planes = slice(start, min(start + PLANES_AT_ONCE, len(wavelength)))
            block_edges = edges[planes.start : planes.stop + 1]
            if extended:
                light = [self._emission(layer, block_edges) for layer in extended]
                cube[planes] += self.blur(np.sum(light, axis=0), wavelength[planes])
            for layer in self.layers:
                if layer.is_point:
                    spectrum = self._emission(layer, block_edges)
                    cube[planes] += spectrum * self._point(wavelength[planes])
        return cube

    def image(self, layer: Layer, light: Array, wavelength_um: Array) -> Array:
        """Light of one layer after the PSF, (n, y, x), at n wavelengths."""
        if layer.is_point:
            return light * self._point(wavelength_um)
        return self.blur(np.broadcast_to(light, (len(wavelength_um), *light.shape)), wavelength_um)

    def blur(self, light: Array, wavelength_um: Array) -> Array:
        """Convolve planes of extended light with the PSF of their wavelengths."""
        spaxel_arcsec = self.observation.spaxel_arcsec
        return convolve(light, wavelength_um, self.margin, spaxel_arcsec, self.instrument)

    def smooth(self, layer: Layer, wavelength_um: Array) -> Array:
        """Continuum and bands of a layer per unit of light, at observed wavelengths."""
        rest_um = wavelength_um / (1 + self.model.redshift)
        return layer.spectrum.continuum(rest_um) + layer.spectrum.bands(rest_um)

    def lines(self, layer: Layer) -> Iterator[tuple[str, float, float]]:
        """Lines of a layer: name, observed wavelength, flux (Hz) per unit of light."""
        stretch = 1 + self.model.redshift
        for line, flux in zip(layer.spectrum.lines, layer.spectrum.line_fluxes(), strict=True):
            yield line.name, line.wavelength_um * stretch, flux / stretch

    def _layer(self, component: Component, east: Array, north: Array) -> Layer:
        if isinstance(component, PointSource):
            one_spaxel_mjy_sr = component.flux_jy * 1e-6 / self.observation.spaxel_sr
            return Layer(component, np.array([[one_spaxel_mjy_sr]]), np.zeros((1, 1)))
        light = component.light(east, north, self.model.rotation)
        velocity = component.velocity_km_s(east, north, self.model.rotation)
        return Layer(component, light, velocity)

    def _point(self, wavelength_um: Array) -> Array:
        shape, spaxel_arcsec = self.observation.shape, self.observation.spaxel_arcsec
        return point_source(wavelength_um, *self.target_xy, shape, spaxel_arcsec, self.instrument)

    def _emission(self, layer: Layer, edges_um: Array) -> Array:
        """Light of a layer before the PSF, (planes, y, x)."""
        smooth = self.smooth(layer, (edges_um[1:] + edges_um[:-1]) / 2)
        emission = smooth[:, None, None] * layer.light
        bandwidth_hz = -np.diff(LIGHT_UM_S / edges_um)
        for _, observed_um, flux in self.lines(layer):
            centre = observed_um * (1 + layer.velocity_km_s / LIGHT_KM_S)
            sigma = centre * self._relative_width(observed_um, layer.component.dispersion_km_s)
            reach = 6 * sigma.max()
            first = max(int(np.searchsorted(edges_um, centre.min() - reach)) - 1, 0)
            last = int(np.searchsorted(edges_um, centre.max() + reach))
            planes = slice(first, min(last, len(bandwidth_hz)))
            shares = line_profile(edges_um[first : planes.stop + 1], centre, sigma)
            density = shares / bandwidth_hz[planes, None, None]
            emission[planes] += flux * layer.light * density
        return emission

    def _relative_width(self, wavelength_um: float, dispersion_km_s: float) -> float:
        """Sigma over wavelength of a line seen at the resolving power of the instrument."""
        power = packaged_reference().resolving_power(self.instrument, wavelength_um)
        assert power is not None  # it is a catalogued instrument
        instrumental = 1 / (float(power) * FWHM_PER_SIGMA)
        return float(np.hypot(instrumental, dispersion_km_s / LIGHT_KM_S))
