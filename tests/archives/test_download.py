"""Files are fetched once, whole and unharmed."""

import json
import shutil
from types import SimpleNamespace

import pytest

from survey.archives import download, fetch_each
from survey.archives.download import fetch, is_fetched
from survey.archives.products import Product
from survey.errors import InfrastructureError, ResourceError
from tests.archives.services import cube_bytes


@pytest.fixture
def served(web):
    """Two cubes of a server."""
    made = []
    for number in range(2):
        web.files[f"{number}.fits"] = cube_bytes(number)
        url = f"{web.url}/{number}.fits"
        made.append(Product(f"{number}.fits", url, len(web.files[f"{number}.fits"])))
    return made


def test_files_are_fetched_once(web, served, session, tmp_path):
    came = []
    report = fetch(served, tmp_path, session, on_bytes=came.append)
    assert (report.fetched, report.present, report.failures) == (2, 0, ())
    assert sum(came) == sum(one.size for one in served)
    assert (tmp_path / "0.fits").read_bytes() == web.files["0.fits"]
    web.requests.clear()
    assert fetch(served, tmp_path, session, verify=True).present == 2
    assert not web.requests
    assert sorted(path.name for path in tmp_path.iterdir()) == [".receipts", "0.fits", "1.fits"]
    receipt = json.loads((tmp_path / ".receipts" / "0.fits.json").read_text())
    assert receipt["url"] == served[0].url
    assert receipt["size"] == served[0].size


def test_what_broke_off_goes_on_where_it_stopped(web, served, session, tmp_path):
    web.fault = lambda path, number: "cut" if number <= 2 else None
    assert fetch(served[:1], tmp_path, session).fetched == 1
    assert (tmp_path / "0.fits").read_bytes() == web.files["0.fits"]
    starts = [asked and asked[0] for asked in web.of("0.fits")]
    half = served[0].size // 2
    assert starts == [None, half, half + (served[0].size - half) // 2]
    assert web.sent == served[0].size


def test_a_fetch_that_was_killed_goes_on_in_the_next_one(web, served, session, tmp_path):
    web.fault = lambda path, number: "cut" if number == 1 else 503
    assert fetch(served[:1], tmp_path, session).failures
    assert not is_fetched(tmp_path, served[0])
    web.fault = lambda path, number: None
    assert fetch(served[:1], tmp_path, session).fetched == 1
    assert web.of("0.fits")[-1] == (served[0].size // 2, served[0].size - 1)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_that_changed_meanwhile_is_fetched_anew(web, served, session, tmp_path, ranges):
    web.ranges = ranges
    other = cube_bytes(9)
    half = web.files["0.fits"][: served[0].size // 2]
    (tmp_path / ".0.fits.part").write_bytes(half)
    (tmp_path / ".0.fits.part.etag").write_text('"of another one"')
    web.files["0.fits"] = other
    assert fetch(served[:1], tmp_path, session).fetched == 1
    assert (tmp_path / "0.fits").read_bytes() == other


def test_a_damaged_file_is_found_and_fetched_anew(web, served, session, tmp_path):
    fetch(served, tmp_path, session)
    (tmp_path / "0.fits").write_bytes(b"x" * served[0].size)
    assert fetch(served, tmp_path, session).present == 2  # sizes agree
    report = fetch(served, tmp_path, session, verify=True)
    assert (report.fetched, report.present) == (1, 1)
    assert (tmp_path / "0.fits").read_bytes() == web.files["0.fits"]


def test_every_file_has_one_clear_error(web, served, session, tmp_path):
    web.files["page.fits"] = b"<html>log in</html>" * 300
    web.files["cut.fits"] = cube_bytes(3)[:-2880]
    wrong = [
        Product("gone.fits", f"{web.url}/gone.fits"),
        Product("page.fits", f"{web.url}/page.fits"),
        Product("cut.fits", f"{web.url}/cut.fits"),
        Product("0.fits", f"{web.url}/0.fits", 17),
    ]
    report = fetch([*wrong, served[1]], tmp_path, session)
    assert report.fetched == 1
    for error, message in zip(report.failures, (
        "gone.fits: the archive has no such file (HTTP 404)",
        "page.fits: the archive sent no cube: not a readable FITS file",
        "cut.fits: the archive sent no cube: the file is truncated",
        "0.fits: the file has another size than the archive says; expected 17 bytes",
    ), strict=True):  # fmt: skip
        assert message in str(error)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".receipts", "1.fits"]


def test_an_archive_that_is_down_ends_the_fetch(web, session, tmp_path):
    web.fault = lambda path, number: 503
    products = [Product(f"{i}.fits", f"{web.url}/{i}.fits") for i in range(9)]
    with pytest.raises(InfrastructureError, match="busy"):
        fetch(products, tmp_path, session)
    assert len(web.requests) == fetch_each.GIVE_UP_AFTER * download.ATTEMPTS


def test_a_full_disk_is_known_before_anything_comes(web, served, session, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(ResourceError, match="no room for the cubes"):
        fetch(served, tmp_path, session)
    assert not web.requests
