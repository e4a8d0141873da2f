"""The command `survey inspect`: what a cube is, and what its clustering will cost."""

from __future__ import annotations

from math import isnan, prod
from pathlib import Path

from survey.config import Settings
from survey.cubes.files.cube_file import CubeFile
from survey.cubes.inspect import CubeSummary, inspect_cube
from survey.cubes.readers.guess import Guess
from survey.pipeline.galaxy.choose_tree_path import project_cost
from survey.pipeline.galaxy.costs import Projection, Work
from survey.pipeline.reference import reference_of
from survey.pipeline.run.targets import check_redshift


def inspect_with_projection(
    cube: str | Path | CubeFile,
    settings: Settings,
    redshift: float,
    *,
    memory_bytes: float | None = None,
) -> tuple[CubeSummary, Projection]:
    """Summary of a cube, and the projected cost if every spaxel with data is clustered.

    Parameters
    ----------
    cube : str or Path or CubeFile
        Where it is, also as a URL.
    settings : Settings
    redshift : float
        NaN if not known.
    memory_bytes : float, optional
        Memory of a worker, which decides how the tree is made. Default: no limit.

    Raises
    ------
    ConfigError
        If no galaxy can have the redshift.
    DataError
        If the cube cannot be read.
    ResourceError
        If clustering it does not fit into the memory.
    """
    check_redshift(redshift)
    summary = inspect_cube(cube, settings.read, redshift, reference=reference_of(settings.tables))
    shift = settings.distance.shift
    if not isinstance(shift, int):
        middle_km_s = sum(summary.step_km_s) / 2
        shift = round((settings.distance.shift_km_s or 0.0) / middle_km_s)
    work = Work.of(summary.n_spaxel, summary.shape[0], settings, max_shift=shift)
    return summary, project_cost(work, path=settings.linkage.path, memory_bytes=memory_bytes)


def with_generic(settings: Settings, guess: Guess) -> Settings:
    """The settings with those of the generic reader that were guessed."""
    read = settings.read.model_copy(update={"generic": guess.settings})
    return settings.model_copy(update={"read": read})


def summary_rows(summary: CubeSummary, projection: Projection) -> list[tuple[str, str]]:
    """Names and values to print, in order."""
    n_wavelength, n_y, n_x = summary.shape
    low, high = summary.range_um
    step, velocity = summary.step_um, summary.step_km_s
    return [
        ("instrument", f"{summary.instrument} {summary.sub_band} (reader {summary.reader})"),
        ("target", f"{summary.target or 'not named'}, {_redshift(summary.redshift)}"),
        ("shape", f"{n_wavelength} planes of {n_y} x {n_x} spaxels"),
        ("unit", summary.flux_unit),
        ("wavelength", f"{low:.5g} to {high:.5g} um, observed, vacuum"),
        (
            "step",
            f"{step[0]:.4g} to {step[1]:.4g} um, {velocity[0]:.0f} to {velocity[1]:.0f} km/s",
        ),
        ("spaxel", f"{summary.spaxel_arcsec:.3g} arcsec, {summary.n_spaxel} with data"),
        ("bad", f"{_percent(summary.bad_fraction)} of all voxels"),
        *_missing_rows(summary),
        ("lines", _names(summary.lines)),
        ("PAH bands", _names(summary.pah_bands)),
        *_cost_rows(projection),
    ]


def _missing_rows(summary: CubeSummary) -> list[tuple[str, str]]:
    """A row for every rule by which voxels are missing."""
    n_voxel = prod(summary.shape)
    return [
        ("by rule", f"{_percent(count / n_voxel)} ({count}): {rule}")
        for rule, count in summary.missing.items()
        if count
    ]


def _percent(fraction: float) -> str:
    """Per cent, with more digits where little is missing."""
    return f"{fraction:.1%}" if fraction >= 0.001 or not fraction else f"{fraction * 100:.1g}%"


def _cost_rows(projection: Projection) -> list[tuple[str, str]]:
    stages = [
        (stage.name, f"{_gib(stage.bytes)}, {_time(stage.seconds)}") for stage in projection.stages
    ]
    scratch = projection.scratch_bytes
    disk = f", {_gib(scratch)} of scratch on disk" if scratch else ""
    return [
        *stages,
        ("tree", projection.path + disk),
        (
            "in all",
            f"{_gib(projection.peak_bytes)} at peak, {_time(projection.seconds)} of one core",
        ),
    ]


def _gib(n_bytes: float) -> str:
    return f"{n_bytes / 2**30:.2f} GiB"


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.2g} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def _names(names: tuple[str, ...] | None) -> str:
    if names is None:
        return "unknown without a redshift"
    return ", ".join(names) or "none"


def _redshift(redshift: float) -> str:
    return "redshift unknown" if isnan(redshift) else f"redshift {redshift:.6g}"
