"""Cubes of S3 buckets, against moto on this machine."""

from collections.abc import Iterator

import numpy as np
import pytest
from astropy.io import fits

from survey.config import ReadSettings
from survey.cubes.files import remote
from survey.cubes.files.cube_file import CubeFile
from survey.cubes.registry import read_cube
from survey.errors import DataError, InfrastructureError

SETTINGS = ReadSettings()


@pytest.fixture
def anonymous(bucket, monkeypatch, tmp_path) -> Iterator[None]:
    """A user without credentials of any kind."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


def put(bucket, key, hdus, tmp_path):
    hdus.writeto(tmp_path / "cube.fits")
    bucket.put_object(Key=key, Body=(tmp_path / "cube.fits").read_bytes(), ACL="public-read")
    return f"s3://{bucket.name}/{key}"


def test_a_cube_of_a_public_bucket_is_read_without_an_account(bucket, anonymous, s3d, tmp_path):
    assert not remote._has_credentials()
    url = put(bucket, "jwst/cube.fits", s3d, tmp_path)
    cube = read_cube(url, SETTINGS)
    np.testing.assert_array_equal(cube["flux"], read_cube(tmp_path / "cube.fits", SETTINGS)["flux"])


def test_the_identity_of_an_object_is_its_etag(bucket, s3d, tmp_path):
    file = CubeFile.of(put(bucket, "cube.fits", s3d, tmp_path))
    facts = remote.remote_facts(file.address)
    assert facts.tag
    assert facts.size == (tmp_path / "cube.fits").stat().st_size
    known = file.content_hash()
    assert CubeFile.of(file.address).content_hash() == known
    bucket.put_object(Key="cube.fits", Body=b"another")
    assert file.content_hash() != known


def test_an_object_that_is_not_there_is_no_fault_of_the_service(bucket, s3d):
    with pytest.raises(DataError, match=r"s3://cubes/nothing.fits: no such file"):
        read_cube(f"s3://{bucket.name}/nothing.fits", SETTINGS)
    with pytest.raises(DataError, match="no such file"):
        read_cube("s3://no-such-bucket/nothing.fits", SETTINGS)


def test_a_service_that_is_down_is_not_the_fault_of_the_cube(monkeypatch):
    monkeypatch.setattr(remote, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(remote, "ATTEMPTS", 2)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(InfrastructureError, match=r"s3://cubes/x.fits: the file cannot be fetched"):
        read_cube("s3://cubes/x.fits", SETTINGS)


def test_headers_alone_of_a_large_object_cost_little(bucket, tmp_path):
    hdus = fits.HDUList(
        [fits.PrimaryHDU(), fits.ImageHDU(np.zeros((500, 40, 40), np.float32), name="SCI")]
    )
    file = CubeFile.of(put(bucket, "large.fits", hdus, tmp_path))
    with file.open(block_bytes=1 << 16) as stream:
        fits.Header.fromfile(stream)
        assert list(stream.raw._kept) == [0]
