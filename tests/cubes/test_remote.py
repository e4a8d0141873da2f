"""Cubes of web servers and archives, against a server of this machine that counts requests."""

import gzip
import io
import zipfile

import numpy as np
import pytest
from astropy.io import fits

from survey.config import GenericReaderSettings, ReadSettings
from survey.cubes.axes.cube_shape import cube_shape
from survey.cubes.files import remote, unpack
from survey.cubes.files.cube_file import CubeFile
from survey.cubes.readers.places import companion_files
from survey.cubes.registry import open_cube, read_cube, target_name
from survey.cubes.store import open_store, write_store
from survey.errors import ConfigError, DataError, InfrastructureError

SETTINGS = ReadSettings()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(remote, "FIRST_WAIT_S", 0.001)


@pytest.fixture
def no_disk(monkeypatch):
    """Nothing may be unpacked."""

    def refused(*args, **options):
        raise AssertionError("a second copy")

    monkeypatch.setattr(unpack.tempfile, "SpooledTemporaryFile", refused)  # the module itself


@pytest.fixture
def content(s3d):
    buffer = io.BytesIO()
    s3d.writeto(buffer)
    return buffer.getvalue()


def same(one, other):
    for name in ("flux", "error", "bad"):
        np.testing.assert_array_equal(one[name].values, other[name].values)


def large(planes=400, side=30):
    """A cube of 4 MB, most of it data."""
    rng = np.random.default_rng(0)
    flux = rng.normal(10, 1, (planes, side, side)).astype(np.float32)
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(flux, name="DATA")])
    hdus[0].header["INSTRUME"] = "MUSE"
    header = hdus[1].header
    for axis, (kind, unit, step) in enumerate(
        [("RA---TAN", "deg", -5e-5), ("DEC--TAN", "deg", 5e-5), ("AWAV", "Angstrom", 1.25)], 1
    ):
        header.update({f"CTYPE{axis}": kind, f"CUNIT{axis}": unit, f"CDELT{axis}": step})
        header.update({f"CRPIX{axis}": 1.0, f"CRVAL{axis}": 4750.0 if axis == 3 else 10.0})
    header["BUNIT"] = "10**(-20)*erg/s/cm**2/Angstrom"
    buffer = io.BytesIO()
    hdus.writeto(buffer)
    return buffer.getvalue()


def test_a_cube_of_a_web_server_is_that_of_the_file(web, content, tmp_path, no_disk):
    (tmp_path / "cube.fits").write_bytes(content)
    web.files["cubes/cube.fits"] = content
    cube = read_cube(f"{web.url}/cubes/cube.fits", SETTINGS)
    same(cube, read_cube(tmp_path / "cube.fits", SETTINGS))
    assert target_name(f"{web.url}/cubes/cube.fits") == "NGC 0000"
    same(read_cube((tmp_path / "cube.fits").as_uri(), SETTINGS), cube)


def test_a_cube_is_streamed_into_its_store_and_fetched_once(web, tmp_path, no_disk, monkeypatch):
    content = large()
    web.files["muse.fits"] = content
    monkeypatch.setattr("survey.cubes.store.BAND_BYTES", 1 << 18)  # the file is traversed six times
    monkeypatch.setattr(remote, "BLOCK_BYTES", 1 << 18)
    with open_cube(f"{web.url}/muse.fits", SETTINGS) as cube:
        write_store(cube, tmp_path / "muse.zarr", chunk_spaxels=64, shard_chunks=4)
    assert open_store(tmp_path / "muse.zarr").sizes["spaxel"] == 900
    blocks = [asked for asked in web.of("muse.fits") if asked != (0, 0)]
    assert len(blocks) == len(set(blocks)) == -(-len(content) // (1 << 18))
    assert web.sent < 1.01 * len(content)


def test_of_a_cube_whose_headers_are_wanted_one_block_is_fetched(web):
    web.files["muse.fits"] = large()
    assert cube_shape(f"{web.url}/muse.fits") == (400, 30, 30)
    assert web.sent <= (1 << 16) + 2
    assert web.of("muse.fits") == [(0, 0), (0, (1 << 16) - 1), (0, 0)]


def test_what_is_kept_in_memory_has_a_limit(web, monkeypatch):
    web.files["muse.fits"] = content = large()
    monkeypatch.setattr(remote, "KEPT_BYTES", 1 << 20)
    with CubeFile.of(f"{web.url}/muse.fits").open(block_bytes=1 << 18) as stream:
        assert stream.read() == content
        assert len(stream.raw._kept) == 4


@pytest.mark.parametrize("name", ["cube.fits.gz", "cube"])
def test_a_packed_remote_cube_is_unpacked_as_it_comes(web, content, name):
    packed = gzip.compress(content)
    web.files[name] = packed
    cube = read_cube(f"{web.url}/{name}", SETTINGS)
    web.files["cube.fits"] = content
    same(cube, read_cube(f"{web.url}/cube.fits", SETTINGS))
    assert cube_shape(f"{web.url}/{name}") == cube["flux"].shape


@pytest.mark.parametrize("packed", [False, True])
def test_a_server_that_sends_no_parts_of_files_is_read_once(web, content, packed):
    web.ranges = False
    web.files["cube.fits"] = gzip.compress(content) if packed else content
    cube = read_cube(f"{web.url}/cube.fits", SETTINGS)
    assert cube.attrs["target"] == "NGC 0000"
    assert len(web.requests) == 3  # what the server can, how long the file is, the file
    assert cube_shape(f"{web.url}/cube.fits") is None  # not worth the whole file


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("where", ["here", "there"])
def test_a_member_of_an_archive_is_read_in_it(web, content, tmp_path, how, where):
    with zipfile.ZipFile(tmp_path / "cubes.zip", "w", how) as archive:
        archive.writestr("about.txt", "two cubes")
        archive.writestr("night/cube.fits", content)
    web.files["cubes.zip"] = (tmp_path / "cubes.zip").read_bytes()
    place = f"{web.url}/cubes.zip" if where == "there" else "cubes.zip"
    file = CubeFile.of(f"zip://night/cube.fits::{place}", tmp_path)
    assert file.name == "cube.fits"
    assert read_cube(file, SETTINGS).attrs["target"] == "NGC 0000"
    with pytest.raises(DataError, match=r"no such member .* found about.txt, night/cube.fits"):
        read_cube(CubeFile.of(f"zip://other.fits::{place}", tmp_path), SETTINGS)


def test_a_stored_member_is_read_without_unpacking(content, tmp_path, no_disk):
    with zipfile.ZipFile(tmp_path / "cubes.zip", "w") as archive:
        archive.writestr("cube.fits", content)
    assert read_cube(f"zip://cube.fits::{tmp_path}/cubes.zip", SETTINGS).attrs["target"]


def test_what_fails_for_a_moment_is_asked_again(web, content):
    web.files["cube.fits"] = content
    faults = {1: 503, 3: "cut", 4: 500}
    web.fault = lambda path, number: faults.get(number)
    assert read_cube(f"{web.url}/cube.fits", SETTINGS).attrs["target"] == "NGC 0000"
    assert len(web.requests) == 6


def test_a_server_that_is_down_is_not_the_fault_of_the_cube(web, content):
    web.files["cube.fits"] = content
    web.fault = lambda path, number: 503
    with pytest.raises(
        InfrastructureError, match=rf"{web.url}/cube.fits: .*HTTP 503.* again later"
    ):
        read_cube(f"{web.url}/cube.fits", SETTINGS)
    assert len(web.requests) == remote.ATTEMPTS
    with pytest.raises(InfrastructureError, match="cannot be fetched"):
        read_cube("http://127.0.0.1:9/cube.fits", SETTINGS)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_file_that_is_not_there_is_asked_for_once(web, status):
    web.fault = lambda path, number: status
    with pytest.raises(DataError, match=rf"no such file, or it is not public; found HTTP {status}"):
        read_cube(f"{web.url}/cube.fits", SETTINGS)
    assert len(web.requests) == 1


def test_a_file_that_changes_while_it_is_read_is_refused(web, content):
    web.files["cube.fits"] = content
    opened = open_cube(f"{web.url}/cube.fits", SETTINGS)
    assert opened.__enter__()["flux"].values.any()
    web.files["cube.fits"] = content[:-1] + b"x"
    with pytest.raises(DataError, match="the file changed while it was read"):
        opened.__exit__(None, None, None)


def test_a_page_that_is_no_cube_is_refused_with_its_address(web):
    web.files["login"] = b"<html>please log in</html>" * 200
    with pytest.raises(DataError, match=rf"{web.url}/login: not a readable FITS file"):
        read_cube(f"{web.url}/login", SETTINGS)


def test_the_content_of_a_remote_file_is_known_without_reading_it(web, content):
    web.files["cube.fits"] = content
    file = CubeFile.of(f"{web.url}/cube.fits")
    known = file.content_hash()
    assert web.sent <= 1
    assert file.content_hash() == known
    web.files["cube.fits"] = content[:-1] + b"x"
    assert file.content_hash() != known


def test_the_bytes_are_hashed_where_a_server_tells_no_identity(web, content, tmp_path):
    web.tags = False
    web.files["cube.fits"] = content
    (tmp_path / "cube.fits").write_bytes(content)
    here, there = CubeFile.of(tmp_path / "cube.fits"), CubeFile.of(f"{web.url}/cube.fits")
    assert there.content_hash() == here.content_hash()
    web.ranges = False
    assert there.content_hash() == here.content_hash()


def test_a_missing_package_is_named_before_anything_is_read(monkeypatch):
    monkeypatch.setattr(remote.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"s3:// needs the package s3fs.*spaxel-survey\[remote\]"):
        CubeFile.of("s3://bucket/cube.fits").check_package()
    with pytest.raises(ConfigError, match="https:// needs the package aiohttp"):
        CubeFile.of("zip://a.fits::https://host/cubes.zip").check_package()


@pytest.mark.parametrize(
    ("address", "found"),
    [("ftp://host/cube.fits", "found ftp://"), ("zip://cube.fits", "needs two names")],
)
def test_other_addresses_are_refused_with_what_can_be_read(address, found):
    with pytest.raises(ConfigError, match=found):
        CubeFile.of(address)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://host/dir/cube.fits?token=a.b", "cube.fits"),
        ("https://mast.example/Download/file?uri=mast:JWST/product/jw01_s3d.fits", "jw01_s3d.fits"),
        ("s3://bucket/jwst/cube.fits", "cube.fits"),
        ("/data/cube.fits", "cube.fits"),
        ("https://host", "host"),
    ],
)
def test_a_file_is_named_by_the_last_part_of_its_address(address, name):
    assert CubeFile.of(address).name == name


def test_the_errors_of_a_remote_cube_may_be_in_a_file_beside_it(web, tmp_path):
    flux = np.ones((20, 4, 4), np.float32)
    hdu = fits.PrimaryHDU(flux)
    hdu.header.update(CTYPE3="WAVE", CUNIT3="um", CRPIX3=1.0, CRVAL3=5.0, CDELT3=0.01)
    hdu.header["BUNIT"] = "MJy/sr"
    for name, one in {"a_flux.fits": hdu, "a_error.fits": fits.PrimaryHDU(2 * flux)}.items():
        buffer = io.BytesIO()
        one.writeto(buffer)
        web.files[f"cubes/{name}"] = buffer.getvalue()
    settings = ReadSettings(
        reader="generic",
        generic=GenericReaderSettings(
            flux=0, error="{name/flux/error}.fits", error_is="sigma", spaxel_area_arcsec2=0.04
        ),
    )
    file = CubeFile.of(f"{web.url}/cubes/a_flux.fits?version=1")
    assert [str(one) for one in companion_files(file, settings)] == [
        f"{web.url}/cubes/a_error.fits"
    ]
    np.testing.assert_array_equal(read_cube(file, settings)["error"], 2 * flux)
