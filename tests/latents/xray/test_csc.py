"""Spectra of the Chandra Source Catalog, from a stand-in for the archive on the loopback.

The reply to the query has the documented form of those of the service; there is no network here.
"""

import io
import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from typer.testing import CliRunner

from survey.archives import fetch_each
from survey.cli import app
from survey.errors import ConfigError, DataError, InfrastructureError
from survey.latents.grid import Grid
from survey.latents.run.inputs import load_inputs
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
from tests.latents.conftest import Archive, products, tar_of

ONE = Detection("2CXO J004231.1+411621", 1575, 1, 85)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_each, "FIRST_WAIT_S", 0.0)


@pytest.fixture
def everything(chandra: Archive) -> list[Detection]:
    found, bad = detections_of(find_detections(Selection(), url=chandra.query_url))
    assert not bad
    return found


def test_a_query_asks_for_the_limits_and_sources_wanted() -> None:
    plain = query_of(Selection(min_counts=100, max_off_axis_arcmin=3))
    assert "o.src_cnts_aper_b >= 100" in plain
    assert "o.theta <= 3" in plain
    assert "csc21.master_source m" in plain
    assert "TOP" not in plain
    assert "m.name IN" not in plain
    some = query_of(Selection(sources=("2CXO J004231.1+411621",)), rows=7)
    assert some.startswith("SELECT DISTINCT TOP 7 m.name")
    assert "m.name IN ('2CXO J004231.1+411621')" in some


@pytest.mark.parametrize("letter", ["", "X", "A", "B"])
def test_names_may_have_a_letter_at_their_end(letter: str) -> None:
    name = f"2CXO J004231.1+411621{letter}"
    assert f"('{name}')" in query_of(Selection(sources=(name,)))
    table = Table({"name": [name], "obsid": [1575], "obi": [1], "region_id": [85]})
    assert detections_of(table) == ([Detection(name, 1575, 1, 85)], [])


def test_positions_are_asked_for_as_circles() -> None:
    asked = query_of(Selection(positions=((10.6297, 41.2727),), radius_arcsec=3.0))
    assert "dbo.cone_distance(m.ra, m.dec, 10.6297000, 41.2727000) <= 0.050000" in asked
    assert "m.dec BETWEEN 41.2718667 AND 41.2735333" in asked
    with pytest.raises(ConfigError, match="not a position"):
        Selection(positions=((10.0, 91.0),))


@pytest.mark.parametrize("name", ["M 31", "2CXO J004231.1+411621' OR '1'='1", ""])
def test_only_names_of_the_catalog_get_into_a_query(name: str) -> None:
    with pytest.raises(ConfigError, match="not a name of a source"):
        Selection(sources=(name,))


def test_a_reply_becomes_a_table_of_detections(chandra: Archive) -> None:
    table = find_detections(Selection(), url=chandra.query_url)
    assert len(table) == 3
    assert chandra.queries == [query_of(Selection(), rows=csc_facts()["limits"]["rows"])]
    first, second, third = detections_of(table)[0]
    assert first == Detection("2CXO J140312.5+542056", 2779, 1, 4)
    assert (second.key, second.identifier) == ("acisf04736_000_r0079", "4736.0.79")
    assert third == ONE


def test_what_the_service_refuses_is_said_in_its_words(chandra: Archive) -> None:
    chandra.query = lambda adql: (
        200,
        b'<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        b'<RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">'
        b"unknown column o.thta</INFO></RESOURCE></VOTABLE>",
    )
    with pytest.raises(DataError, match=r"unknown column o\.thta"):
        find_detections(Selection(), url=chandra.query_url)


def many_sources(numbers: list[int]) -> list[str]:
    """Rows of so many detections of each of several sources."""
    row = re.search(r"<TR>.*?</TR>", (Path(__file__).parent / "csc_reply.vot").read_text())[0]
    return [
        row.replace("J140312.5+542056", f"J14{k:04d}.5+542056").replace(
            "<TD>2779<", f"<TD>{10 + i}<"
        )
        for k, number in enumerate(numbers)
        for i in range(number)
    ]


def serve_in_pages(chandra: Archive, all_rows: list[str], most: int) -> None:
    """Answer as a service does that sends `most` rows at a time, and says so."""
    head = (Path(__file__).parent / "csc_reply.vot").read_text().partition("<DATA>")[0]

    def name_of(row: str) -> str:
        return re.search(r"2CXO [^<]*", row)[0]

    def query(adql: str) -> tuple[int, bytes]:
        rows = all_rows
        if after := re.search(r"m\.name > '(2CXO [^']*)'", adql):
            rows = [row for row in rows if name_of(row) > after[1]]
        if named := re.search(r"m\.name IN \(([^)]*)\)", adql):
            rows = [row for row in rows if name_of(row) in named[1]]
        begin = head.replace('value="OK"', 'value="OVERFLOW"') if len(rows) > most else head
        cells = "".join(rows[:most])
        end = "</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
        return 200, f"{begin}<DATA><TABLEDATA>{cells}{end}".encode()

    chandra.query = query


@pytest.mark.parametrize("most", [7, 10, 23, 100])
def test_a_catalog_that_sends_few_rows_at_a_time_is_read_to_its_end(
    chandra: Archive, most: int
) -> None:
    numbers = [3, 1, 6, 2, 5, 1, 4, 1]
    serve_in_pages(chandra, many_sources(numbers), most)
    found, bad = detections_of(find_detections(Selection(), url=chandra.query_url))
    assert len(found) == len(set(found)) == sum(numbers)
    assert not bad
    assert len(chandra.queries) > 1 or most >= sum(numbers)


def test_a_source_whose_detections_are_cut_off_is_not_taken_for_whole(chandra: Archive) -> None:
    serve_in_pages(chandra, many_sources([3, 9, 2]), 6)
    with pytest.raises(DataError, match="only part of the detections"):
        find_detections(Selection(), url=chandra.query_url)


def test_names_are_asked_for_in_batches_and_found_once(
    chandra: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(csc_facts()["limits"], "names", 3)
    serve_in_pages(chandra, many_sources([2] * 8), 100)
    names = tuple(f"2CXO J14{k:04d}.5+542056" for k in range(8))
    found, _ = detections_of(find_detections(Selection(sources=names), url=chandra.query_url))
    assert sorted({one.source for one in found}) == sorted(names)
    assert len(found) == 16
    assert len(chandra.queries) == 3


def test_a_bad_row_is_told_and_the_others_are_kept() -> None:
    table = Table(
        {
            "name": ["2CXO J004231.1+411621", "../../etc/passwd", "2CXO J140312.5+542056"],
            "obsid": np.ma.masked_array([1575, 2, 2779], mask=[False, False, False]),
            "obi": np.ma.masked_array([1, 0, 0], mask=[False, False, True]),
            "region_id": [85, 1, 4],
        }
    )
    found, bad = detections_of(table)
    assert found == [ONE]
    assert [str(error).split(",")[0].split(" is")[0] for error in bad] == ["row 2", "row 3"]


def test_a_reply_without_the_columns_is_refused(chandra: Archive) -> None:
    whole = (Path(__file__).parent / "csc_reply.vot").read_bytes()
    chandra.query = lambda adql: (200, whole.replace(b'name="theta"', b'name="phi"'))
    with pytest.raises(DataError, match="lacks columns; expected theta"):
        find_detections(Selection(), url=chandra.query_url)


def test_a_service_that_is_down_is_no_fault_of_the_query(chandra: Archive) -> None:
    chandra.query = lambda adql: (503, b"")
    for url in (chandra.query_url, "http://127.0.0.1:9/csc21tap"):
        with pytest.raises(InfrastructureError, match="cannot be reached"):
            find_detections(Selection(), url=url)


def test_a_page_in_place_of_a_table_is_no_reply(chandra: Archive) -> None:
    chandra.query = lambda adql: (200, b"<html>maintenance</html>")
    with pytest.raises(DataError, match="gives no table"):
        find_detections(Selection(), url=chandra.query_url)


def test_fetched_spectra_can_be_read_with_their_sources(
    chandra: Archive, everything: list[Detection], tmp_path: Path
) -> None:
    report = fetch_spectra(everything, tmp_path, url=chandra.retrieve_url)
    assert (report.fetched, report.present, report.failures) == (3, 0, ())
    assert chandra.requests[0].startswith("2779.1.4/spectrum/b,2779.1.4/rmf/b,2779.1.4/arf/b,4736")
    assert len(chandra.requests) == 1, "three detections in one request"
    files = find_spectra(tmp_path)
    loaded = load_spectra(
        files, grid=Grid([1.0, 3.0, 5.0, 9.0], "keV"), sources=sources_of(tmp_path)
    )
    assert loaded.failures == ()
    assert loaded.spectra is not None
    assert sorted(loaded.spectra.sources) == sorted(one.source for one in everything)
    assert (loaded.spectra.background.sum(axis=1) > 0).all()
    assert not list(tmp_path.glob(".inflight*"))
    of_commands = load_inputs([tmp_path], grid=Grid([1.0, 3.0, 5.0, 9.0], "keV")).spectra
    assert of_commands.sources.tolist() == loaded.spectra.sources.tolist()
    assert len(set(of_commands.sources)) == 2, "three detections of two sources"


def test_what_is_there_is_not_fetched_again_and_what_is_damaged_is(
    chandra: Archive, everything: list[Detection], tmp_path: Path
) -> None:
    fetch_spectra(everything, tmp_path, url=chandra.retrieve_url)
    again = fetch_spectra(everything, tmp_path, url=chandra.retrieve_url)
    assert (again.fetched, again.present) == (0, 3)
    assert len(chandra.requests) == 1
    files = sorted(tmp_path.glob("acisf01575*"))
    assert len(files) == 3
    files[0].write_bytes(files[0].read_bytes()[:-2880])  # shorter
    files = sorted(tmp_path.glob("acisf02779*"))
    (tmp_path / ".receipts" / f"{everything[0].key}.json").write_text("{")
    again = fetch_spectra(everything, tmp_path, url=chandra.retrieve_url)
    assert (again.fetched, again.present) == (2, 1)
    whole = bytearray(files[1].read_bytes())
    whole[-1] ^= 1
    files[1].write_bytes(whole)  # the same length: only its hash tells
    assert is_fetched(tmp_path, everything[0])
    assert not is_fetched(tmp_path, everything[0], full=True)


def test_a_fetch_that_was_interrupted_leaves_whole_detections_only(
    chandra: Archive, everything: list[Detection], tmp_path: Path
) -> None:
    def stop(done: Detection) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_spectra(everything, tmp_path, url=chandra.retrieve_url, on_detection=stop)
    assert len(sources_of(tmp_path)) == 1
    report = fetch_spectra(everything, tmp_path, url=chandra.retrieve_url)
    assert (report.fetched, report.present) == (2, 1)


def test_a_hiccup_of_the_archive_passes(chandra: Archive, tmp_path: Path) -> None:
    answers = [(503, b""), (503, b""), chandra.retrieve(1575, 1, 85)]
    chandra.retrieve = lambda *numbers: answers.pop(0)
    assert fetch_spectra([ONE], tmp_path, url=chandra.retrieve_url).fetched == 1
    assert not answers


def test_an_archive_that_is_down_stops_the_fetch(chandra: Archive, tmp_path: Path) -> None:
    chandra.retrieve = lambda *numbers: (503, b"")
    many = [Detection(ONE.source, 1575, 1, region) for region in range(60)]
    with pytest.raises(InfrastructureError, match="busy"):
        fetch_spectra(many, tmp_path, url=chandra.retrieve_url)
    assert len(chandra.requests) == csc_fetch.ATTEMPTS * fetch_each.GIVE_UP_AFTER


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
    chandra: Archive, tmp_path: Path, answer: tuple[int, bytes], message: str
) -> None:
    chandra.retrieve = lambda *numbers: answer
    report = fetch_spectra([ONE], tmp_path, url=chandra.retrieve_url)
    assert (report.fetched, len(report.failures)) == (0, 1)
    with pytest.raises(DataError, match=message):
        raise report.failures[0]
    assert [path.name for path in tmp_path.iterdir()] == [".receipts"]
    assert sources_of(tmp_path) == {}


def test_names_from_the_network_never_leave_the_folder(chandra: Archive, tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    evil = {"../evil.fits": b"x", "/tmp/evil.fits": b"x"}
    up = {f"../../{name}": content for name, content in FILES.items()}
    chandra.retrieve = lambda *numbers: (200, tar_of(evil | up))
    assert fetch_spectra([ONE], folder, url=chandra.retrieve_url).fetched == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inner"]
    assert sorted(path.name for path in folder.glob("acisf*")) == sorted(FILES)


def interleaved(*cycles: str) -> bytes:
    plain = products(1575, 1, 85)
    files = {}
    for cycle in cycles:
        for name, content in plain.items():
            files[name.replace("_001N", f"_001_{cycle}_N")] = content
    return tar_of(files)


def test_the_cycles_of_an_interleaved_observation_are_two_spectra(
    chandra: Archive, tmp_path: Path
) -> None:
    chandra.retrieve = lambda *numbers: (200, interleaved("e1", "e2"))
    assert fetch_spectra([ONE], tmp_path, url=chandra.retrieve_url).fetched == 1
    assert len(list(tmp_path.glob("acisf*"))) == 6
    assert sources_of(tmp_path) == {
        f"acisf01575_001_{cycle}_N021_r0085_pha3": ONE.source for cycle in ("e1", "e2")
    }
    assert is_fetched(tmp_path, ONE)


def test_the_responses_of_one_cycle_do_not_stand_in_for_those_of_the_other(
    chandra: Archive, tmp_path: Path
) -> None:
    whole = interleaved("e1", "e2")
    files = {}
    with tarfile.open(fileobj=io.BytesIO(whole)) as opened:
        for member in opened:
            if "e2" not in member.name or "rmf3" not in member.name:
                files[member.name] = opened.extractfile(member).read()
    chandra.retrieve = lambda *numbers: (200, tar_of(files))
    report = fetch_spectra([ONE], tmp_path, url=chandra.retrieve_url)
    assert "e2_rmf3" in str(report.failures[0])


def test_what_a_request_for_several_does_not_bring_is_asked_for_alone(
    chandra: Archive, everything: list[Detection], tmp_path: Path
) -> None:
    whole = chandra.retrieve
    chandra.retrieve = lambda *n: (200, b"no tar") if n[0] == 4736 else whole(*n)
    report = fetch_spectra(everything, tmp_path, url=chandra.retrieve_url)
    assert (report.fetched, len(report.failures)) == (2, 1)
    assert "4736.0.79" in str(report.failures[0])
    assert len(chandra.requests) == 3, "all three, 4736 alone, and the one that was left"


@pytest.mark.parametrize("limit", ["file_bytes", "reply_bytes"])
def test_a_reply_of_any_size_is_not_accepted(
    chandra: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setitem(csc_facts()["limits"], limit, 5000)
    report = fetch_spectra([ONE], tmp_path, url=chandra.retrieve_url)
    assert "too large" in str(report.failures[0])


def test_one_detection_at_fault_does_not_stop_the_others(
    chandra: Archive, everything: list[Detection], tmp_path: Path
) -> None:
    whole = chandra.retrieve
    chandra.retrieve = lambda *n: (404, b"") if n[0] == 2779 else whole(*n)
    report = fetch_spectra(everything, tmp_path, url=chandra.retrieve_url)
    assert (report.fetched, len(report.failures)) == (2, 1)


@pytest.fixture
def command(chandra: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`survey latent fetch` with the stand-in; returns what it printed as JSON, and its errors."""
    monkeypatch.setitem(csc_facts(), "query_url", chandra.query_url)
    monkeypatch.setitem(csc_facts(), "retrieve_url", chandra.retrieve_url)

    def run(*options: str, expect: int = 0) -> tuple[dict, str]:
        line = ["latent", "fetch", str(tmp_path / "csc"), "--json", *options]
        done = CliRunner().invoke(app, line)
        assert done.exit_code == expect, done.output
        return json.loads(done.stdout), done.stderr

    return run


def test_the_command_fetches_what_its_table_says(command, chandra: Archive, tmp_path) -> None:
    first, _ = command("--min-counts", "100")
    out = tmp_path / "csc"
    assert first == {"fetched": 3, "present": 0, "failed": 0, "folder": str(out)}
    assert "o.src_cnts_aper_b >= 100" in chandra.queries[0]
    assert command("--min-counts", "100")[0]["present"] == 3
    assert len(chandra.queries) == 1
    chandra.retrieve = lambda *numbers: (404, b"")
    next(out.glob("acisf01575*")).unlink()
    command("--min-counts", "100", "--again", expect=64)
    assert len(chandra.queries) == 2


@pytest.mark.parametrize("how", ["another selection", "damaged", "of an earlier version"])
def test_a_list_that_is_stale_is_queried_again(command, chandra, tmp_path, how: str) -> None:
    command()
    file = tmp_path / "csc" / "detections.ecsv"
    if how == "damaged":
        file.write_text("%%%")
    elif how == "of an earlier version":
        file.write_text(re.sub(r"# meta:.*?(?=# schema)", "", file.read_text(), flags=re.S))
    options = ("--min-counts", "77") if how == "another selection" else ()
    assert command(*options)[0]["present"] == 3
    assert len(chandra.queries) == 2
    command(*options)
    assert len(chandra.queries) == 2, "the new list is kept"


def test_one_bad_row_of_the_catalog_ends_nothing(command, chandra: Archive) -> None:
    whole = (Path(__file__).parent / "csc_reply.vot").read_bytes()
    bad = whole.replace(b"2CXO J004231.1+411621", b"2CXO J004231.1")
    chandra.query = lambda adql: (200, bad)
    numbers, complaint = command(expect=64)
    assert (numbers["fetched"], numbers["failed"]) == (2, 1)
    assert "row 3 is not a detection" in complaint
