"""Rows of the catalog's tables from the results of one galaxy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pandas as pd

from catalogs.feature_columns import LINE_FLUX_UNIT
from catalogs.flags import (
    AT_LIMIT_FRACTION_ABOVE,
    FEW_SPAXELS_BELOW,
    ClusterFlag,
    GalaxyFlag,
    SpaxelFlag,
)
from catalogs.part_tables import write_part_table
from catalogs.reference import Reference
from catalogs.schema import to_arrow
from catalogs.vocabulary import Vocabulary
from survey.clustering.cut import Cut, largest_k
from survey.config import FeatureSettings, Settings
from survey.cubes.wcs import is_on_cube, sky_position
from survey.features.feature_tables import feature_columns, measurement_rows, region_columns
from survey.features.measurements import measure_spectrum
from survey.features.spectrum import line_flux_unit, observed_spectrum
from survey.pipeline.galaxy.clusters import Clusters
from survey.pipeline.galaxy.point_cluster import scale_of_source, whole_scale, with_fraction_of
from survey.pipeline.galaxy.target import Target
from survey.spectra.fill import KEPT, REASONS

REJECTION_FLAGS = {
    "no data": SpaxelFlag.BAD_PLANES,
    "too many bad planes": SpaxelFlag.BAD_PLANES,
    "gap too long": SpaxelFlag.BAD_PLANES,
    "continuum S/N too low": SpaxelFlag.LOW_SNR,
    "no positive integral": SpaxelFlag.LOW_SNR,
    "point source": SpaxelFlag.POINT_SOURCE,
}
"""The bit for every reason why `prepare` leaves a spaxel out."""


def write_table(
    folder: Path,
    name: str,
    rows: Any,
    vocabulary: Vocabulary | None = None,
    *,
    partial: bool = False,
) -> None:
    """Write rows as a table of a part, as declared; `partial` leaves out columns not given."""
    write_part_table(folder, name, to_arrow(name, rows, vocabulary, partial=partial))


def spaxel_rows(galaxy: str, clusters: Clusters) -> pd.DataFrame:
    """Every spaxel with data, clustered or not."""
    cube, prepared = clusters.cube, clusters.prepared
    kept = prepared.spaxels
    by_code = [REJECTION_FLAGS[reason] for reason in REASONS]
    frame = pd.DataFrame({"galaxy": galaxy, "y": cube["y"].values, "x": cube["x"].values})
    frame["ra"], frame["dec"] = sky_position(
        cube.attrs["celestial_header"], frame["x"].to_numpy(), frame["y"].to_numpy()
    )
    frame["cluster"] = 0
    frame["flags"] = [0 if code == KEPT else int(by_code[code]) for code in prepared.outcome]
    frame.loc[kept, "cluster"] = clusters.cut.labels
    frame.loc[kept, "part"] = clusters.parts.of_spaxel[: len(kept)]
    frame.loc[kept, "shift_samples"] = clusters.shifts
    frame.loc[kept, "shift_km_s"] = clusters.shifts_km_s
    frame.loc[kept, "snr"] = prepared.snr
    frame.loc[kept, "scale"] = whole_scale(prepared)
    if clusters.psf_share is not None:
        frame["psf_share"] = clusters.psf_share
    fractions, source = clusters.cut.fractions, prepared.point_source
    rows = np.full(len(frame), None, dtype=object)
    if fractions is not None:
        rows[kept] = list(with_fraction_of(source, fractions, kept))
    if source is not None:
        frame.loc[source.spaxels, "cluster"] = clusters.k
        frame.loc[source.spaxels, "part"] = clusters.parts.of_spaxel[len(kept) :]
        frame.loc[source.spaxels, "scale"] = scale_of_source(prepared, source)
        if fractions is not None:
            rows[source.spaxels] = [np.eye(clusters.k, dtype=np.float32)[-1]] * len(source.spaxels)
    if fractions is not None:
        frame["fractions"] = rows
    frame.loc[kept, "flags"] = _union(
        {
            SpaxelFlag.GAP_INTERPOLATED: prepared.filled > 0,
            SpaxelFlag.SHIFT_AT_LIMIT: clusters.at_limit,
        }
    )
    frame["flags"] |= np.where(prepared.n_impossible > 0, int(SpaxelFlag.IMPOSSIBLE_VOXELS), 0)
    return frame


def split_rows(galaxy: str, cut: Cut) -> list[dict[str, Any]]:
    """The decisions of the walk down the tree; none for other criteria."""
    if cut.walked is None:
        return []
    rows = []
    for number, decision in enumerate(cut.walked.decisions):
        difference = decision.difference
        is_split = decision.step == "split"
        rows.append(
            {
                "galaxy": galaxy,
                "decision": number,
                "step": decision.step,
                "accepted": decision.accepted,
                "reason": decision.reason,
                "meaning": decision.sentence,
                "node": decision.node if is_split else None,
                "height": decision.height,
                "n_left": difference.n[0],
                "n_right": difference.n[1],
                "snr_left": difference.snr[0],
                "snr_right": difference.snr[1],
                "difference": difference.total,
                "shape": difference.shape,
                "structure": difference.structure,
                "peak": difference.peak,
                "lines": difference.lines,
                "dispersion": cut.walked.dispersion,
            }
        )
    return rows


def spectrum_rows(galaxy: str, clusters: Clusters) -> list[dict[str, Any]]:
    """The spectra of every cluster."""
    profiles = clusters.profiles
    columns = {
        "median": profiles.median,
        "std": profiles.std,
        "err": profiles.error,
        "mean": profiles.mean,
        "sum": profiles.sum,
        "err_sum": profiles.sum_error,
        "ivar_mean": profiles.weighted_mean,
    }
    shared = {
        "galaxy": galaxy,
        "wavelength_um": clusters.prepared.wavelength_um,
        "flux_unit": clusters.cube.attrs["flux_unit"],
    }
    return [
        shared | {"cluster": c + 1} | {name: spectra[c] for name, spectra in columns.items()}
        for c in range(clusters.k)
    ]


def part_rows(galaxy: str, clusters: Clusters) -> pd.DataFrame:
    """The connected parts of every cluster."""
    parts = clusters.parts
    ra, dec = sky_position(
        clusters.cube.attrs["celestial_header"], parts.centroid_x, parts.centroid_y
    )
    return pd.DataFrame(
        {
            "galaxy": galaxy,
            "cluster": parts.cluster,
            "part": parts.part,
            "n_spaxel": parts.n_spaxel,
            "ra": ra,
            "dec": dec,
            "x": parts.centroid_x,
            "y": parts.centroid_y,
            "light_fraction": parts.light_fraction,
            "continuum_snr": parts.continuum_snr,
            "touches_edge": parts.touches_edge,
        }
    )


def geometry_rows(galaxy: str, clusters: Clusters) -> pd.DataFrame:
    """The clusters without their features."""
    geometry, profiles, labels = clusters.geometry, clusters.profiles, clusters.cut.labels
    number = np.arange(1, clusters.k + 1)
    is_point = number > clusters.cut.k
    shift, at_limit = np.zeros(clusters.k), np.zeros(clusters.k, dtype=bool)
    for c in number[~is_point]:
        shift[c - 1] = np.median(clusters.shifts_km_s[labels == c])
        at_limit[c - 1] = np.median(clusters.at_limit[labels == c]) > 0.5
    ra, dec = sky_position(
        clusters.cube.attrs["celestial_header"], geometry.centroid_x, geometry.centroid_y
    )
    flags = _union(
        {
            ClusterFlag.LOW_SNR: clusters.low_snr,
            ClusterFlag.NUCLEAR: geometry.nuclear,
            ClusterFlag.TOUCHES_EDGE: geometry.touches_edge,
            ClusterFlag.FEW_SPAXELS: geometry.n_spaxel < FEW_SPAXELS_BELOW,
            ClusterFlag.SHIFT_AT_LIMIT: at_limit,
            ClusterFlag.POINT_SOURCE: is_point,
        }
    )
    return pd.DataFrame(
        {
            "galaxy": galaxy,
            "cluster": number,
            "n_spaxel": geometry.n_spaxel,
            "area_arcsec2": geometry.area_arcsec2,
            "ra": ra,
            "dec": dec,
            "x": geometry.centroid_x,
            "y": geometry.centroid_y,
            "radius_arcsec": geometry.radius_arcsec,
            "offset_arcsec": geometry.offset_arcsec,
            "nuclear": geometry.nuclear,
            "low_snr": clusters.low_snr,
            "continuum_snr": profiles.continuum_snr,
            "shift_km_s": shift,
            "flux": profiles.median.mean(axis=1),
            "flags": flags,
        }
    )


def galaxy_facts(
    clusters: Clusters,
    target: Target,
    redshift: float,
    settings: Settings,
    tree_summary: dict[str, Any],
) -> dict[str, Any]:
    """The galaxy's row as far as it is known before the features, as JSON values."""
    attrs, prepared, cut = clusters.cube.attrs, clusters.prepared, clusters.cut
    merged = len(target.files) > 1
    # Of merged cubes some were masked before they were merged.
    n_impossible = int(prepared.n_impossible.sum()) + int(attrs.get("n_impossible", 0))
    ra_deg, dec_deg, replaced = _position(target, attrs)
    conditions = {
        GalaxyFlag.SHIFTS_AT_LIMIT: tree_summary["at_limit_fraction"] > AT_LIMIT_FRACTION_ABOVE,
        GalaxyFlag.MERGED_BANDS: merged,
        GalaxyFlag.NO_WCS: not attrs["celestial_header"],
        GalaxyFlag.CUT_AT_K_MAX: cut.k == largest_k(settings.cut),
        GalaxyFlag.PLANES_DROPPED: len(prepared.dropped_planes) > 0,
        GalaxyFlag.NUCLEUS_NOT_CLUSTERED: not clusters.geometry.nuclear.any(),
        GalaxyFlag.IMPOSSIBLE_VOXELS: n_impossible > 0,
        GalaxyFlag.POSITION_REPLACED: replaced,
        GalaxyFlag.STALE_CHECKSUM: bool(attrs.get("stale_checksum", False)),
        GalaxyFlag.POINT_SOURCE_SUBTRACTED: prepared.point_source is not None,
    }
    return {
        "galaxy": target.galaxy,
        "ra": ra_deg,
        "dec": dec_deg,
        "redshift": redshift,
        "instrument": attrs["instrument"],
        "band": attrs["band"],
        "files": ";".join(file.name for file in target.files),
        "n_spaxel": int(clusters.profiles.n_spaxel.sum()),
        "n_cluster": clusters.k,
        "n_impossible": n_impossible,
        "criterion": cut.criterion,
        "k_runner_up": cut.runner_up,
        "at_limit_fraction": tree_summary["at_limit_fraction"],
        "engine": tree_summary["engine"],
        "dtype": tree_summary["dtype"],
        "linkage": settings.linkage.method,
        "linkage_path": tree_summary["path"],
        "projected_memory_bytes": tree_summary["projected_peak_bytes"],
        "flux_unit": attrs["flux_unit"],
        "wavelength_min_um": float(prepared.wavelength_um[0]),
        "wavelength_max_um": float(prepared.wavelength_um[-1]),
        "spaxel_area_arcsec2": attrs["spaxel_area_arcsec2"],
        "celestial_header": attrs["celestial_header"],
        "shape_y": int(attrs["shape_y"]),
        "shape_x": int(attrs["shape_x"]),
        "centre_y": clusters.centre[0],
        "centre_x": clusters.centre[1],
        "merge_factors": json.dumps(json.loads(attrs["merge_factors"])) if merged else None,
        "snr": float(np.median(prepared.snr)),
        "flags": int(_union(conditions)),
    }


@dataclass(frozen=True)
class MeasuredRows:
    """Rows of the tables `clusters` and `measurements`."""

    clusters: list[dict[str, Any]]
    measurements: list[dict[str, Any]]


def measured_rows(
    geometry: pd.DataFrame,
    spectra: pd.DataFrame,
    facts: dict[str, Any],
    settings: FeatureSettings,
    reference: Reference,
) -> MeasuredRows:
    """Geometry, and the features of the median and of the sum spectra.

    Parameters
    ----------
    geometry : DataFrame
        See `geometry_rows`.
    spectra : DataFrame
        Rows of the table `spectra`, in the same order.
    facts : dict
        See `galaxy_facts`.
    settings : FeatureSettings
    reference : Reference
        Of the lines and bands.
    """
    unit, redshift, area = facts["flux_unit"], facts["redshift"], facts["spaxel_area_arcsec2"]
    factor = _surface_brightness_factor(unit, area)
    rows, measurements = [], []
    for place, spectrum in zip(
        geometry.to_dict("records"), spectra.to_dict("records"), strict=True
    ):
        wavelength_um = np.asarray(spectrum["wavelength_um"])
        power = reference.resolving_power(facts["instrument"], wavelength_um * (1.0 + redshift))
        found, region = (
            measure_spectrum(
                observed_spectrum(
                    wavelength_um,
                    spectrum[flux],
                    spectrum[error],
                    flux_unit=unit,
                    redshift=redshift,
                    resolving_power=power,
                ),
                reference.lines,
                reference.bands,
                reference.slope(),
                settings,
            )
            for flux, error in (("median", "err"), ("sum", "err_sum"))
        )
        median = [item.scaled(factor) for item in found.features]
        whole = [item.scaled(factor * area) for item in region.features]
        columns = feature_columns(median) | region_columns(whole)
        key = {name: place[name] for name in ("galaxy", "cluster")}
        measurements += [
            key | line
            for line in measurement_rows(
                median, whole, found.width, (*reference.lines, *reference.bands)
            )
        ]
        row = {str(name): value for name, value in place.items()} | columns
        row |= {
            "slope_alpha": found.slope.alpha,
            "slope_alpha_err": found.slope.error,
            "silicate_strength": found.silicate.strength,
            "silicate_strength_err": found.silicate.error,
            "velocity_km_s": found.velocity.velocity_km_s,
            "velocity_err_km_s": found.velocity.error_km_s,
            "velocity_significance": found.velocity.significance,
            "velocity_n_line": found.velocity.n_lines,
            "line_fwhm_km_s": found.width.measured_km_s,
            "line_fwhm_err_km_s": found.width.error_km_s,
            "line_fwhm_n_line": found.width.n_lines,
        }
        detected = [item for item in found.features if item.detected]
        row["flags"] |= int(
            _union(
                {
                    ClusterFlag.BLENDED_LINE: any(item.blended for item in detected),
                    ClusterFlag.DISPLACED_LINE: any(item.displaced for item in detected),
                    ClusterFlag.NO_VELOCITY: not found.velocity.found,
                }
            )
        )
        rows.append(row)
    return MeasuredRows(rows, measurements)


def _union(conditions: Mapping[Any, Any]) -> Any:
    """Integers with the bits whose condition holds, one per element."""
    return sum(np.where(holds, int(flag), 0) for flag, holds in conditions.items())


def _surface_brightness_factor(flux_unit: str, spaxel_area_arcsec2: float) -> float:
    """From integrated fluxes in the cube's own terms to the unit of the catalog."""
    measured = u.Unit(line_flux_unit(flux_unit))
    wanted = u.Unit(LINE_FLUX_UNIT)
    for per_spaxel in (u.dimensionless_unscaled, u.pix):
        if (measured * per_spaxel).is_equivalent(u.W / u.m**2):
            return float((measured * per_spaxel).to(u.W / u.m**2)) / spaxel_area_arcsec2
    return float(measured.to(wanted))


def _position(target: Target, attrs: Mapping[str, Any]) -> tuple[float, float, bool]:
    """Position of the target, and whether it is not the one that was given.

    That of the targets table if it is on the cube, else that of the cube's header, else the centre.
    """
    shape = int(attrs["shape_y"]), int(attrs["shape_x"])
    if is_on_cube(attrs["celestial_header"], shape, target.ra_deg, target.dec_deg):
        return target.ra_deg, target.dec_deg, False
    given = bool(np.isfinite([target.ra_deg, target.dec_deg]).any())
    replaced = given or bool(attrs["position_is_centre"])
    return float(attrs["ra_deg"]), float(attrs["dec_deg"]), replaced
