"""The cube of one target, from one file or from the files of its sub-bands."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import xarray as xr

from survey.config import ReadSettings
from survey.cubes.files.cube_file import CubeFile
from survey.cubes.mask_impossible import mask_impossible
from survey.cubes.merge import merge_bands
from survey.cubes.registry import open_cube, read_cube


@contextmanager
def open_files(
    files: Sequence[Path | CubeFile],
    settings: ReadSettings,
    *,
    masked: bool = True,
    arms: Collection[str] = (),
    scratch: Path | None = None,
) -> Iterator[xr.Dataset]:
    """Open the cube of one target; several files are sub-bands, which are merged in memory.

    Parameters
    ----------
    files : sequence of Path or CubeFile
    settings : ReadSettings
    masked : bool
        Whether impossible voxels of sub-bands are masked before they are merged.
    arms : collection of str
        Instruments whose bands are arms of one spectrograph.
    scratch : Path, optional
        Where a large compressed file may be unpacked meanwhile.

    Yields
    ------
    xarray.Dataset
        See `survey.cubes.dataset.build_cube`; voxels of a single file are read where it is indexed.

    Raises
    ------
    DataError
        If a file cannot be read as a cube, or the sub-bands do not fit together.
    """
    if len(files) == 1:
        with open_cube(files[0], settings, scratch=scratch) as cube:
            yield cube
        return
    cubes = [read_cube(file, settings, scratch=scratch) for file in files]
    if masked:
        cubes = [mask_impossible(cube) for cube in cubes]
    yield merge_bands(cubes, arms=arms)
