"""What `survey inspect` tells of a cube: what it is, and what clustering it will cost."""

from __future__ import annotations

from math import isnan
from pathlib import Path

from survey.config import Settings
from survey.cubes.inspect import CubeSummary, inspect_cube
from survey.engine.memory import Projection, project_clustering


def inspect_with_projection(
    cube: Path, settings: Settings, redshift: float
) -> tuple[CubeSummary, Projection]:
    """Summary of a cube, and the projected cost if every spaxel with data is clustered.

    Raises
    ------
    DataError
        If the cube cannot be read.
    """
    summary = inspect_cube(cube, settings.read, redshift)
    shift = settings.distance.shift
    if not isinstance(shift, int):
        middle_km_s = sum(summary.step_km_s) / 2
        shift = round((settings.distance.shift_km_s or 0.0) / middle_km_s)
    return summary, project_clustering(summary.n_spaxel, summary.shape[0], shift)


def summary_rows(summary: CubeSummary, projection: Projection) -> list[tuple[str, str]]:
    """Names and values to print, in order."""
    n_wavelength, n_y, n_x = summary.shape
    low, high = summary.range_um
    step, velocity = summary.step_um, summary.step_km_s
    return [
        ("instrument", f"{summary.instrument} {summary.band} (reader {summary.reader})"),
        ("target", f"{summary.target or 'not named'}, {_redshift(summary.redshift)}"),
        ("shape", f"{n_wavelength} planes of {n_y} x {n_x} spaxels"),
        ("unit", summary.flux_unit),
        ("wavelength", f"{low:.5g} to {high:.5g} um, observed, vacuum"),
        (
            "step",
            f"{step[0]:.4g} to {step[1]:.4g} um, {velocity[0]:.0f} to {velocity[1]:.0f} km/s",
        ),
        ("spaxel", f"{summary.spaxel_arcsec:.3g} arcsec, {summary.n_spaxel} with data"),
        ("bad", f"{summary.bad_fraction:.1%} of all voxels"),
        ("lines", _names(summary.lines)),
        ("bands", _names(summary.bands)),
        (
            "clustering",
            f"about {projection.seconds:.2g} s on one core, "
            f"{projection.peak_bytes / 2**30:.2g} GiB at peak",
        ),
    ]


def _names(names: tuple[str, ...] | None) -> str:
    if names is None:
        return "unknown without a redshift"
    return ", ".join(names) or "none"


def _redshift(redshift: float) -> str:
    return "redshift unknown" if isnan(redshift) else f"redshift {redshift:.6g}"
