"""Spectra of the Chandra Source Catalog, from a stand-in for the archive on the loopback.

The reply to the query has the documented form of those of the service; there is no network here.
"""

import io
import json
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from survey.archives import fetch_each
from survey.cli import app
from survey.errors import ConfigError, DataError, InfrastructureError
from survey.latents.grid import Grid
from survey.latents.xray import csc_fetch
from survey.latents.xray.csc_fetch import fetch_spectra, is_fetched, sources_of
from survey.latents.xray.csc_query import (
    Detection,
    Selection,
    csc_facts,
    detections_of,
    find_detections,
    query_of,
)
from survey.latents.xray.spectra import find_spectra, load_spectra
from tests.latents.xray.conftest import Archive, products, tar_of

ONE = Detection("2CXO J004231.1+411621", 1575, 1, 85)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_each, "FIRST_WAIT_S", 0.0)


@pytest.fixture
def everything(archive: Archive) -> list[Detection]:
    return detections_of(find_detections(Selection(), url=archive.query_url))


def test_a_query_asks_for_the_limits_and_sources_wanted() -> None:
    plain = query_of(Selection(min_counts=100, max_off_axis_arcmin=3))
    assert "o.src_cnts_aper_b >= 100" in plain
    assert "o.theta <= 3" in plain
    assert "csc21.master_source m" in plain
    assert "TOP" not in plain
    assert "m.name IN" not in plain
    some = query_of(Selection(sources=("2CXO J004231.1+411621",), limit=7))
    assert some.startswith("SELECT DISTINCT TOP 7 m.name")
    assert "m.name IN ('2CXO J004231.1+411621')" in some


@pytest.mark.parametrize("name", ["M 31", "2CXO J004231.1+411621' OR '1'='1", ""])
def test_only_names_of_the_catalog_get_into_a_query(name: str) -> None:
    with pytest.raises(ConfigError, match="not a name of a source"):
        Selection(sources=(name,))


def test_a_reply_becomes_a_table_of_detections(archive: Archive) -> None:
    table = find_detections(Selection(), url=archive.query_url)
    assert len(table) == 3
    assert archive.queries == [query_of(Selection())]
    first, second, third = detections_of(table)
    assert first == Detection("2CXO J140312.5+542056", 2779, 1, 4)
    assert (second.key, second.identifier) == ("acisf04736_000_r0079", "4736.0.79")
    assert third == ONE


def test_what_the_service_refuses_is_said_in_its_words(archive: Archive) -> None:
    archive.query = lambda adql: (
        200,
        b'<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        b'<RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">'
        b"unknown column o.thta</INFO></RESOURCE></VOTABLE>",
    )
    with pytest.raises(DataError, match=r"unknown column o\.thta"):
        find_detections(Selection(), url=archive.query_url)


def test_a_reply_that_is_cut_off_is_not_taken_for_all(archive: Archive) -> None:
    archive.query = lambda adql: (
        200,
        (Path(__file__).parent / "csc_reply.vot").read_bytes().replace(b'"OK"', b'"OVERFLOW"'),
    )
    with pytest.raises(DataError, match="only part"):
        find_detections(Selection(), url=archive.query_url)
    assert len(find_detections(Selection(limit=3), url=archive.query_url)) == 3


def test_a_reply_without_the_columns_is_refused(archive: Archive) -> None:
    whole = (Path(__file__).parent / "csc_reply.vot").read_bytes()
    archive.query = lambda adql: (200, whole.replace(b'name="theta"', b'name="phi"'))
    with pytest.raises(DataError, match="lacks columns; expected theta"):
        find_detections(Selection(), url=archive.query_url)


def test_a_service_that_is_down_is_no_fault_of_the_query(archive: Archive) -> None:
    archive.query = lambda adql: (503, b"")
    for url in (archive.query_url, "http://127.0.0.1:9/csc21tap"):
        with pytest.raises(InfrastructureError, match="cannot be reached"):
            find_detections(Selection(), url=url)


def test_a_page_in_place_of_a_table_is_no_reply(archive: Archive) -> None:
    archive.query = lambda adql: (200, b"<html>maintenance</html>")
    with pytest.raises(DataError, match="gives no table"):
        find_detections(Selection(), url=archive.query_url)


def test_fetched_spectra_can_be_read_with_their_sources(
    archive: Archive, everything: list[Detection], tmp_path: Path
) -> None:
    report = fetch_spectra(everything, tmp_path, url=archive.retrieve_url)
    assert (report.fetched, report.present, report.failures) == (3, 0, ())
    assert archive.requests[0] == "2779.1.4/spectrum/b,2779.1.4/rmf/b,2779.1.4/arf/b"
    files = find_spectra(tmp_path)
    loaded = load_spectra(
        files, grid=Grid([1.0, 3.0, 5.0, 9.0], "keV"), sources=sources_of(tmp_path)
    )
    assert loaded.failures == ()
    assert loaded.spectra is not None
    assert sorted(loaded.spectra.sources) == sorted(one.source for one in everything)
    assert (loaded.spectra.background.sum(axis=1) > 0).all()
    assert not list(tmp_path.glob(".inflight*"))


def test_what_is_there_is_not_fetched_again_and_what_is_damaged_is(
    archive: Archive, everything: list[Detection], tmp_path: Path
) -> None:
    fetch_spectra(everything, tmp_path, url=archive.retrieve_url)
    again = fetch_spectra(everything, tmp_path, url=archive.retrieve_url)
    assert (again.fetched, again.present) == (0, 3)
    assert len(archive.requests) == 3
    files = sorted(tmp_path.glob("acisf01575*"))
    assert len(files) == 3
    files[0].write_bytes(files[0].read_bytes()[:-2880])  # shorter
    files = sorted(tmp_path.glob("acisf02779*"))
    (tmp_path / ".receipts" / f"{everything[0].key}.json").write_text("{")
    again = fetch_spectra(everything, tmp_path, url=archive.retrieve_url)
    assert (again.fetched, again.present) == (2, 1)
    whole = bytearray(files[1].read_bytes())
    whole[-1] ^= 1
    files[1].write_bytes(whole)  # the same length: only its hash tells
    assert is_fetched(tmp_path, everything[0])
    assert not is_fetched(tmp_path, everything[0], full=True)


def test_a_fetch_that_was_interrupted_leaves_whole_detections_only(
    archive: Archive, everything: list[Detection], tmp_path: Path
) -> None:
    def stop(done: Detection) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_spectra(everything, tmp_path, url=archive.retrieve_url, on_detection=stop)
    assert len(sources_of(tmp_path)) == 1
    report = fetch_spectra(everything, tmp_path, url=archive.retrieve_url)
    assert (report.fetched, report.present) == (2, 1)


def test_a_hiccup_of_the_archive_passes(archive: Archive, tmp_path: Path) -> None:
    answers = [(503, b""), (503, b""), archive.retrieve(1575, 1, 85)]
    archive.retrieve = lambda *numbers: answers.pop(0)
    assert fetch_spectra([ONE], tmp_path, url=archive.retrieve_url).fetched == 1
    assert not answers


def test_an_archive_that_is_down_stops_the_fetch(archive: Archive, tmp_path: Path) -> None:
    archive.retrieve = lambda *numbers: (503, b"")
    many = [Detection(ONE.source, 1575, 1, region) for region in range(10)]
    with pytest.raises(InfrastructureError, match="busy"):
        fetch_spectra(many, tmp_path, url=archive.retrieve_url)
    assert len(archive.requests) == csc_fetch.ATTEMPTS * fetch_each.GIVE_UP_AFTER


def with_link(name: str, target: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo(name)
        link.type = tarfile.SYMTYPE
        link.linkname = target
        archive.addfile(link)
    return buffer.getvalue()


def renamed(old: str, new: str) -> bytes:
    return tar_of(
        {name.replace(old, new): content for name, content in products(1575, 1, 85).items()}
    )


FILES = products(1575, 1, 85)
RMF = "acisf01575_001N021_r0085_rmf3.fits"
PHA = "acisf01575_001N021_r0085_pha3.fits"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((404, b"no such thing"), "no such spectrum"),
        ((200, b"<html>please log in</html>"), "no readable tar"),
        ((200, tar_of(FILES)[:9000]), "no readable tar|did not send all|truncated"),
        ((200, tar_of({})), "did not send all"),
        ((200, tar_of({k: v for k, v in FILES.items() if k != RMF})), "did not send all.*rmf3"),
        ((200, renamed("r0085", "r0086")), "did not send all"),
        ((200, renamed("acisf01575", "x\n; rm -rf acisf01575")), "did not send all"),
        ((200, with_link(PHA, "/etc/passwd")), "did not send all"),
        ((200, tar_of(FILES | {RMF: b"no FITS at all"})), "not a readable FITS"),
        ((200, tar_of(FILES | {PHA: FILES[PHA][:-2880]})), "truncated"),
        (
            (
                200,
                tar_of(FILES | {PHA: next(iter(products(9999, 1, 85).values()))}),
            ),
            "another observation",
        ),
    ],
)
def test_what_is_wrong_with_a_reply_is_said_and_leaves_nothing(
    archive: Archive, tmp_path: Path, answer: tuple[int, bytes], message: str
) -> None:
    archive.retrieve = lambda *numbers: answer
    report = fetch_spectra([ONE], tmp_path, url=archive.retrieve_url)
    assert (report.fetched, len(report.failures)) == (0, 1)
    with pytest.raises(DataError, match=message):
        raise report.failures[0]
    assert [path.name for path in tmp_path.iterdir()] == [".receipts"]
    assert sources_of(tmp_path) == {}


def test_names_from_the_network_never_leave_the_folder(archive: Archive, tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    evil = {"../evil.fits": b"x", "/tmp/evil.fits": b"x"}
    up = {f"../../{name}": content for name, content in FILES.items()}
    archive.retrieve = lambda *numbers: (200, tar_of(evil | up))
    assert fetch_spectra([ONE], folder, url=archive.retrieve_url).fetched == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inner"]
    assert sorted(path.name for path in folder.glob("acisf*")) == sorted(FILES)


@pytest.mark.parametrize("limit", ["file_bytes", "reply_bytes"])
def test_a_reply_of_any_size_is_not_accepted(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setitem(csc_facts()["limits"], limit, 5000)
    report = fetch_spectra([ONE], tmp_path, url=archive.retrieve_url)
    assert "too large" in str(report.failures[0])


def test_one_detection_at_fault_does_not_stop_the_others(
    archive: Archive, everything: list[Detection], tmp_path: Path
) -> None:
    whole = archive.retrieve
    archive.retrieve = lambda *n: (404, b"") if n[0] == 2779 else whole(*n)
    report = fetch_spectra(everything, tmp_path, url=archive.retrieve_url)
    assert (report.fetched, len(report.failures)) == (2, 1)


def test_the_command_fetches_what_its_table_says(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(csc_facts(), "query_url", archive.query_url)
    monkeypatch.setitem(csc_facts(), "retrieve_url", archive.retrieve_url)
    out = tmp_path / "csc"
    command = ["latent", "fetch", str(out), "--json", "--min-counts", "100"]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout) == {
        "fetched": 3,
        "present": 0,
        "failed": 0,
        "folder": str(out),
    }
    assert "o.src_cnts_aper_b >= 100" in archive.queries[0]
    second = CliRunner().invoke(app, command)
    assert json.loads(second.stdout)["present"] == 3
    assert len(archive.queries) == 1
    archive.retrieve = lambda *numbers: (404, b"")
    next(out.glob("acisf01575*")).unlink()
    assert CliRunner().invoke(app, [*command, "--again"]).exit_code == 64
    assert len(archive.queries) == 2
