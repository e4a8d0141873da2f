"""Clusters one cube with the stages that `survey run` runs."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from catalogs.flags import GalaxyFlag
from catalogs.parts import DamagedPartWarning
from survey.api.arguments import Files, as_files, as_redshift, as_settings
from survey.api.cubes import FILES, as_cube
from survey.api.results import Result
from survey.cubes.files.cube_file import CubeFile
from survey.cubes.registry import target_name
from survey.cubes.store import BAND_BYTES, write_store
from survey.engine.worker_memory import memory_here_bytes
from survey.errors import ConfigError, DataError, SurveyWarning
from survey.export.galaxy_tables import GalaxyTables
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.galaxy.stages import UNKNOWN_REDSHIFT
from survey.pipeline.galaxy.target import Target
from survey.pipeline.reference import reference_of, run_vocabulary
from survey.pipeline.run.plan import refuse_unknown_names, with_absolute_paths
from survey.pipeline.run.targets import file_stem

NAMELESS = "cube"
GRAVE = (GalaxyFlag.REDSHIFT_SUSPECT,)
"""Flags that are no notes of a stage, and that all measurements depend on."""


def cluster(
    cube: xr.Dataset | Files,
    *,
    redshift: float | None = None,
    preset: str | None = None,
    k: int | None = None,
    settings: Mapping[str, Any] | str | Path | None = None,
    name: str | None = None,
    folder: str | Path | None = None,
) -> Result:
    """Find the clusters of similar spectra of one galaxy, as `survey run` finds them.

    Parameters
    ----------
    cube : xarray.Dataset, path or list of paths
        A cube of `survey.read`, perhaps cut or masked (``cube.isel(x=slice(5, 30))``), or its
        files. Of a cube that is larger than the memory give the file.
    redshift : float, optional
        By default that of the header.
    preset : str, optional
        "default", or "gatos" for the settings of Hermosa Munoz et al.
    k : int, optional
        Number of clusters; by default the walk down the tree decides.
    settings : mapping or path, optional
        Further settings of `survey.toml`, as {"prepare.window": "ch3-short"}, or such a file.
    name : str, optional
        Name of the galaxy; by default that of the header or of the file.
    folder : path, optional
        Where the results of the stages are kept, so that another call computes only what changed:
        another `k` only cuts the tree again. By default a temporary folder that is removed when
        Python ends.

    Returns
    -------
    Result
        Labels (y, x), spectra, measurements, a figure.

    Raises
    ------
    ConfigError
        If an argument is not valid; the message names it.
    DataError
        If the cube cannot be read or clustered.
    ResourceError
        If the memory or the disk does not suffice.

    Warns
    -----
    SurveyWarning
        Of what the pipeline remarks on the galaxy, as doubtful errors or a suspect redshift.

    Examples
    --------
    >>> cube = survey.read("cube_s3d.fits")
    >>> result = survey.cluster(cube, redshift=0.0163, k=3)
    >>> result.about["n_cluster"]
    3
    >>> spaxels = cube.flux.where(result.labels == 1)  # those of the brightest cluster
    >>> sky, spectra = result.plot()
    """
    z = as_redshift(redshift)
    base = Path.cwd() if not isinstance(settings, str | Path) else Path(settings).parent
    checked = with_absolute_paths(as_settings(settings, preset=preset, k=k), base)
    refuse_unknown_names(checked)
    root = Path(folder) if folder is not None else _temporary_folder()
    if root.exists() and not root.is_dir():
        raise ConfigError("folder: not a folder", file=root)
    root.mkdir(parents=True, exist_ok=True)
    if isinstance(cube, xr.Dataset):
        plain = as_cube(cube)
        if math.isnan(z) and math.isnan(float(plain.attrs["redshift"])):
            raise _no_redshift(None)
        files = tuple(CubeFile.of(file) for file in plain.attrs.pop(FILES, ()))
        stem = file_stem(files[0]) if files else NAMELESS
        galaxy = name or (len(files) != 1 and plain.attrs["target"]) or stem
        target = Target(galaxy, files or (CubeFile.of(NAMELESS),), z)
        runner = GalaxyRunner(
            target, checked, root, memory_here_bytes(), content_hash=_content_hash(plain)
        )
        store = runner.context.store_path("read")
        if not store.exists():
            write_store(plain, store, **checked.store.model_dump())
    else:
        paths = as_files(cube, "cube")
        galaxy = name or (len(paths) > 1 and target_name(paths[0])) or file_stem(paths[0])
        runner = GalaxyRunner(Target(galaxy, paths, z), checked, root, memory_here_bytes())
    return _run(runner)


def _run(runner: GalaxyRunner) -> Result:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", DamagedPartWarning)
        try:
            receipt = runner.result()
        except DataError as error:
            if error.message == UNKNOWN_REDSHIFT:
                raise _no_redshift(error.file) from None
            raise
    for note in [*(str(warning.message) for warning in caught), *runner.notes]:
        warnings.warn(f"{runner.target.galaxy}: {note}", SurveyWarning, stacklevel=3)
    reference = reference_of(runner.settings.tables)
    vocabulary = run_vocabulary(reference, runner.settings)
    tables = GalaxyTables.from_part(receipt, vocabulary, reference)
    for flag in GRAVE:
        if tables.about["flags"] & int(flag):
            text = f"{runner.target.galaxy}: {flag.meaning}"
            warnings.warn(text, SurveyWarning, stacklevel=3)
    return Result(tables)


def _no_redshift(file: str | None) -> ConfigError:
    return ConfigError(
        "redshift: unknown, the header has none", file=file,
        advice="Give redshift=..., 0 for a star.",
    )  # fmt: skip


def _content_hash(cube: xr.Dataset) -> str:
    """Hash of a cube in memory, read a few rows of the image at a time."""
    digest = hashlib.blake2b(digest_size=16)
    attrs = {name: str(value) for name, value in cube.attrs.items()}
    digest.update(json.dumps([attrs, dict(cube["flux"].sizes)], sort_keys=True).encode())
    digest.update(cube["wavelength"].values.tobytes())
    n_plane, n_y, n_x = cube["flux"].shape
    step = max(1, BAND_BYTES // (4 * n_plane * n_x))
    for start in range(0, n_y, step):
        rows = cube.isel(y=slice(start, start + step))
        for array in ("flux", "error", "bad"):
            digest.update(np.ascontiguousarray(rows[array].values).tobytes())
    return digest.hexdigest()


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="spaxel-survey-")


def _temporary_folder() -> Path:
    return Path(_temporary().name)
