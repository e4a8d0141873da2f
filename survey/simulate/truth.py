"""The truth of a simulated cube: the region of every spaxel, and its lines.

A spaxel belongs to the kind of region with the largest share of its noiseless flux, after the PSF,
summed over the planes of the cube. It is mixed if that share is below `MIXED_BELOW`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import QTable
from numpy.typing import NDArray

from survey.simulate.galaxy import Region
from survey.simulate.scene import Layer, Scene
from survey.simulate.spectra import MJY_IN_W_M2_HZ
from survey.spectra.constants import LIGHT_UM_S

Array = NDArray[np.floating]

MIXED_BELOW = 0.6
PSF_WAVELENGTHS = 8


@dataclass(frozen=True)
class Truth:
    """The truth of one cube; maps are (y, x).

    Attributes
    ----------
    region : int16 array
        `Region` of each spaxel, 0 where the cube holds no data.
    mixed : bool array
        Whether every kind of region gives less than `MIXED_BELOW` of the flux.
    fraction : (component, y, x) float32 array
        Share of each component in the noiseless flux.
    velocity_km_s : float32 array
        Mean radial velocity of the reference line, relative to the systemic one.
    snr : float32 array
        Continuum S/N per sample, 0 where the cube holds no data.
    line_flux : (line, y, x) float32 array
        Noiseless flux of each line inside the window, W/m2 per spaxel.
    line_names : tuple of str
        Names along the first axis of `line_flux`.
    components, lines : QTable
        One row per component; one row per component and line, with the flux before the PSF
        and the flux in the array after it.
    """

    region: NDArray[np.int16]
    mixed: NDArray[np.bool_]
    fraction: Array
    velocity_km_s: Array
    snr: Array
    line_flux: Array
    line_names: tuple[str, ...]
    components: QTable
    lines: QTable


def find_truth(scene: Scene, snr: Array) -> Truth:
    """The truth of a scene observed with continuum S/N `snr` (0 where there is no data)."""
    flux = np.array([_flux_map(scene, layer) for layer in scene.layers])
    fraction = flux / flux.sum(axis=0)
    regions = np.array([layer.component.region for layer in scene.layers])
    shares = np.array([fraction[regions == region].sum(axis=0) for region in Region])
    line_names, line_flux, lines = _lines(scene)
    return Truth(
        region=np.where(snr > 0, shares.argmax(axis=0), Region.NONE).astype(np.int16),
        mixed=shares.max(axis=0) < MIXED_BELOW,
        fraction=fraction.astype(np.float32),
        velocity_km_s=_velocity(scene).astype(np.float32),
        snr=snr.astype(np.float32),
        line_flux=line_flux.astype(np.float32),
        line_names=line_names,
        components=_components(scene, flux),
        lines=lines,
    )


def _flux_map(scene: Scene, layer: Layer) -> Array:
    """Flux of a layer summed over the planes, the PSF taken at a few wavelengths."""
    edges = scene.observation.edges_um
    density = scene.smooth(layer, scene.observation.wavelength_um)
    for _, observed_um, flux in scene.lines(layer):
        plane = int(np.searchsorted(edges, observed_um)) - 1
        if 0 <= plane < len(density):
            density[plane] += flux / -np.diff(LIGHT_UM_S / edges[plane : plane + 2])[0]
    groups = np.array_split(np.arange(len(density)), PSF_WAVELENGTHS)
    weights = np.array([density[group].sum() for group in groups])
    centres_um = np.array([scene.observation.wavelength_um[group].mean() for group in groups])
    images = scene.image(layer, layer.light, centres_um)
    return np.tensordot(weights, images, axes=1)


def _velocity(scene: Scene) -> Array:
    """Mean velocity weighted by the light of the reference line after the PSF."""
    weight = np.zeros(scene.observation.shape)
    moment = np.zeros(scene.observation.shape)
    for layer in scene.layers:
        reference_um = layer.spectrum.reference_um * (1 + scene.model.redshift)
        at = np.array([reference_um])
        strength = layer.spectrum.reference_flux * layer.light
        weight += scene.image(layer, strength, at)[0]
        moment += scene.image(layer, strength * layer.velocity_km_s, at)[0]
    return moment / weight


def _lines(scene: Scene) -> tuple[tuple[str, ...], Array, QTable]:
    """Names and maps of the lines inside the window, and fluxes per component."""
    observation = scene.observation
    low, high = observation.window_um
    to_w_m2 = MJY_IN_W_M2_HZ * observation.spaxel_sr
    maps: dict[str, Array] = {}
    rows = []
    for number, layer in enumerate(scene.layers):
        for name, observed_um, flux in scene.lines(layer):
            if not low < observed_um < high:
                continue
            light = flux * to_w_m2 * layer.light
            image = scene.image(layer, light, np.array([observed_um]))[0]
            maps[name] = maps.get(name, 0) + image
            rows.append((number, name, observed_um, light.sum(), image.sum()))
    table = QTable(
        rows=rows or None,
        names=("component", "line", "observed_wavelength", "flux", "flux_in_cube"),
        dtype=(np.int16, str, float, float, float),
        units=(None, None, "um", "W/m2", "W/m2"),
    )
    names = tuple(dict.fromkeys(table["line"].tolist()))
    stack = np.array([maps[name] for name in names]).reshape(-1, *observation.shape)
    return names, stack, table


def _components(scene: Scene, flux: Array) -> QTable:
    layers = scene.layers
    return QTable(
        {
            "component": np.arange(len(layers), dtype=np.int16),
            "kind": [type(layer.component).__name__ for layer in layers],
            "region": np.array([layer.component.region for layer in layers], dtype=np.int16),
            "spectrum": [layer.spectrum.name for layer in layers],
            "class": [layer.spectrum.class_name for layer in layers],
            "flux_share": flux.sum(axis=(1, 2)) / flux.sum(),
        }
    )
