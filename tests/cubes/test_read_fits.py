import bz2
import contextlib
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from survey.config import ReadSettings
from survey.cubes.read_fits import open_fits
from survey.cubes.registry import read_cube
from survey.errors import DataError, SurveyWarning

STRICT = ReadSettings(checksums="strict")


def test_arrays_come_in_native_byte_order(s3d, write):
    path = write(s3d)
    with open_fits(path) as file:
        as_stored, converted = file.array("SCI"), file.array("SCI", np.float64)
        flags = file.array("DQ")
    assert as_stored.dtype == np.dtype("=f4")
    assert as_stored.dtype.isnative
    assert converted.dtype == np.dtype("=f8")
    assert flags[4, 1, 2] == 513
    np.testing.assert_array_equal(as_stored, s3d["SCI"].data)


def test_a_compressed_file_reads_like_the_plain_one(s3d, write):
    with open_fits(write(s3d)) as plain, open_fits(write(s3d, "cube.fits.gz")) as packed:
        np.testing.assert_array_equal(plain.array("SCI"), packed.array("SCI"))


def zipped(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cube.fits", content)
    return buffer.getvalue()


PACKED = {"bz2": bz2.compress, "xz": lzma.compress, "zip": zipped}


@pytest.mark.parametrize("kind", PACKED)
def test_every_usual_compression_is_read_and_its_damage_found(s3d, write, kind):
    plain = write(s3d)
    packed = plain.with_name(f"cube.fits.{kind}")
    content = PACKED[kind](plain.read_bytes())
    packed.write_bytes(content)
    with open_fits(plain) as one, open_fits(packed) as other:
        np.testing.assert_array_equal(one.array("SCI"), other.array("SCI"))
    for damaged in (content[: len(content) // 2], content[:300] + b"damage" + content[306:]):
        packed.write_bytes(damaged)
        with pytest.raises(DataError, match=rf"cube\.fits\.{kind}"):
            read_cube(packed, ReadSettings())


def test_an_archive_of_two_files_is_refused_with_advice(tmp_path):
    path = tmp_path / "cubes.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.fits", b"a")
        archive.writestr("b.fits", b"b")
    with pytest.raises(DataError, match=r"expected one file in it; found 2 files\. Unpack it, or"):
        read_cube(path, ReadSettings())


def test_a_large_compressed_file_is_unpacked_beside_the_run_and_leaves_nothing(
    s3d, write, tmp_path, monkeypatch
):
    monkeypatch.setattr("survey.cubes.read_fits.UNPACKED_IN_MEMORY_BYTES", 1000)
    scratch = tmp_path / "run" / ".scratch"
    with open_fits(write(s3d, "cube.fits.gz"), scratch=scratch) as packed:
        np.testing.assert_array_equal(packed.array("SCI"), s3d["SCI"].data)
    assert list(scratch.iterdir()) == []


@given(part=st.tuples(*(st.tuples(st.integers(0, n - 1), st.integers(1, n)) for n in (20, 6, 5))))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_piece_of_an_image_reads_like_a_piece_of_all(s3d, write, part):
    key = tuple(slice(start, start + length) for start, length in part)
    with open_fits(write(s3d)) as file:
        np.testing.assert_array_equal(file.image("SCI")[key], s3d["SCI"].data[key])


def test_tile_compressed_images_are_not_taken_for_truncated(s3d, write):
    tiled = fits.CompImageHDU(s3d["SCI"].data[:, :4], name="SCI", compression_type="GZIP_1")
    with open_fits(write(fits.HDUList([fits.PrimaryHDU(), tiled]))) as file:
        np.testing.assert_array_equal(file.array("SCI"), s3d["SCI"].data[:, :4])


@pytest.mark.parametrize("fraction", [0.05, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("name", ["cube.fits", "cube.fits.gz"])
def test_a_truncated_file_is_a_data_error_that_names_it(s3d, write, name, fraction):
    path = write(s3d, name)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(fraction * len(whole))])
    with pytest.raises(DataError, match=name):
        read_cube(path, ReadSettings())


def test_truncation_is_found_before_any_array_is_made(write):
    # The headers promise 80 GB that are not there.
    hdu = fits.ImageHDU(np.zeros((2, 2, 2), np.float32), name="SCI")
    path = write(fits.HDUList([fits.PrimaryHDU(), hdu]))
    text = path.read_bytes().replace(
        b"NAXIS3  =                    2", b"NAXIS3  =           5000000000"
    )
    path.write_bytes(text)
    with pytest.raises(DataError, match="truncated; expected 8000000"), open_fits(path):
        pass


def test_a_file_without_its_last_padding_is_complete(s3d, write):
    path = write(s3d)
    content = path.read_bytes()
    path.write_bytes(content[: -(2880 - s3d["DQ"].data.nbytes % 2880)])
    with open_fits(path) as file:
        assert file.array("DQ").shape == s3d["DQ"].data.shape


def test_one_changed_byte_in_a_compressed_file_is_a_data_error(s3d, write):
    path = write(s3d, "cube.fits.gz")
    content = bytearray(path.read_bytes())
    for position in range(40, len(content), len(content) // 25):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"cube\.fits\.gz"):
            read_cube(path, ReadSettings())


def test_data_that_disagree_with_their_datasum_are_flagged_or_refused(s3d, write):
    path = write(s3d, checksum=True)
    read_cube(path, ReadSettings())
    with fits.open(path) as hdus:
        start = hdus["SCI"].fileinfo()["datLoc"]
    content = bytearray(path.read_bytes())
    content[start + 1001] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="data of extension SCI do not have the checksum"):
        read_cube(path, STRICT)
    with pytest.warns(SurveyWarning, match=r"cube\.fits: the data of extension SCI .*DATASUM"):
        cube = read_cube(path, ReadSettings())
    assert cube.attrs["stale_checksum"]


def test_a_header_that_was_edited_has_a_stale_checksum(s3d, write):
    path = write(s3d, checksum=True)
    assert not read_cube(path, STRICT).attrs["stale_checksum"]
    path.write_bytes(path.read_bytes().replace(b"'MJy/sr", b"'mJy/sr"))
    with pytest.warns(SurveyWarning, match="header or data of extension SCI .*expected CHECKSUM"):
        assert read_cube(path, ReadSettings()).attrs["stale_checksum"]
    with pytest.raises(DataError, match="header or data"):
        read_cube(path, STRICT)


def test_a_datasum_copied_into_several_extensions_proves_nothing(s3d, write):
    for name in ("SCI", "ERR"):
        s3d[name].header["DATASUM"] = "2723050386"
    read_cube(write(s3d), ReadSettings())


@pytest.mark.parametrize("content", [b"", b"# not FITS\n", b"\x1f\x8b broken", b"\0" * 6000])
def test_what_is_not_fits_is_a_data_error(tmp_path, content):
    path = tmp_path / "cube.fits"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cube\.fits"):
        read_cube(path, ReadSettings())


def test_a_compressed_file_that_is_not_fits_is_a_data_error(tmp_path):
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    with pytest.raises(DataError, match="not a readable FITS file"):
        read_cube(path, ReadSettings())


def test_a_missing_file_and_a_folder_are_data_errors(tmp_path):
    for path, words in ((tmp_path / "nothing.fits", "no such file"), (tmp_path, "found a folder")):
        with pytest.raises(DataError, match=words):
            read_cube(path, ReadSettings())


def test_a_missing_extension_lists_those_found(s3d, write):
    del s3d["SCI"]
    with pytest.raises(DataError, match=r"expected SCI.*; found PRIMARY, ERR, DQ"):
        read_cube(write(s3d), ReadSettings())


def test_an_image_is_no_cube(s3d, write):
    s3d["SCI"].data = s3d["SCI"].data[0]
    with pytest.raises(DataError, match="expected 3 dimensions"):
        read_cube(write(s3d), ReadSettings())


def test_machine_trouble_is_not_blamed_on_the_file(s3d, write, monkeypatch):
    path = write(s3d)

    def fail(*args, **kwargs):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(fits, "open", fail)
    with pytest.raises(OSError, match="Input/output"):
        read_cube(path, ReadSettings())


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(st.tuples(st.integers(0, 8639), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_any_damage_to_the_headers_is_a_data_error_or_harmless(s3d, write, changes):
    path: Path = write(s3d, "damaged.fits")
    content = bytearray(path.read_bytes())
    for position, value in changes:
        content[position] = value
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        cube = read_cube(path, ReadSettings())
        assert np.isfinite(cube["wavelength"]).all()
