"""Zarr stores of spectra: spaxel-major, with checksums, and never half written.

A store has the spectra of the usable spaxels of one cube as two-dimensional arrays, with whole
spectra per chunk and a few chunks per shard file. The flux is NaN where a sample is bad. Anybody
can open a store with `xarray.open_zarr`: units and names follow the CF conventions, `y`, `x` and
`wavelength` are coordinates, and the attributes have the celestial header and the shape of the
whole cube, which `survey.cubes.store_layout.to_cube` puts together again. Archives would have too
many small files: the metadata of all arrays are in that of the group (consolidated metadata).

A half-written Zarr array reads as fill values without an error. So the files of a store are listed,
with size and hash, in an attribute of the group, whose file is written last and has a hash of
itself; and the folder gets its name only when everything is on disk. Reading checks the existence
and size of every file, hashes of metadata and coordinates, and the CRC32C of every chunk and shard
index.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.errors import ZarrUserWarning

from catalogs.durable import find_damage, flush, flush_tree
from catalogs.owners import owned_name, remove
from survey.cubes.files.store_manifest import (
    FILES,
    OWN_HASH,
    check_files,
    damaged_store,
    read_manifest,
    write_manifest,
)
from survey.cubes.store_layout import (
    CONVENTIONS,
    COORDINATES,
    EARLIER_MASK,
    FLAT,
    LONG_NAMES,
    SPECTRA,
)

PARTIAL, REPLACED = ".partial", ".replaced"
"""Ends of the names of folders that a process leaves if it is killed while it writes a store."""

BAND_BYTES = 32 << 20
"""Bytes of flux that are read at a time while a store is written, in rows of the image."""

Block = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]


def write_store(
    dataset: xr.Dataset,
    path: str | Path,
    *,
    chunk_spaxels: int,
    shard_chunks: int,
    band_bytes: int | None = None,
) -> None:
    """Write the usable spaxels of a cube as a store, replacing one that is there.

    Parameters
    ----------
    dataset : xarray.Dataset
        A cube as of `survey.cubes.dataset.build_cube`, of which a few rows of spaxels are
        read at a time. Spaxels that are bad in every plane are left out.
    path : str or Path
        Folder of the store. It is written under a hidden name beside it and renamed.
    chunk_spaxels : int
        Spectra per chunk, the smallest piece that is read.
    shard_chunks : int
        Chunks per file. One file is written at a time, and at once.

    band_bytes : int, optional
        Bytes of flux that are read at a time. Every band goes over the whole file.

    Raises
    ------
    OSError
        If the disk is full, with the path of the store.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _temporary_folder(path) as folder:
        _write_arrays(dataset, folder, chunk_spaxels, shard_chunks, band_bytes or BAND_BYTES)
        write_manifest(folder)
        flush_tree(folder)
        _promote(folder, path)


def open_store(path: str | Path) -> xr.Dataset:
    """Open a store lazily.

    Returns
    -------
    xarray.Dataset
        `flux` and `error` over (spaxel, wavelength), not loaded; coordinates `wavelength` (micron),
        `y` and `x` of the spaxels; attributes of the cube, and its `shape_y` and `shape_x`.
        Stores of earlier versions also have `bad`.

    Raises
    ------
    IntegrityError
        If the store is incomplete or its metadata are damaged. Damage inside a chunk shows as
        an exception of Zarr when that is loaded; `stored_spectra` reports it like this one.
    """
    path = Path(path)
    consolidated = check_files(path)
    with warnings.catch_warnings():
        # Zarr remarks that an earlier manifest is none of its own files.
        warnings.simplefilter("ignore", ZarrUserWarning)
        dataset = xr.open_zarr(path, consolidated=consolidated, chunks=None, mask_and_scale=False)
    attrs = {
        name: np.nan if value is None else value
        for name, value in dataset.attrs.items()
        if name not in (FILES, OWN_HASH)
    }
    dataset = dataset.set_coords(["y", "x"])
    dataset.attrs = attrs
    return dataset


@dataclass(frozen=True)
class StoredRows:
    """The flux, error or mask of the stored spaxels, read where it is indexed.

    Indices are a slice of spaxels, and one of wavelengths if wanted. Damage of a chunk is an
    `IntegrityError` when it is read.
    """

    path: Path
    array: zarr.Array[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Spaxels and wavelengths."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        return np.dtype(self.array.dtype)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        with _damage_as_integrity_error(self.path):
            return np.asarray(self.array[key])


class MissingRows(StoredRows):
    """Where the stored flux is NaN."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        return np.dtype(bool)

    def __getitem__(self, key: Any) -> NDArray[np.bool_]:
        missing: NDArray[np.bool_] = np.isnan(super().__getitem__(key))
        return missing


def stored_spectra(path: str | Path) -> tuple[StoredRows, StoredRows, StoredRows]:
    """Flux, error and mask of a store, of which only what is asked for is read.

    The mask is where the flux is NaN.

    Raises
    ------
    IntegrityError
        If the store is incomplete or its metadata are damaged.
    """
    path = Path(path)
    consolidated = check_files(path)
    with _damage_as_integrity_error(path):
        group = zarr.open_group(path, mode="r", use_consolidated=consolidated)
        flux, error = (StoredRows(path, _array(group, name)) for name in SPECTRA)
        if EARLIER_MASK in group:
            return flux, error, StoredRows(path, _array(group, EARLIER_MASK))
    return flux, error, MissingRows(path, flux.array)


@contextmanager
def _damage_as_integrity_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError:
        raise
    except Exception as failure:
        # A codec reports damage in whatever way it comes upon it.
        raise damaged_store(path, f"a chunk cannot be read ({failure})") from failure


def verify_store(path: str | Path) -> None:
    """Compare every file of a store with its hash in the manifest.

    Raises
    ------
    IntegrityError
        At the first file that is missing or has changed.
    """
    path = Path(path)
    damage = find_damage(path, read_manifest(path)[0], full=True)
    if damage:
        raise damaged_store(path, damage)


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array


def _write_arrays(
    dataset: xr.Dataset, folder: Path, chunk_spaxels: int, shard_chunks: int, band_bytes: int
) -> None:
    n_plane, shape_y, shape_x = dataset["flux"].shape
    attributes = {name: _json_value(value) for name, value in dataset.attrs.items()}
    attributes |= {"Conventions": CONVENTIONS, "shape_y": shape_y, "shape_x": shape_x}
    # Set at once: `attrs.update` would rewrite the file for every attribute.
    group = zarr.create_group(folder, attributes=attributes)
    y, x = np.nonzero(dataset["n_bad"].values < n_plane)
    wavelength = dataset["wavelength"].values
    for name, values in {"wavelength": wavelength, "y": y, "x": x}.items():
        group.create_array(
            name,
            data=values,
            chunks=values.shape,
            chunk_key_encoding=FLAT,
            dimension_names=("wavelength" if name == "wavelength" else "spaxel",),
            attributes=COORDINATES[name],
        )

    # A chunk may not be larger than needed, or a small cube would be padded to a whole shard.
    chunk = min(chunk_spaxels, y.size)
    shard = chunk * min(shard_chunks, -(-y.size // chunk))
    spectra = {
        "flux": _without_bad(dataset, y, x, band_bytes),
        "error": _bands_of_spectra(dataset["error"], y, x, band_bytes),
    }
    for name, bands in spectra.items():
        array = group.create_array(
            name,
            shape=(y.size, wavelength.size),
            dtype=dataset[name].dtype,
            chunks=(chunk, wavelength.size),
            shards=(shard, wavelength.size),
            compressors=(BloscCodec(cname="lz4", clevel=1, shuffle="shuffle"), Crc32cCodec()),
            fill_value=np.nan,
            chunk_key_encoding=FLAT,
            # A chunk equal to the fill value must be in its file, or it could be a lost one.
            config={"write_empty_chunks": True},
            dimension_names=("spaxel", "wavelength"),
            attributes={
                "units": dataset.attrs.get("flux_unit", ""),
                "long_name": LONG_NAMES[name],
                "coordinates": "y x",
            },
        )
        _write_whole_shards(array, bands, shard)
    with warnings.catch_warnings():
        # Not in the standard yet, but what xarray opens without looking for arrays.
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(folder)


def _without_bad(
    dataset: xr.Dataset, y: NDArray[np.intp], x: NDArray[np.intp], band_bytes: int
) -> Iterator[NDArray[np.float32]]:
    """The spectra of `_bands_of_spectra`, with NaN for bad samples."""
    bands = (_bands_of_spectra(dataset[name], y, x, band_bytes) for name in ("flux", "bad"))
    for flux, bad in zip(*bands, strict=True):
        flux[bad] = np.nan
        yield flux


def _bands_of_spectra(
    cube: xr.DataArray, y: NDArray[np.intp], x: NDArray[np.intp], band_bytes: int
) -> Iterator[NDArray[Any]]:
    """Spectra of the spaxels (y, x), in their order, from a few rows of the image at a time."""
    n_plane, n_y, n_x = cube.shape
    step = max(1, band_bytes // (4 * n_plane * n_x))
    for start in range(0, n_y, step):
        band = cube[:, start : start + step].values
        inside = slice(*np.searchsorted(y, [start, start + step]))
        yield band[:, y[inside] - start, x[inside]].T.copy()


def _write_whole_shards(array: zarr.Array[Any], blocks: Iterator[NDArray[Any]], shard: int) -> None:
    """Write blocks of rows one after the other, every shard in one go."""
    rows = np.empty((shard, array.shape[1]), array.dtype)
    start = filled = 0
    for block in blocks:
        while len(block):
            taken = block[: shard - filled]
            rows[filled : filled + len(taken)] = taken
            block, filled = block[len(taken) :], filled + len(taken)
            if filled == min(shard, array.shape[0] - start):
                array[start : start + filled] = rows[:filled]
                start, filled = start + filled, 0


def _json_value(value: Any) -> Any:
    return None if isinstance(value, float) and isnan(value) else value


@contextmanager
def _temporary_folder(path: Path) -> Iterator[Path]:
    """A folder to write in beside `path`, removed if anything goes wrong."""
    folder = path.with_name(f".{path.name}.{owned_name()}{PARTIAL}")
    try:
        yield folder
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        remove(folder)


def _promote(folder: Path, path: Path) -> None:
    """Give a finished folder its name; a store of that name gives way."""
    replaced = folder.with_suffix(REPLACED)
    if path.exists():
        path.rename(replaced)
    folder.rename(path)
    flush(path.parent)
    remove(replaced)
