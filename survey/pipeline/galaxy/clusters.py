"""From the tree to clusters: cut, alignment, spectra, geometry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from survey.clustering.cut import Cut, CutInput, choose_cut
from survey.clustering.geometry import (
    ClusterGeometry,
    cluster_geometry,
    edge_of_field,
)
from survey.clustering.pair_sums import sampled_members
from survey.clustering.parts import ClusterParts, cluster_parts
from survey.clustering.profiles import (
    ClusterProfiles,
    cluster_medoids,
    cluster_profiles,
    sampled_medoid,
    shifts_to_medoids,
    stacked_snr,
)
from survey.clustering.walk.aligned import align_to_components
from survey.clustering.walk.walk import EDGE_SPAXELS, WalkResult, walk
from survey.config import Settings
from survey.pipeline.galaxy.point_cluster import with_parts_of, with_profile_of
from survey.pipeline.galaxy.tree import SEED, TreeResult
from survey.spectra.centre import centre_of_field
from survey.spectra.prepare import Prepared
from survey.spectra.psf.correct import fit_source, shares_of_light
from survey.spectra.psf.profiles import PointSpread

MEDOID_CANDIDATES = 1000
"""Members of a cluster that are candidates for its medoid if the matrix is not kept."""


@dataclass(frozen=True)
class Clusters:
    """The clusters of one galaxy, and the spaxels they were made of.

    Attributes
    ----------
    cube : xarray.Dataset
        The converted cube.
    prepared : Prepared
        Its clustered spaxels.
    cut : Cut
    shifts : (n,) array
        Of every clustered spaxel against the medoid of its cluster, in samples and their fractions.
    profiles : ClusterProfiles
    geometry : ClusterGeometry
    centre : (y, x)
        Photometric centre.
    low_snr : (k,) array of bool
    parts : ClusterParts
        The connected parts of the clusters.
    psf_share : (N,) array, optional
        What a point source explains of the light of all spaxels of the cube, NaN where not known;
        None if the point-spread function is not known.

    If a point source was subtracted, it is the last cluster of `profiles`, `geometry`, `low_snr`
    and `parts`, with spaxels of its own after those that were clustered.
    """

    cube: xr.Dataset
    prepared: Prepared
    cut: Cut
    shifts: NDArray[np.number]
    profiles: ClusterProfiles
    geometry: ClusterGeometry
    centre: tuple[float, float]
    low_snr: NDArray[np.bool_]
    parts: ClusterParts
    psf_share: NDArray[np.float64] | None = None

    @property
    def k(self) -> int:
        """Number of clusters, with that of a subtracted point source."""
        return len(self.profiles.n_spaxel)

    @cached_property
    def shifts_km_s(self) -> NDArray[np.float64]:
        """The shifts as velocities, positive for receding from the medoid."""
        # Shifted by s, the medoid matches it s samples further to the blue (see `best_shifts`).
        samples = self.shifts.astype(np.float64)
        return 0.0 - samples * self.prepared.velocity_step_km_s

    @cached_property
    def at_limit(self) -> NDArray[np.bool_]:
        """(n,) whether the best shift is the largest allowed."""
        limit = self.prepared.max_shift
        return (np.abs(np.rint(self.shifts)) == limit) & (limit > 0)


def cut_tree(cube: xr.Dataset, prepared: Prepared, tree: TreeResult, settings: Settings) -> Cut:
    """Cut the tree of the spaxels."""
    y, x = (cube[axis].values[prepared.spaxels] for axis in "yx")
    # Spaxels that were left out are mostly those of a ragged border.
    at_edge = edge_of_field(_field(cube, prepared.spaxels), EDGE_SPAXELS)[y, x]

    def walk_down() -> WalkResult:
        aligned = align_to_components(
            prepared.spectra,
            prepared.max_shift,
            snr=prepared.snr,
            energy=tree.energy,
            seed=SEED,
        )
        limits = settings.cut.k_min, settings.cut.k_max
        return walk(tree.tree, aligned, at_edge, limits=limits)

    given = CutInput(
        tree.tree,
        walk=walk_down,
        distances=lambda: tree.clustered_distances(settings),
        snr_of_labels=lambda labels: stacked_snr(prepared.flux, labels),
    )
    return choose_cut(given, settings.cut, brightness=prepared.brightness)


def describe_clusters(
    cube: xr.Dataset,
    prepared: Prepared,
    tree: TreeResult,
    cut: Cut,
    settings: Settings,
    psf: PointSpread | None = None,
) -> Clusters:
    """Describe every cluster of a partition.

    Parameters
    ----------
    cube : xarray.Dataset
        The converted cube.
    prepared : Prepared
    tree : TreeResult
        The tree of its spaxels.
    cut : Cut
    settings : Settings
    psf : PointSpread, optional
        At the wavelengths of the spectra, if it is known.
    """
    y, x = (cube[axis].values[prepared.spaxels] for axis in "yx")
    brightness = prepared.brightness
    medoids = _medoids(prepared, tree, cut.labels, settings)
    shifts = shifts_to_medoids(
        prepared.spectra, cut.labels, medoids, prepared.max_shift, subsample=True
    )
    profiles = cluster_profiles(
        prepared.flux,
        cut.labels,
        shifts,
        scale=prepared.scale,
        noise=prepared.noise,
        y=y,
        x=x,
        bridged=prepared.bridged,
    )
    centre = centre_of_field(prepared.mean_flux, cube["y"].values, cube["x"].values)
    field = _field(cube)
    at_edge = edge_of_field(field)
    parts = cluster_parts(prepared.flux, cut.labels, y, x, brightness, at_edge[y, x])
    labels, source = cut.labels, prepared.point_source
    if source is not None:
        own_y, own_x = (cube[axis].values[source.spaxels] for axis in "yx")
        profiles = with_profile_of(source, profiles)
        parts = with_parts_of(source, parts, cut.k + 1, own_y, own_x, at_edge[own_y, own_x])
        labels = np.append(labels, np.full(len(own_y), cut.k + 1, labels.dtype))
        y, x = np.append(y, own_y), np.append(x, own_x)
        brightness = np.append(brightness, prepared.mean_flux[source.spaxels])
    geometry = cluster_geometry(
        labels,
        y,
        x,
        brightness,
        centre=centre,
        field=field,
        spaxel_area_arcsec2=cube.attrs["spaxel_area_arcsec2"],
        nuclear_radius_arcsec=settings.profiles.nuclear_radius_arcsec,
    )
    if source is not None:
        nuclear = np.arange(len(geometry.nuclear)) == cut.k
        geometry = replace(geometry, nuclear=nuclear)
    low_snr = profiles.low_snr(settings.profiles)
    psf_share = _psf_share(cube, prepared, centre, psf)
    return Clusters(
        cube, prepared, cut, shifts, profiles, geometry, centre, low_snr, parts, psf_share
    )


def _psf_share(
    cube: xr.Dataset, prepared: Prepared, centre: tuple[float, float], psf: PointSpread | None
) -> NDArray[np.float64] | None:
    """What a point source explains of the light of every spaxel of the cube."""
    if prepared.point_source is not None:
        return prepared.point_source.point_share
    if psf is None:
        return None
    y, x = (cube[axis].values[prepared.spaxels] for axis in "yx")
    source = fit_source(prepared.flux, y, x, psf, centre, least_share=0.0)
    if source is None:
        return None
    shares = np.full(len(prepared.outcome), np.nan)
    shares[prepared.spaxels] = shares_of_light(prepared.flux, y, x, source)
    return shares


def _medoids(
    prepared: Prepared, tree: TreeResult, labels: NDArray[np.integer], settings: Settings
) -> NDArray[np.intp]:
    """Medoids (k,) of the clusters; in large galaxies, chosen among some of their members."""
    threads = settings.engine.threads_per_worker
    # The distances include noise: spectra are aligned to the medoid, which should not be noisy.
    if tree.items is None:
        return cluster_medoids(tree.condensed, labels)
    spectra, max_shift = prepared.spectra, prepared.max_shift
    return np.array(
        [
            members[sampled_medoid(spectra[members], max_shift, threads=threads)]
            for members in sampled_members(labels, MEDOID_CANDIDATES, SEED)
        ]
    )


def _field(cube: xr.Dataset, spaxels: NDArray[np.intp] | slice = slice(None)) -> NDArray[np.bool_]:
    """(ny, nx) where the cube has data, or only some of its spaxels."""
    field = np.zeros((cube.attrs["shape_y"], cube.attrs["shape_x"]), dtype=bool)
    field[cube["y"].values[spaxels], cube["x"].values[spaxels]] = True
    return field
