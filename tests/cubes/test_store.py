import errno
import json
import shutil
import tracemalloc
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalogs.durable import hash_bytes, record_files
from survey.config import ReadSettings
from survey.cubes import store
from survey.cubes.files.store_manifest import EARLIER_MANIFEST, METADATA
from survey.cubes.registry import open_cube, read_cube
from survey.cubes.store import open_store, stored_spectra, verify_store, write_store
from survey.cubes.store_layout import to_cube
from survey.cubes.wcs import celestial_wcs, sky_position
from survey.errors import IntegrityError

LAYOUT = {"chunk_spaxels": 4, "shard_chunks": 2}


def read_block(path, rows):
    """Flux, error and bad of some stored spaxels."""
    return tuple(table[rows] for table in stored_spectra(path))


@pytest.fixture
def cube(make_cube):
    return make_cube(n_wave=12, n_y=6, n_x=5)


@pytest.fixture
def path(cube, tmp_path):
    path = tmp_path / "cubes" / "ngc.zarr"
    write_store(cube, path, **LAYOUT)
    return path


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """A store that tests copy before they damage it."""
    rng = np.random.default_rng(7)
    flux = rng.normal(size=(9, 4, 5)).astype(np.float32)
    cube = xr.Dataset(
        {
            name: (("wavelength", "y", "x"), values)
            for name, values in {"flux": flux, "error": flux**2, "bad": flux > 2}.items()
        }
        | {"n_bad": (("y", "x"), (flux > 2).sum(axis=0))},
        coords={"wavelength": np.linspace(5, 6, 9)},
        attrs={"band": "ch1", "redshift": float("nan")},
    )
    path = tmp_path_factory.mktemp("pristine") / "a.zarr"
    write_store(cube, path, **LAYOUT)
    return path


def files_of(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file())


def chunks_of(array: Path) -> list[Path]:
    return [file for file in files_of(array) if file.name != "zarr.json"]


def n_stored(path):
    return int(open_store(path).sizes["spaxel"])


def test_a_store_gives_back_the_spectra_it_was_given(cube, path):
    flux, error, bad = read_block(path, slice(None))
    stored = open_store(path)
    y, x = stored["y"].values, stored["x"].values
    given = {"flux": cube["flux"].where(~cube["bad"]), "error": cube["error"], "bad": cube["bad"]}
    for found, name in ((flux, "flux"), (error, "error"), (bad, "bad")):
        np.testing.assert_array_equal(found, given[name].values[:, y, x].T)
        assert found.dtype == cube[name].dtype


def test_a_store_streamed_from_a_file_is_that_of_the_cube_in_memory(
    s3d, write, tmp_path, monkeypatch
):
    file = write(s3d)
    write_store(read_cube(file, ReadSettings()), tmp_path / "whole.zarr", **LAYOUT)
    monkeypatch.setattr(store, "BAND_BYTES", 1)
    with open_cube(file, ReadSettings()) as cube:
        write_store(cube, tmp_path / "streamed.zarr", **LAYOUT)
    whole, streamed = (
        (tmp_path / name / METADATA).read_text() for name in ("whole.zarr", "streamed.zarr")
    )
    assert whole == streamed


def test_no_cube_is_in_memory_while_its_store_is_written(tmp_path, sky_header, monkeypatch):
    flux = np.random.default_rng(0).normal(10.0, 1.0, (300, 60, 90)).astype(np.float32)
    header = sky_header()
    header.update(CTYPE3="WAVE", CUNIT3="um", CRVAL3=0.5, CDELT3=0.001, CRPIX3=1.0, BUNIT="MJy/sr")
    primary = fits.PrimaryHDU()
    primary.header["INSTRUME"] = "MUSE"
    names = {"DATA": flux, "STAT": flux**2}
    hdus = [fits.ImageHDU(values, header, name=name) for name, values in names.items()]
    fits.HDUList([primary, *hdus]).writeto(tmp_path / "cube.fits")
    for module, name in (
        ("store", "BAND_BYTES"),
        ("read_fits", "SLAB_BYTES"),
        ("missing", "SLAB_VOXELS"),
    ):
        monkeypatch.setattr(f"survey.cubes.{module}.{name}", 1 << 19)
    with open_cube(tmp_path / "cube.fits", ReadSettings()) as cube:
        # Once to load what is loaded on first use.
        write_store(cube, tmp_path / "cube.zarr", chunk_spaxels=64, shard_chunks=4)
        tracemalloc.start()
        write_store(cube, tmp_path / "cube.zarr", chunk_spaxels=64, shard_chunks=4)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 0.7 * flux.nbytes, "flux and error together are twice that"


def test_spaxels_without_any_data_are_not_stored(cube, path):
    stored = open_store(path)
    places = set(zip(stored["y"].values.tolist(), stored["x"].values.tolist(), strict=True))
    assert len(places) == 6 * 5 - 2
    assert (0, 0) not in places
    assert (5, 4) not in places
    assert (1, 1) in places  # one bad plane only


def test_attributes_and_coordinates_survive(cube, path):
    stored = open_store(path)
    np.testing.assert_array_equal(stored["wavelength"], cube["wavelength"])
    assert (stored.attrs["shape_y"], stored.attrs["shape_x"]) == (6, 5)
    for name, value in cube.attrs.items():
        np.testing.assert_equal(stored.attrs[name], value)  # the redshift is NaN


def test_spectra_are_read_when_they_are_used_and_not_before(path):
    file = chunks_of(path / "flux")[0]
    content = bytearray(file.read_bytes())
    content[10] ^= 1
    file.write_bytes(content)
    stored = open_store(path)
    with pytest.raises(ValueError, match="checksum"):
        stored["flux"].load()


@given(bounds=st.tuples(st.integers(0, 30), st.integers(0, 30)))
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_range_reads_like_a_slice_of_all(path, bounds):
    part = slice(*bounds)
    for whole, block in zip(read_block(path, slice(None)), read_block(path, part), strict=True):
        np.testing.assert_array_equal(block, whole[part])


def test_chunks_are_whole_spectra_and_files_are_few(cube, path):
    array = zarr.open_group(path, mode="r", use_consolidated=True)["flux"]
    assert array.metadata.zarr_format == 3
    assert array.chunks == (4, 12)
    assert array.shards == (8, 12)
    assert len(chunks_of(path / "flux")) == 4  # 28 spaxels in shards of 8


def test_a_cube_smaller_than_a_chunk_is_not_padded(make_cube, tmp_path):
    path = tmp_path / "small.zarr"
    write_store(make_cube(n_y=3, n_x=4), path, chunk_spaxels=256, shard_chunks=8)
    array = zarr.open_group(path, mode="r", use_consolidated=True)["flux"]
    assert array.shards == array.shape


@pytest.mark.parametrize("damaged", ["flux", "error"])
def test_one_flipped_byte_in_a_chunk_is_never_read_as_data(path, damaged):
    file = chunks_of(path / damaged)[1]
    whole = file.read_bytes()
    for position in range(0, len(whole), max(1, len(whole) // 40)):
        content = bytearray(whole)
        content[position] ^= 0x20
        file.write_bytes(content)
        with pytest.raises(IntegrityError):
            verify_store(path)
        with pytest.raises(IntegrityError, match=r"ngc\.zarr"):
            read_block(path, slice(8, 16))
    file.write_bytes(whole)
    verify_store(path)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(which=st.floats(0, 1, exclude_max=True), where=st.floats(0, 1, exclude_max=True))
def test_one_flipped_bit_anywhere_in_a_store_is_reported(pristine, tmp_path, which, where):
    path = tmp_path / "copy.zarr"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(pristine, path)
    files = files_of(path)
    file = files[int(which * len(files))]
    content = bytearray(file.read_bytes())
    content[int(where * len(content))] ^= 1
    file.write_bytes(content)
    with pytest.raises(IntegrityError):
        verify_store(path)
    with pytest.raises(IntegrityError):
        read_block(path, slice(None))


def test_every_lost_file_is_reported_and_never_read_as_fill_values(pristine, tmp_path):
    for lost in files_of(pristine):
        path = tmp_path / "copy.zarr"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(pristine, path)
        (path / lost.relative_to(pristine)).unlink()
        for use in (open_store, verify_store, lambda path: read_block(path, slice(None))):
            with pytest.raises(IntegrityError, match="missing"):
                use(path)


def test_a_shortened_file_is_reported_on_opening(path):
    file = chunks_of(path / "flux")[0]
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(IntegrityError, match="bytes instead of"):
        open_store(path)


def test_chunks_of_nothing_but_fill_values_are_stored_all_the_same(make_cube, tmp_path):
    cube = make_cube()
    cube["error"][:] = np.nan
    path = tmp_path / "a.zarr"
    write_store(cube, path, **LAYOUT)
    assert len(chunks_of(path / "error")) == len(chunks_of(path / "flux"))
    assert np.isnan(read_block(path, slice(None))[1]).all()


def test_a_writer_that_is_stopped_leaves_no_store(cube, tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    for stop_in in ("_write_arrays", "write_manifest", "flush_tree", "_promote"):
        with monkeypatch.context() as patch:
            patch.setattr(store, stop_in, _stop)
            with pytest.raises(KeyboardInterrupt):
                write_store(cube, path, **LAYOUT)
        assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_something_that_is_never_opened(cube, tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    # A killed process removes nothing and writes no manifest.
    monkeypatch.setattr(store, "remove", lambda path: None)
    with monkeypatch.context() as patch:
        patch.setattr(store, "write_manifest", _stop)
        with pytest.raises(KeyboardInterrupt):
            write_store(cube, path, **LAYOUT)
    (leftover,) = tmp_path.iterdir()
    assert leftover.name.startswith(".")
    for use in (open_store, verify_store, lambda path: read_block(path, slice(None))):
        with pytest.raises(IntegrityError, match="never completed"):
            use(leftover)
    write_store(cube, path, **LAYOUT)
    verify_store(path)


def _stop(*args, **kwargs):
    raise KeyboardInterrupt


def test_writing_again_replaces_the_store(cube, path):
    write_store(cube.assign(flux=cube["flux"] * 2), path, chunk_spaxels=16, shard_chunks=1)
    verify_store(path)
    assert open_store(path)["flux"].encoding["chunks"] == (16, 12)
    assert [entry.name for entry in path.parent.iterdir()] == ["ngc.zarr"]


def test_a_failed_rewrite_leaves_the_old_store(cube, path, monkeypatch):
    before = read_block(path, slice(None))
    doubled = cube.assign(flux=cube["flux"] * 2)
    with monkeypatch.context() as patch:
        patch.setattr(store, "write_manifest", _stop)
        with pytest.raises(KeyboardInterrupt):
            write_store(doubled, path, **LAYOUT)
    for old, new in zip(before, read_block(path, slice(None)), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_full_disk_is_named(cube, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "_write_arrays", full)
    with pytest.raises(OSError, match=r"No space left.*a\.zarr"):
        write_store(cube, tmp_path / "a.zarr", **LAYOUT)


def test_what_was_never_a_store_is_not_opened(tmp_path):
    (tmp_path / "file.zarr").write_text("no store")
    for name in ("nothing.zarr", "file.zarr"):
        with pytest.raises(IntegrityError, match=METADATA):
            open_store(tmp_path / name)


@pytest.mark.real_data
def test_an_observed_cube_goes_through_a_store_unchanged(ngc7469, tmp_path):
    cube = ngc7469["long"]
    path = tmp_path / "long.zarr"
    write_store(cube, path, chunk_spaxels=256, shard_chunks=8)
    stored = open_store(path)
    y, x = np.nonzero(~cube["bad"].values.all(axis=0))
    assert n_stored(path) == y.size == 596
    np.testing.assert_array_equal(stored["y"], y)
    np.testing.assert_array_equal(stored["x"], x)
    rebuilt = to_cube(xr.open_zarr(path))
    np.testing.assert_array_equal(rebuilt["flux"], cube["flux"].where(~cube["bad"]))
    np.testing.assert_array_equal(
        rebuilt["error"], cube["error"].where(rebuilt["flux"].notnull().any("wavelength"))
    )
    assert len(files_of(path)) == 6


@pytest.fixture
def gappy(cube, tmp_path):
    """A cube whose first column and a row inside are empty, and its store."""
    cube["bad"][:, :, 0] = True
    cube["bad"][:, 3, :] = True
    cube["n_bad"] = cube["bad"].sum("wavelength").astype(np.int32)
    path = tmp_path / "gappy.zarr"
    write_store(cube, path, **LAYOUT)
    return cube, path


@pytest.mark.parametrize("chunks", [None, {}])
def test_xarray_opens_a_store_without_warnings_and_finds_coordinates(path, cube, chunks):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = xr.open_zarr(path, chunks=chunks)
    assert set(opened.data_vars) == {"flux", "error"}
    assert set(opened.coords) == {"wavelength", "y", "x"}
    assert opened["wavelength"].attrs["units"] == "um"
    assert opened["flux"].attrs["units"] == cube.attrs["flux_unit"]
    assert opened.attrs["Conventions"].startswith("CF-")
    for name, value in cube.attrs.items():
        assert name in opened.attrs
        assert opened.attrs[name] == value or value != value


def test_the_whole_cube_comes_back_exactly_also_where_a_column_or_a_row_is_empty(gappy):
    cube, path = gappy
    for opened in (open_store(path), xr.open_zarr(path)):
        rebuilt = to_cube(opened)
        assert dict(rebuilt.sizes) == {"wavelength": 12, "y": 6, "x": 5}
        np.testing.assert_array_equal(rebuilt["flux"], cube["flux"].where(~cube["bad"]))
        stored = ~cube["bad"].all("wavelength")
        np.testing.assert_array_equal(rebuilt["error"], cube["error"].where(stored))
        np.testing.assert_array_equal(rebuilt["y"], np.arange(6))
        assert rebuilt.attrs["celestial_header"] == cube.attrs["celestial_header"]


def test_a_spaxel_of_the_whole_cube_is_where_the_header_says(gappy):
    _, path = gappy
    opened = xr.open_zarr(path)
    ra, dec = sky_position(opened.attrs["celestial_header"], opened["x"], opened["y"])
    rebuilt = to_cube(opened)
    wcs = celestial_wcs(rebuilt.attrs["celestial_header"])
    for spaxel in range(0, opened.sizes["spaxel"], 5):
        x, y = wcs.world_to_pixel_values(ra[spaxel], dec[spaxel])
        found = rebuilt["flux"].sel(y=round(float(y)), x=round(float(x)))
        np.testing.assert_array_equal(found, opened["flux"][spaxel])


def test_a_store_of_an_earlier_version_still_opens(cube, path, tmp_path):
    earlier = tmp_path / "earlier.zarr"
    group = zarr.create_group(earlier, attributes={"shape_y": 6, "shape_x": 5})
    y, x = np.nonzero(cube["n_bad"].values < 12)
    for name, values in {"wavelength": cube["wavelength"].values, "y": y, "x": x}.items():
        dim = "wavelength" if name == "wavelength" else "spaxel"
        group.create_array(name, data=values, dimension_names=(dim,))
    for name in ("flux", "error", "bad"):
        values = cube[name].values[:, y, x].T
        group.create_array(name, data=values, dimension_names=("spaxel", "wavelength"))
    records = [asdict(record) for record in record_files(earlier)]
    digest = hash_bytes(json.dumps(records, sort_keys=True).encode())
    (earlier / EARLIER_MANIFEST).write_text(json.dumps({"files": records, "blake2b": digest}))
    for old, new in zip(
        read_block(earlier, slice(None)), read_block(path, slice(None)), strict=True
    ):
        good = ~read_block(path, slice(None))[2]
        np.testing.assert_array_equal(old[good], new[good])
    assert (read_block(earlier, slice(None))[2] == read_block(path, slice(None))[2]).all()
    old, new = to_cube(open_store(earlier)), to_cube(open_store(path))
    np.testing.assert_array_equal(old["flux"], new["flux"])
