"""One galaxy: cube, linkage, profiles, features, each computed from the one before.

Every stage ends in something immutable on disk whose name holds the key of all it depends
on. A stage asks for what it needs, so asking for the last one computes exactly what is not
there yet, and a changed setting reaches exactly the stages that depend on it.
"""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from catalogs import SCHEMA_VERSION
from catalogs.durable import hash_bytes, hash_file
from catalogs.part_tables import copy_part_table, read_part_table
from catalogs.parts import PartStore, Receipt, safe_name
from catalogs.reference import load_lines, named_window, reference_digest, resolving_power
from survey.config import STAGE_SETTINGS, WHOLE_WINDOW, Settings, fingerprint, stage_settings
from survey.cubes.merge import merge_bands
from survey.cubes.registry import open_cube, read_cube
from survey.cubes.scratch import SCRATCH, Scratch
from survey.cubes.store import open_store, stored_spectra, write_store
from survey.errors import DataError, IntegrityError
from survey.features.lines import line_ranges
from survey.pipeline.galaxy.clusters import describe_clusters
from survey.pipeline.galaxy.costs import APPROXIMATE, Work
from survey.pipeline.galaxy.paths import is_streamed, project
from survey.pipeline.galaxy.products import write_cut, write_reconstruction
from survey.pipeline.galaxy.tables import (
    galaxy_facts,
    geometry_rows,
    measured_rows,
    spaxel_rows,
    spectrum_rows,
    write_table,
)
from survey.pipeline.galaxy.target import Target
from survey.pipeline.galaxy.timing import Stopwatch, peak_memory_bytes, reset_peak_memory
from survey.pipeline.galaxy.tree import Linked, link
from survey.pipeline.lazily import lazily
from survey.pipeline.ratios import with_ratios
from survey.spectra.blocks import Allocate, Rows, in_memory
from survey.spectra.prepare import Prepared, prepare

STAGES = tuple(STAGE_SETTINGS)

CODE_VERSION = {"convert": 1, "linkage": 3, "profiles": 2, "features": 3}
"""Raised when a stage's code changes its results: what it made before is then made again."""

NUMERIC_LIBRARIES = {
    "convert": ("numpy", "astropy", "reproject", "zarr"),
    "linkage": ("numpy", "scipy", "fastcluster", "numba", "scikit-learn"),
    "profiles": ("numpy", "scipy"),
    "features": ("numpy", "scipy", "astropy"),
}


class Galaxy:
    """The stages of one galaxy in one run directory.

    Parameters
    ----------
    target : Target
    settings : Settings
    root : Path
        The run directory.
    memory_bytes : float, optional
        What this process may use; decides what is kept on disk, and how the tree is made.

    Attributes
    ----------
    stage : str
        The stage under way, for whoever has to say where something failed.
    computed : list of str
        Stages that had to be computed.
    """

    def __init__(
        self, target: Target, settings: Settings, root: Path, memory_bytes: float | None = None
    ) -> None:
        self.target = target
        self.settings = settings
        self.root = root
        self.memory_bytes = memory_bytes
        self.scratch = Scratch(root, safe_name(target.galaxy))
        self.parts = PartStore(root)
        self.clock = Stopwatch()
        self.stage = "read"
        self.computed: list[str] = []

    def result(self) -> Receipt:
        """The committed part that the catalog is made of."""
        reset_peak_memory()
        try:
            return self.features
        finally:
            if self.scratch.path.exists():
                self.__dict__.pop("prepared", None)
                self.scratch.remove()

    @property
    def notes(self) -> list[str]:
        """What is worth telling of what had to be computed."""
        if "linkage" in self.computed and (path := self.linkage.summary["path"]) in APPROXIMATE:
            n_spaxel = self.profiles.summary["facts"]["n_spaxel"]
            return [f"its tree, of {n_spaxel} spaxels, was made by the path {path!r}"]
        return []

    @lazily
    def content_hash(self) -> str:
        """Hash of the content of all input files."""
        missing = [file for file in self.target.files if not file.is_file()]
        if missing:
            raise DataError("no such file", file=missing[0])
        return hash_bytes("".join(hash_file(file) for file in self.target.files).encode())

    @property
    def known_hash(self) -> str | None:
        """The content hash, if it got that far."""
        return self.__dict__.get("content_hash")

    @lazily
    def keys(self) -> dict[str, str]:
        """The key of every stage: settings, code, libraries, and the stage before."""
        facts: dict[str, Any] = {
            "convert": self.content_hash,
            "linkage": repr(self.target.redshift),
            "profiles": [SCHEMA_VERSION, repr(self.target.ra_deg), repr(self.target.dec_deg)],
            "features": [SCHEMA_VERSION, reference_digest()],
        }
        keys: dict[str, str] = {}
        before = ""
        for stage in STAGES:
            before = keys[stage] = fingerprint(
                before,
                facts[stage],
                stage_settings(self.settings, stage),
                CODE_VERSION[stage],
                [_version(name) for name in NUMERIC_LIBRARIES[stage]],
            )
        return keys

    @property
    def store_path(self) -> Path:
        """Where the converted cube is, or will be."""
        name = safe_name(self.target.galaxy)
        return self.root / "cubes" / f"{name}-{self.keys['convert']}.zarr"

    def drop_store(self) -> None:
        """Remove the converted cube."""
        shutil.rmtree(self.store_path, ignore_errors=True)

    @lazily
    def cube(self) -> xr.Dataset:
        """The converted cube, opened lazily; converted first if it is not there and sound."""
        if self.store_path.exists():
            try:
                return open_store(self.store_path)
            except IntegrityError:
                self.drop_store()
        with self._computing("convert"), self.clock("read"):
            self._convert()
        return open_store(self.store_path)

    def _convert(self) -> None:
        layout, read = self.settings.store.model_dump(), self.settings.read
        scratch = self.root / SCRATCH
        if len(self.target.files) == 1:
            with open_cube(self.target.files[0], read, scratch=scratch) as cube:
                write_store(cube, self.store_path, **layout)
            return
        cubes = [read_cube(file, read, scratch=scratch) for file in self.target.files]
        write_store(merge_bands(cubes), self.store_path, **layout)

    @lazily
    def redshift(self) -> float:
        """That of the target, or else of the cube's header."""
        for redshift in (self.target.redshift, float(self.cube.attrs["redshift"])):
            if np.isfinite(redshift):
                return redshift
        raise DataError(
            "the redshift is unknown",
            file=self.target.files[0],
            advice="Give it in the targets table, or with --redshift (0 for a star).",
        )

    @lazily
    def prepared(self) -> Prepared:
        """Normalised rest-frame spectra; cheap enough not to be stored."""
        self.cube  # noqa: B018 - converted here, if it has to be
        with self._at("prepare"), self.clock("prepare"):
            try:
                return self._prepare()
            except IntegrityError:
                self.drop_store()
                self.__dict__.pop("cube")
                return self._prepare()

    def _prepare(self) -> Prepared:
        cube, shift, window = self.cube, self.settings.distance.shift, self.settings.prepare.window
        tables: tuple[Rows, ...] = stored_spectra(self.store_path)
        flux, error, bad = tables if self.streamed else (table[:] for table in tables)
        return prepare(
            flux,
            error,
            bad,
            cube["wavelength"].values,
            redshift=self.redshift,
            window_um=_limits(window),
            settings=self.settings.prepare,
            shift_samples=shift if isinstance(shift, int) else 0,
            shift_km_s=self.settings.distance.shift_km_s,
            line_mask_um=self._line_mask_um(),
            allocate=self._allocate,
        )

    @lazily
    def streamed(self) -> bool:
        """Whether its spectra are on disk while it is computed."""
        return is_streamed(self._shape, self.memory_bytes)

    @property
    def _shape(self) -> tuple[int, int]:
        return self.cube.sizes["spaxel"], self.cube.sizes["wavelength"]

    @property
    def _allocate(self) -> Allocate:
        return self.scratch.allocate if self.streamed else in_memory

    @lazily
    def linkage(self) -> Receipt:
        """Part with the condensed distances and the tree."""
        if found := self._find("linkage"):
            return found
        prepared, settings = self.prepared, self.settings
        with self._computing("linkage"):
            n_spaxel, n_plane = prepared.spectra.shape
            work = Work(
                n_spaxel,
                n_plane,
                prepared.max_shift,
                settings.distance.dtype,
                settings.linkage.micro_clusters,
                settings.linkage.method,
                read=self._shape,
            )
            projection = project(
                work,
                path=settings.linkage.path,
                memory_bytes=self.memory_bytes,
                disk_bytes=shutil.disk_usage(self.root).free,
            )
            linked, facts = link(prepared, settings, projection, self.scratch, self.clock)
            seconds = self.clock.seconds("read", "prepare", "distances", "linkage")
            return self._commit("linkage", linked.save, facts | {"seconds": seconds})

    @lazily
    def profiles(self) -> Receipt:
        """Part with the cut, the map of clusters and their spectra."""
        if found := self._find("profiles"):
            return found
        linkage, prepared = self.linkage, self.prepared
        with self._computing("profiles"):
            with self.clock("profiles"):
                linked = Linked.load(linkage.path)
                clusters = describe_clusters(self.cube, prepared, linked, self.settings)
            galaxy = self.target.galaxy

            def write(folder: Path) -> None:
                write_table(folder, "spaxels", spaxel_rows(galaxy, clusters))
                write_table(folder, "spectra", spectrum_rows(galaxy, clusters))
                write_table(folder, "clusters", geometry_rows(galaxy, clusters), partial=True)
                write_cut(folder / "cut.json", clusters.cut)
                if self.settings.profiles.reconstruct:
                    write_reconstruction(folder / "reconstruction.fits", clusters, self._allocate)

            facts = galaxy_facts(
                clusters, self.target, self.redshift, self.settings, linkage.summary
            )
            seconds = linkage.summary["seconds"] | self.clock.seconds("profiles")
            return self._commit("profiles", write, {"facts": facts, "seconds": seconds})

    @lazily
    def features(self) -> Receipt:
        """The galaxy's part of the catalog: its rows of all tables."""
        if found := self._find("features"):
            return found
        profiles = self.profiles
        facts = profiles.summary["facts"]
        with self._computing("features"):
            with self.clock("features"):
                clusters = measured_rows(
                    read_part_table(profiles, "clusters", partial=True).to_pandas(),
                    read_part_table(profiles, "spectra").to_pandas(),
                    facts,
                    self.settings.features,
                )
            seconds = profiles.summary["seconds"] | self.clock.seconds("features")
            galaxy = facts | {
                "content_hash": self.content_hash,
                "part_key": self.keys["features"],
                "peak_memory_bytes": peak_memory_bytes(),
                "seconds_total": sum(seconds.values()),
                **{f"seconds_{stage}": value for stage, value in seconds.items()},
            }

            def write(folder: Path) -> None:
                write_table(folder, "galaxies", [galaxy])
                write_table(folder, "clusters", with_ratios(clusters))
                for name in ("spaxels", "spectra"):
                    copy_part_table(profiles, name, folder)

            keys = {f"{stage}_key": self.keys[stage] for stage in STAGES[:-1]}
            return self._commit("features", write, keys)

    def _line_mask_um(self) -> tuple[tuple[float, float], ...]:
        lines = load_lines()
        observed = np.array([line.wavelength_um for line in lines]) * (1.0 + self.redshift)
        return line_ranges(lines, resolving_power(self.cube.attrs["instrument"], observed))

    def _find(self, stage: str) -> Receipt | None:
        # With hashes: a part is small beside the cube it stands for, and may be years old.
        return self.parts.find(self.target.galaxy, stage, self.keys[stage], full=True)

    def _commit(self, stage: str, write: Any, summary: dict[str, Any]) -> Receipt:
        return self.parts.commit(self.target.galaxy, stage, self.keys[stage], write, summary)

    @contextmanager
    def _at(self, stage: str) -> Iterator[None]:
        before, self.stage = self.stage, stage
        yield
        self.stage = before  # on failure it stays where it happened

    @contextmanager
    def _computing(self, stage: str) -> Iterator[None]:
        with self._at(stage):
            yield
            self.computed.append(stage)


@cache
def _version(library: str) -> str:
    # Looked up in files of the installation each time, by hundreds of lines of parsing.
    return importlib.metadata.version(library)


def _limits(window: str | tuple[float, float]) -> tuple[float, float] | None:
    if window == WHOLE_WINDOW:
        return None
    return named_window(window) if isinstance(window, str) else window
