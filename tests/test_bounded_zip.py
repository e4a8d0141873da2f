"""Archives that unpack to far more than they are, or lie about it, are refused in time."""

import io
import struct
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from catalogs.durable import hash_bytes, write_json
from survey.bounded_zip import ALWAYS_BYTES, MOST_MEMBERS, allowed_bytes, unpacked_zip
from survey.classes.model_io import load_model
from survey.errors import DataError
from survey.latents.models.model_io import CARD_FILE, MODEL_SCHEMA
from survey.latents.models.model_io import load_model as load_representation
from survey.pipeline.classification.models import read_model
from survey.pipeline.galaxy.peak_memory import peak_memory_bytes, reset_peak_memory

GIB = 1 << 30


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return target.getvalue()


def bomb(n_bytes: int, name: str = "schema.json") -> bytes:
    """A member of zeros, made without unpacking it: one deflated piece over and over."""
    piece = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = piece.compress(bytes(16 << 20)) + piece.flush(zlib.Z_FULL_FLUSH)
    packed = start * (n_bytes >> 24) + b"\x03\x00"
    sizes = struct.pack("<III", 0, len(packed), n_bytes)
    common = struct.pack("<HHHHH", 20, 0, 8, 0, 0) + sizes + struct.pack("<HH", len(name), 0)
    local = b"PK\x03\x04" + common + name.encode() + packed
    entry = b"PK\x01\x02" + struct.pack("<H", 20) + common
    entry += struct.pack("<HHHII", 0, 0, 0, 0, 0) + name.encode()
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(local), 0)
    return local + entry + end


def lying(n_bytes: int) -> bytes:
    """The same, which says that it is 10 bytes long, and has their checksum."""
    data, true = bytearray(bomb(n_bytes)), struct.pack("<I", n_bytes)
    for at in (22, data.rindex(b"PK\x01\x02") + 24):
        assert data[at : at + 4] == true
        data[at : at + 4] = struct.pack("<I", 10)
        data[at - 8 : at - 4] = struct.pack("<I", zlib.crc32(bytes(10)))
    return bytes(data)


def test_an_archive_comes_back_with_its_members():
    members = {"a/b.txt": b"text", "c.npy": bytes(1000)}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(io.BytesIO(unpacked_zip(archive(members, method)))) as plain:
            assert {name: plain.read(name) for name in plain.namelist()} == members
            assert all(m.compress_type == zipfile.ZIP_STORED for m in plain.infolist())


def test_a_large_archive_may_unpack_to_more():
    assert allowed_bytes(1000) == ALWAYS_BYTES
    assert ALWAYS_BYTES < allowed_bytes(20 << 20) < allowed_bytes(10 * GIB) == GIB


@pytest.mark.parametrize("data", [bomb(2 * GIB), lying(2 * GIB)], ids=["honest", "lying"])
@pytest.mark.parametrize("read", ["classes", "latents", "command"])
def test_a_bomb_in_a_model_is_refused_with_little_memory_and_time(data, read, tmp_path):
    file = tmp_path / "model.skops"
    file.write_bytes(data)
    write_json(tmp_path / CARD_FILE, latent_card(data))
    (tmp_path / "arrays.npz").write_bytes(data)
    loaders = {
        "classes": lambda: load_model(data, file=str(file)),
        "command": lambda: read_model(file),
        "latents": lambda: load_representation(tmp_path),
    }
    reset_peak_memory()
    before, start = peak_memory_bytes(), time.monotonic()
    with pytest.raises(DataError, match=str(tmp_path)) as caught:
        loaders[read]()
    assert "expected" in str(caught.value)
    assert "found" in str(caught.value)
    assert peak_memory_bytes() - before < 300e6
    assert time.monotonic() - start < 20


def latent_card(data: bytes) -> dict[str, object]:
    arrays = {"file": "arrays.npz", "blake2b": hash_bytes(data)}
    return {"schema": MODEL_SCHEMA, "method": "pca", "parameters": {}, "arrays": arrays}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04 nothing",
        archive({"a": b"x" * 1000})[:-30],
        archive({str(i): b"" for i in range(MOST_MEMBERS + 1)}),
    ],
    ids=["empty", "start", "cut", "many"],
)
def test_what_is_no_archive_is_a_data_error(data):
    with pytest.raises(DataError, match=r"x\.skops.*expected.*found"):
        unpacked_zip(data, file="x.skops")


def test_an_array_that_asks_for_a_terabyte_is_a_data_error(tmp_path: Path):
    header = io.BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (1 << 37,)}
    np.lib.format.write_array_header_1_0(header, shape)
    data = archive({"a.npy": header.getvalue() + bytes(80)})
    (tmp_path / "arrays.npz").write_bytes(data)
    write_json(tmp_path / CARD_FILE, latent_card(data))
    with pytest.raises(DataError, match="not a model"):
        load_representation(tmp_path)
