"""The site, built once for all tests of a session, whatever worker of pytest they run on."""

import fcntl
import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
NO_NETWORK = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}


class Page(HTMLParser):
    """The anchors, the links and the text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.words: list[str] = []
        self.classes: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Collect anchors, links, and what a browser fetches by itself."""
        given = dict(attrs)
        if given.get("id"):
            self.anchors.add(given["id"])
        self.classes |= set((given.get("class") or "").split())
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag == "link" and given.get("href") and given.get("rel") in ("stylesheet", "icon"):
            self.fetched.append(given["href"])
        if tag in ("script", "img", "iframe") and given.get("src"):
            self.fetched.append(given["src"])

    def handle_data(self, data):
        """Collect the text."""
        self.words.append(data)

    @property
    def text(self) -> str:
        """All text of the page."""
        return "".join(self.words)


class Site:
    """The pages of the site."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pages = {
            str(path.relative_to(folder)): Page(path) for path in sorted(folder.rglob("*.html"))
        }

    def page(self, name: str) -> Page:
        """A page by its name without ending."""
        return self.pages[f"{name}.html"]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site, built from a copy of the sources; a warning is an error."""
    pytest.importorskip("myst_nb", reason='the site needs pip install "spaxel-survey[docs]"')
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "site"
    with (shared / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "site.done").exists():
            _build(shared / "site-sources", folder)
            (shared / "site.done").touch()
    return Site(folder)


def _build(sources: Path, folder: Path) -> None:
    shutil.rmtree(sources, ignore_errors=True)
    sources.mkdir()
    skipped = shutil.ignore_patterns("_build", "__pycache__")
    for name in ("docs", "notebooks", "deploy"):
        shutil.copytree(REPOSITORY / name, sources / name, ignore=skipped)
    shutil.copy(REPOSITORY / "CHANGELOG.md", sources)
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    done = subprocess.run(
        [*command, str(sources / "docs"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | NO_NETWORK | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert done.returncode == 0, done.stderr
