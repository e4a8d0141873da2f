"""Archives on this machine."""

import pytest

from survey.archives import fetch_each, mast
from survey.archives import session as sessions
from tests.archives.services import gatos


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(fetch_each, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(mast, "POLL_S", 0.001)


@pytest.fixture
def session():
    return sessions.open_session(10.0)


@pytest.fixture
def archive(web, monkeypatch):
    """A stand-in of MAST with the paper's sample."""
    service = gatos()
    facts = sessions.services()["mast"]
    monkeypatch.setitem(facts, "invoke_url", f"{web.url}/api/v0/invoke")
    monkeypatch.setitem(facts, "download_url", f"{web.url}/api/v0.1/Download/file")
    web.answer = service.answer
    for uri, content in service.files.items():
        web.files[f"api/v0.1/Download/file?uri={uri}"] = content
    return service
