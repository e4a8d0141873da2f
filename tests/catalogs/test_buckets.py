"""A catalog that is copied to a bucket and read there."""

import numpy as np
import pandas as pd
import pytest

from catalogs import CatalogError, open_catalog
from catalogs.places.copy import copy_catalog
from catalogs.publish import publish
from catalogs.versions import MANIFEST
from survey.cli import main

URL = "s3://cubes/survey/v1"


@pytest.fixture
def copied(run, bucket):
    assert copy_catalog(run, URL) == URL
    return open_catalog(URL)


def test_a_copy_in_a_bucket_is_read_like_the_catalog(run, copied):
    here = open_catalog(run)
    assert copied.tables == here.tables
    assert copied.row_counts() == here.row_counts()
    for table in ("galaxies", "clusters", "quarantine", "scores"):
        pd.testing.assert_frame_equal(getattr(copied, table), getattr(here, table))
    for table in ("spaxels", "spectra", "measurements"):
        one, other = (getattr(catalog, table)("NGC 1") for catalog in (copied, here))
        pd.testing.assert_frame_equal(one, other)
    image, wcs = copied.spaxel_map("NGC 1")
    np.testing.assert_array_equal(image, here.spaxel_map("NGC 1")[0])
    assert wcs is not None
    assert copied.classes == here.classes
    assert copied.describe("clusters") == here.describe("clusters")
    assert len(copied.qtable("clusters", "NGC 2")) == 2
    spaxels = copied.dask("spaxels").compute()
    pd.testing.assert_frame_equal(spaxels, here.spaxels(), check_dtype=False)


def test_a_copy_is_replaced_without_what_it_no_longer_has(run, copied, bucket, make_part):
    bucket.put_object(Key="survey/v1/notes.txt", Body=b"mine")
    before = {one.key for one in bucket.objects.all()}
    publish(run, [make_part("NGC 9")], [])
    copy_catalog(run, URL)
    assert list(open_catalog(URL).galaxies["galaxy"]) == ["NGC 9"]
    after = {one.key for one in bucket.objects.all()}
    assert "survey/v1/notes.txt" in after
    files = {record.path for record in _manifest(run).files} | {MANIFEST, "notes.txt"}
    assert after == {f"survey/v1/{name}" for name in files}
    assert before


def test_a_copy_that_stops_midway_cannot_be_opened(run, copied):
    def stop(record, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_catalog(run, URL, on_file=stop)
    with pytest.raises(CatalogError, match=f"{URL}: no catalog found"):
        open_catalog(URL)
    copy_catalog(run, URL)
    assert len(open_catalog(URL).galaxies) == 3


def test_a_damaged_catalog_is_not_copied(run, bucket):
    file = open_catalog(run).files("clusters")[0]
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CatalogError, match="the catalog is damaged: clusters"):
        copy_catalog(run, URL)
    assert not list(bucket.objects.all())


def test_errors_name_the_bucket(run, bucket):
    with pytest.raises(CatalogError, match="s3://no-such-bucket/x: the catalog cannot be copied"):
        copy_catalog(run, "s3://no-such-bucket/x")
    with pytest.raises(CatalogError, match="s3://cubes/nothing: no catalog found"):
        open_catalog("s3://cubes/nothing")
    with pytest.raises(CatalogError, match=r"expected s3://BUCKET/FOLDER"):
        open_catalog("gs://cubes/nothing")


def test_the_command_copies_and_lists(run, bucket, monkeypatch, capsys):
    for command in (f"catalog export {run} --to {URL} --quiet", f"catalog list {URL}"):
        monkeypatch.setattr("sys.argv", ["survey", *command.split()])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    out = capsys.readouterr().out
    assert f"copied to {URL}" in out
    assert "clusters              6 rows" in out
    monkeypatch.setattr("sys.argv", ["survey", "catalog", "export", str(run), "clusters"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "not clear what to export" in capsys.readouterr().err


def _manifest(run):
    from catalogs.versions import Manifest

    return Manifest.read(open_catalog(run).folder)
