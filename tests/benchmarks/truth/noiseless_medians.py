"""Line fluxes of median spectra without noise, of simulated galaxies.

A median spectrum is the median at every wavelength. Where the spaxels of a cluster differ in shape,
the line in it is not the median of their lines: other spaxels are in the middle in its core, its
wings and its continuum. So what is measured in a median spectrum is compared with the line of the
median spectrum of the same spaxels, shifted and scaled as they were, without noise and fringes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from survey.distances.shifts import align
from survey.simulate.archive import PlannedGalaxy
from survey.simulate.scene import Scene
from survey.simulate.spectra import MJY_IN_W_M2_HZ, EmissionLine
from survey.spectra.constants import LIGHT_KM_S, LIGHT_UM_S

Array = NDArray[np.float64]

REACH_KM_S = 1200.0
"""How far from its place light of a line is looked for."""

MARGIN = 12
"""Samples beyond, so that shifts leave no hole in the range of a line."""

SR_PER_ARCSEC2 = np.deg2rad(1 / 3600) ** 2


@dataclass(frozen=True)
class NoiselessSpectra:
    """Spectra (n, L) of some spaxels without noise, in MJy/sr at rest wavelengths.

    Attributes
    ----------
    rest_um : (L,) array
    redshift : float
    smooth : (n, L) array
        Without lines.
    groups : sequence of (lines, (n, L) array)
        Light of lines that are far from each other.
    """

    rest_um: Array
    redshift: float
    smooth: Array
    groups: Sequence[tuple[tuple[EmissionLine, ...], Array]]

    @classmethod
    def of(
        cls, plan: PlannedGalaxy, place: tuple[Array, Array], rest_um: Array
    ) -> NoiselessSpectra:
        """Spectra at the places (y, x) and the wavelengths of the catalog."""
        lines = {line.name: line for part in plan.model.components for line in part.spectrum.lines}
        smooth = _spectra(plan, place, rest_um, ())
        groups = [
            (group, _spectra(plan, place, rest_um, [line.name for line in group]) - smooth)
            for group in far_from_each_other(list(lines.values()))
        ]
        return cls(rest_um, plan.model.redshift, smooth, groups)

    def median_fluxes(self, rows: NDArray[np.bool_], at_median: Array, shifts: Array) -> dict:
        """Flux in W/m2/arcsec2 of every line of the median spectrum of some spaxels.

        Parameters
        ----------
        rows : (n,) array of bool
        at_median, shifts : arrays of one entry for each of them
            Factor to the median brightness, and shift in samples.
        """
        scale = at_median[:, np.newaxis]
        everything = self.smooth[rows] + sum(light[rows] for _, light in self.groups)
        hertz = LIGHT_UM_S * np.gradient(self.rest_um) / self.rest_um**2 / (1 + self.redshift)
        fluxes = {}
        for lines, light in self.groups:
            for line in lines:
                near = np.abs(self.rest_um / line.wavelength_um - 1) * LIGHT_KM_S < REACH_KM_S
                if not near.any():
                    continue
                inside = np.flatnonzero(near)
                part = slice(max(inside[0] - MARGIN, 0), inside[-1] + MARGIN + 1)
                whole = everything[:, part] * scale
                rest = whole - light[rows, part] * scale
                line_alone = _median(whole, shifts) - _median(rest, shifts)
                total = np.sum((line_alone * hertz[part])[near[part]])
                fluxes[line.name] = float(total * MJY_IN_W_M2_HZ * SR_PER_ARCSEC2)
        return fluxes


def far_from_each_other(lines: Sequence[EmissionLine]) -> list[tuple[EmissionLine, ...]]:
    """Lines in groups, in each of which no two reach each other."""
    groups: list[list[EmissionLine]] = []
    for line in sorted(lines, key=lambda item: item.wavelength_um):
        for group in groups:
            if (line.wavelength_um / group[-1].wavelength_um - 1) * LIGHT_KM_S > 2 * REACH_KM_S:
                group.append(line)
                break
        else:
            groups.append([line])
    return [tuple(group) for group in groups]


def _median(spectra: Array, shifts: Array) -> Array:
    return np.nanmedian(align(spectra, shifts), axis=0)


def _spectra(
    plan: PlannedGalaxy, place: tuple[Array, Array], rest_um: Array, names: Sequence[str]
) -> Array:
    """Noiseless spectra with only some of the lines."""
    components = tuple(
        replace(part, spectrum=replace(part.spectrum, lines=tuple(_chosen(part, names))))
        for part in plan.model.components
    )
    cube = Scene(replace(plan.model, components=components), plan.observation).cube()
    observed_um = rest_um * (1 + plan.model.redshift)
    planes = np.searchsorted(plan.observation.wavelength_um, observed_um - 1e-6)
    return cube[planes][:, *place].T.astype(float)


def _chosen(part: object, names: Sequence[str]) -> Iterator[EmissionLine]:
    return (line for line in part.spectrum.lines if line.name in names)
