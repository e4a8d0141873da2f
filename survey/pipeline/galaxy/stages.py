"""What the stages of one galaxy do, from its files to its rows in the catalog.

Each function is one stage: it takes what the stages before it made and returns what it makes.
`survey.pipeline.galaxy.stage_list` says for each what it depends on, and where its result is kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catalogs.flags import ClusterFlag, GalaxyFlag
from catalogs.part_tables import copy_part_table, read_part_table
from catalogs.parts import Receipt
from catalogs.reference import Reference
from catalogs.schema import arrow_schema
from catalogs.vocabulary import Vocabulary
from survey.clustering.cut import Cut
from survey.clustering.pair_sums import random_sample
from survey.cubes.files.cube_file import CubeFile
from survey.cubes.registry import check_header_redshift
from survey.cubes.scratch import SCRATCH
from survey.cubes.store import BAND_BYTES, stored_spectra, write_store
from survey.cubes.whole.read_files import open_files
from survey.distances.distances import shifted_distances
from survey.distances.noise import noise_energy
from survey.errors import DataError
from survey.features.lines import line_ranges
from survey.features.velocity import is_redshift_suspect
from survey.pipeline.galaxy.choose_tree_path import is_streamed, project_cost
from survey.pipeline.galaxy.clusters import cut_tree, describe_clusters
from survey.pipeline.galaxy.costs import Work
from survey.pipeline.galaxy.peak_memory import peak_memory_bytes
from survey.pipeline.galaxy.physical import PhysicalScale, with_physical
from survey.pipeline.galaxy.products import write_cut, write_reconstruction
from survey.pipeline.galaxy.psf import needed_psf, psf_of_spectra
from survey.pipeline.galaxy.stage import GalaxyContext, Part
from survey.pipeline.galaxy.tables import (
    MeasuredRows,
    galaxy_facts,
    geometry_rows,
    measured_rows,
    part_rows,
    spaxel_rows,
    spectrum_rows,
    split_rows,
    write_table,
)
from survey.pipeline.galaxy.tree import SEED, TreeResult
from survey.pipeline.galaxy.tree_paths import TREE_PATHS, TreeDistances, TreeInput
from survey.pipeline.ratios import all_ratios, with_ratios
from survey.pipeline.reference import run_vocabulary
from survey.spectra.blocks import Allocate, Rows, in_memory
from survey.spectra.error_check import doubt_about_errors, noise_of_planes
from survey.spectra.prepare import Prepared, prepare

UNKNOWN_REDSHIFT = "the redshift is unknown"

SAMPLE_SPAXELS = 4000
"""Spaxels on which cuts are compared if the matrix of all spaxels is not kept."""

REMOTE_BAND_FRACTION = 1 / 8
"""Of the memory of a worker, for the flux of a remote cube that is read at a time."""

ERROR_BLOCKS, ERROR_BLOCK_SPAXELS = 8, 64
"""Blocks of spaxels, spread over the cube, whose errors are compared with the noise by plane."""


def read(galaxy: GalaxyContext) -> None:
    """Convert the files to a Zarr store; sub-bands become one cube."""
    files = galaxy.target.files
    with open_files(
        files,
        galaxy.settings.read,
        masked=galaxy.settings.prepare.mask_impossible,
        arms=galaxy.arms,
        scratch=galaxy.root / SCRATCH,
    ) as cube:
        write_store(
            cube,
            galaxy.store_path("read"),
            **galaxy.settings.store.model_dump(),
            band_bytes=_band_bytes(galaxy, files),
        )


def prepare_spectra(galaxy: GalaxyContext, cube: xr.Dataset) -> Prepared:
    """Normalised rest-frame spectra of the good spaxels; cheap enough not to be stored."""
    settings, redshift = galaxy.settings, _redshift(galaxy, cube)
    tables: tuple[Rows, ...] = stored_spectra(galaxy.store_path("read"))
    flux, error, bad = tables if _streamed(galaxy, cube) else (table[:] for table in tables)
    shift = settings.distance.shift
    psf = None
    if settings.prepare.psf != "none":
        file = galaxy.target.files[0].address
        psf = needed_psf(cube, settings.prepare, galaxy.reference, file)
    return prepare(
        flux,
        error,
        bad,
        cube["wavelength"].values,
        redshift=redshift,
        window_um=galaxy.window_um,
        settings=settings.prepare,
        shift_samples=shift if isinstance(shift, int) else 0,
        shift_km_s=settings.distance.shift_km_s,
        line_mask_um=line_mask_um(galaxy.reference, cube.attrs["instrument"], redshift),
        positions=(cube["y"].values, cube["x"].values),
        psf=psf,
        allocate=_allocate(galaxy, cube),
    )


def measure_distances(
    galaxy: GalaxyContext, cube: xr.Dataset, prepared: Prepared
) -> tuple[TreeInput, TreeDistances]:
    """Distances of all pairs, in the form that the chosen path makes a tree from."""
    n_spaxel, n_plane = prepared.spectra.shape
    disk = shutil.disk_usage(galaxy.scratch.parent)
    projection = project_cost(
        Work.of(
            n_spaxel, n_plane, galaxy.settings, max_shift=prepared.max_shift, read=_shape(cube)
        ),
        path=galaxy.settings.linkage.path,
        memory_bytes=galaxy.memory_bytes,
        disk_bytes=disk.free,
        disk_total_bytes=disk.total,
    )
    given = TreeInput(
        spectra=prepared.spectra,
        max_shift=prepared.max_shift,
        energy=noise_energy(prepared.spectra),
        settings=galaxy.settings,
        projection=projection,
        scratch=galaxy.scratch,
    )
    return given, TREE_PATHS[projection.path].distances(given)


def make_tree(galaxy: GalaxyContext, measured: tuple[TreeInput, TreeDistances]) -> Part:
    """The tree, with the distances that the cut needs."""
    given, distances = measured
    path = TREE_PATHS[given.projection.path]
    made = path.tree(given, distances.values)
    items, condensed = None, made.condensed
    if condensed is None:
        items = random_sample(len(given.energy), SAMPLE_SPAXELS, SEED)
        sample = given.spectra[items]
        condensed = shifted_distances(sample, given.max_shift, threads=given.threads).condensed
    result = TreeResult(made.tree, given.energy, condensed, items)
    summary = {
        "path": path.name,
        "engine": distances.engine,
        "dtype": distances.dtype,
        "at_limit_fraction": distances.at_limit_fraction,
        "projected_peak_bytes": given.projection.peak_bytes,
    }
    note = f"its tree of {len(given.energy)} spaxels is approximate (path {path.name!r})"
    return Part(result.save, summary, notes=() if path.exact else (note,))


def cut(galaxy: GalaxyContext, cube: xr.Dataset, prepared: Prepared, tree_part: Receipt) -> Cut:
    """The clusters of the spaxels: the tree is cut."""
    return cut_tree(cube, prepared, TreeResult.load(tree_part), galaxy.settings)


def profiles(
    galaxy: GalaxyContext, cube: xr.Dataset, prepared: Prepared, tree_part: Receipt, found: Cut
) -> Part:
    """The map of the clusters, their spectra and their geometry."""
    settings, target = galaxy.settings, galaxy.target
    tree = TreeResult.load(tree_part)
    observed_um = prepared.wavelength_um * (1.0 + _redshift(galaxy, cube))
    psf = psf_of_spectra(cube, observed_um, settings.prepare, galaxy.reference)
    clusters = describe_clusters(cube, prepared, tree, found, settings, psf)
    given = bool(cube.attrs["has_errors"])
    doubt = doubt_about_errors(
        prepared.error_ratio,
        prepared.noise,
        given=given,
        planes=noise_of_planes(*_some_spaxels(galaxy)) if given else None,
    )
    facts = galaxy_facts(clusters, target, _redshift(galaxy, cube), settings, tree_part.summary)
    if doubt is not None:
        facts["flags"] |= int(GalaxyFlag.ERRORS_DOUBTFUL)

    def write(folder: Path) -> None:
        write_table(folder, "spaxels", spaxel_rows(target.galaxy, clusters))
        write_table(folder, "parts", part_rows(target.galaxy, clusters))
        write_table(folder, "splits", split_rows(target.galaxy, found))
        write_table(folder, "spectra", spectrum_rows(target.galaxy, clusters))
        write_table(folder, "clusters", geometry_rows(target.galaxy, clusters), partial=True)
        write_cut(folder / "cut.json", found)
        if settings.profiles.reconstruct:
            write_reconstruction(folder / "reconstruction.fits", clusters, _allocate(galaxy, cube))

    return Part(
        write,
        {"facts": facts},
        notes=() if doubt is None else (doubt,),
        packed=not settings.profiles.reconstruct,
    )


def features(galaxy: GalaxyContext, profiled: Receipt) -> MeasuredRows:
    """Lines, bands and slope of every cluster's median spectrum; lines and bands of its sum."""
    measured = measured_rows(
        read_part_table(profiled, "clusters", _vocabulary(galaxy), partial=True).to_pandas(),
        read_part_table(profiled, "spectra").to_pandas(),
        profiled.summary["facts"],
        galaxy.settings.features,
        galaxy.reference,
    )
    measured = with_physical(measured, _scale(galaxy, profiled))
    vocabulary = _vocabulary(galaxy)
    known = set(arrow_schema("clusters", vocabulary=vocabulary).names)
    ratios = [ratio for ratio in all_ratios(galaxy.reference) if ratio.name in vocabulary.ratios]
    rows = with_ratios(measured.clusters, ratios)
    # Rare lines have no columns of their own.
    kept = [{name: value for name, value in row.items() if name in known} for row in rows]
    return MeasuredRows(kept, measured.measurements)


def commit(galaxy: GalaxyContext, profiled: Receipt, measured: MeasuredRows) -> Part:
    """The galaxy's part of the catalog: its rows of all tables."""
    seconds = dict(galaxy.seconds)
    facts = profiled.summary["facts"]
    if is_redshift_suspect(_velocities(measured)):
        facts = facts | {"flags": facts["flags"] | int(GalaxyFlag.REDSHIFT_SUSPECT)}
    row = (
        facts
        | _scale(galaxy, profiled).facts()
        | {
            "content_hash": galaxy.content_hash,
            "part_key": galaxy.keys["commit"],
            "peak_memory_bytes": peak_memory_bytes(),
            "seconds_total": sum(seconds.values()),
            **{f"seconds_{stage}": value for stage, value in seconds.items()},
        }
    )

    def write(folder: Path) -> None:
        write_table(folder, "galaxies", [row])
        write_table(folder, "clusters", measured.clusters, _vocabulary(galaxy))
        write_table(folder, "measurements", measured.measurements)
        for name in ("spaxels", "parts", "splits", "spectra"):
            copy_part_table(profiled, name, folder)

    return Part(write, {})


def _scale(galaxy: GalaxyContext, profiled: Receipt) -> PhysicalScale:
    return PhysicalScale.of(galaxy.target.distance_mpc, profiled.summary["facts"]["redshift"])


def _band_bytes(galaxy: GalaxyContext, files: Sequence[CubeFile]) -> int | None:
    """What is read of a cube at a time: much of a remote one, which is fetched for every band."""
    if len(files) > 1 or not files[0].is_remote:
        return None
    return max(BAND_BYTES, int((galaxy.memory_bytes or 0) * REMOTE_BAND_FRACTION))


def _some_spaxels(
    galaxy: GalaxyContext,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Flux, error and mask of some blocks of spaxels of the cube."""
    tables = stored_spectra(galaxy.store_path("read"))
    last = max(0, tables[0].shape[0] - ERROR_BLOCK_SPAXELS)
    starts = np.unique(np.linspace(0, last, ERROR_BLOCKS).astype(int) // ERROR_BLOCK_SPAXELS)
    flux, error, bad = (
        np.concatenate(
            [table[start : start + ERROR_BLOCK_SPAXELS] for start in starts * ERROR_BLOCK_SPAXELS]
        )
        for table in tables
    )
    return flux, error, bad


def _velocities(measured: MeasuredRows) -> NDArray[np.float64]:
    """Velocity of every cluster; NaN where its lines show none."""
    return np.array(
        [
            np.nan if row["flags"] & ClusterFlag.NO_VELOCITY else row["velocity_km_s"]
            for row in measured.clusters
        ]
    )


def _redshift(galaxy: GalaxyContext, cube: xr.Dataset) -> float:
    """The redshift of the target, or else of the cube's header."""
    if np.isfinite(galaxy.target.redshift):
        return galaxy.target.redshift
    redshift = float(cube.attrs["redshift"])
    check_header_redshift(redshift, galaxy.target.files[0])
    if np.isfinite(redshift):
        return redshift
    raise DataError(
        UNKNOWN_REDSHIFT,
        file=galaxy.target.files[0].address,
        expected="one in the targets table or in the header",
        found="none",
        advice="Give it in the targets table, or with --redshift (0 for a star).",
    )


def line_mask_um(
    reference: Reference, instrument: str, redshift: float
) -> tuple[tuple[float, float], ...]:
    """Rest-frame ranges of the known lines, as wide as the instrument shows them."""
    observed = np.array([line.wavelength_um for line in reference.lines]) * (1.0 + redshift)
    return line_ranges(reference.lines, reference.resolving_power(instrument, observed))


def _vocabulary(galaxy: GalaxyContext) -> Vocabulary:
    return run_vocabulary(galaxy.reference, galaxy.settings)


def _shape(cube: xr.Dataset) -> tuple[int, int]:
    return cube.sizes["spaxel"], cube.sizes["wavelength"]


def _streamed(galaxy: GalaxyContext, cube: xr.Dataset) -> bool:
    """Whether the spectra are on disk while the galaxy is computed."""
    return is_streamed(_shape(cube), galaxy.memory_bytes)


def _allocate(galaxy: GalaxyContext, cube: xr.Dataset) -> Allocate:
    return galaxy.scratch.allocate if _streamed(galaxy, cube) else in_memory
