"""A subtracted point source as the last cluster of its galaxy: its spectra and its parts."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from survey.clustering.parts import ClusterParts, cluster_parts
from survey.clustering.profiles import ClusterProfiles
from survey.spectra.grid import cell_widths
from survey.spectra.prepare import Prepared
from survey.spectra.psf.subtracted import SubtractedSource


def with_profile_of(source: SubtractedSource, profiles: ClusterProfiles) -> ClusterProfiles:
    """The spectra of the clusters, and of the point source after them.

    Its median spectrum is at the median share of its spaxels, its sum is all of its light, also
    that outside of these.
    """
    share = np.median(source.share, axis=0)
    of_source = {
        "median": share * source.spectrum,
        "error": share * source.error,
        "std": np.full(len(share), np.nan),
        "mean": source.share.mean(axis=0) * source.spectrum,
        "weighted_mean": share * source.spectrum,
        "sum": source.spectrum,
        "sum_error": source.error,
        "n_spaxel": len(source.spaxels),
        "n_effective": 1.0,
    }
    return replace(
        profiles,
        **{
            field.name: np.concatenate(
                [getattr(profiles, field.name), np.asarray(of_source[field.name])[None]]
            )
            for field in fields(profiles)
        },
    )


def with_parts_of(
    source: SubtractedSource,
    parts: ClusterParts,
    number: int,
    y: NDArray[np.integer],
    x: NDArray[np.integer],
    at_edge: NDArray[np.bool_],
) -> ClusterParts:
    """The connected parts of the clusters, and of the point source, `number`, after them.

    Its spaxels (m,) are at `y`, `x`; those at the edge of the field are `at_edge`.
    """
    flux = source.share * source.spectrum
    labels = np.ones(len(y), np.int32)
    found = cluster_parts(flux, labels, y, x, flux.mean(axis=1), at_edge)
    found = replace(found, cluster=np.full_like(found.cluster, number))
    return ClusterParts(
        **{
            field.name: np.concatenate([getattr(parts, field.name), getattr(found, field.name)])
            for field in fields(parts)
        }
    )


def whole_scale(prepared: Prepared) -> NDArray[np.float64]:
    """(n,) factors that spectra were divided by, over the share that the point source left."""
    source = prepared.point_source
    if source is None:
        return prepared.scale
    return np.asarray(prepared.scale / (1.0 - source.point_share[prepared.spaxels]))


def scale_of_source(prepared: Prepared, source: SubtractedSource) -> NDArray[np.float64]:
    """(m,) integral of the light of the spaxels of the point source."""
    width = float(cell_widths(prepared.wavelength_um)[prepared.is_compared].sum())
    return np.asarray(prepared.mean_flux[source.spaxels] * width)


def with_fraction_of(
    source: SubtractedSource | None, fractions: NDArray[np.float32], kept: NDArray[np.intp]
) -> NDArray[np.float32]:
    """(n, k + 1) fractions of the clusters and of the point source, if any, in spaxels' light."""
    if source is None:
        return fractions
    share = source.point_share[kept][:, None]
    return np.concatenate([fractions * (1.0 - share), share], axis=1).astype(np.float32)
