"""The real Chandra Source Catalog, where there is a network: one small question, one detection."""

import socket
from pathlib import Path

import pytest

from survey.latents.xray.csc_fetch import fetch_spectra, open_session
from survey.latents.xray.csc_query import Selection, detections_of, find_detections
from survey.latents.xray.spectra import find_spectra, load_spectra


@pytest.fixture(autouse=True)
def _network() -> None:
    try:
        socket.create_connection(("cda.cfa.harvard.edu", 443), timeout=3).close()
    except OSError:
        pytest.skip("cda.cfa.harvard.edu is not reached from here")


def test_a_source_is_found_by_name_and_by_position_and_its_spectrum_is_read(
    tmp_path: Path,
) -> None:
    session = open_session()
    name = "2CXO J004231.1+411621"
    by_name, bad = detections_of(
        find_detections(Selection(sources=(name,), limit=2), session=session)
    )
    assert not bad
    assert {one.source for one in by_name} == {name}
    place = Selection(positions=((10.62976, 41.27267),), limit=2)
    found, _ = detections_of(find_detections(place, session=session))
    assert {one.source for one in found} == {name}
    report = fetch_spectra(by_name[:1], tmp_path, session=session)
    assert report.fetched == 1
    loaded = load_spectra(find_spectra(tmp_path), folded=True)
    assert loaded.spectra.totals.sum() > 40
    assert loaded.facts[0].response
