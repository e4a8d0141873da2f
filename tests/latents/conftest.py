"""A stand-in for the Chandra Data Archive on this machine, that does what it is told."""

import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from astropy.io import fits

from tests.latents.xray.files import CHANNELS, arf, rmf, spectrum

REPLY = (Path(__file__).parent / "xray" / "csc_reply.vot").read_bytes()

Answer = tuple[int, bytes]


def as_bytes(*tables: fits.BinTableHDU) -> bytes:
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(buffer, checksum=True)
    return buffer.getvalue()


def products(obsid: int, obi: int, region: int) -> dict[str, bytes]:
    """The files of a detection, by the names that the archive gives them."""
    stem = f"acisf{obsid:05d}_{obi:03d}N021_r{region:04d}"
    names = {
        "BACKFILE": f"{stem}_pha3.fits",
        "RESPFILE": f"{stem}_rmf3.fits",
        "ANCRFILE": f"{stem}_arf3.fits",
    }
    source = spectrum(OBS_ID=str(obsid), **names)
    around = spectrum(HDUCLAS2="BKG", BACKSCAL=4e-6, OBS_ID=str(obsid))
    matrix = np.eye(CHANNELS)
    return {
        f"{stem}_pha3.fits": as_bytes(source, around),
        f"{stem}_rmf3.fits": as_bytes(*rmf(matrix)),
        f"{stem}_arf3.fits": as_bytes(arf(CHANNELS)),
    }


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def joined_tars(tars: list[bytes]) -> bytes:
    """Several tar files as one; what is none is left out."""
    files: dict[str, bytes] = {}
    for content in tars:
        try:
            with tarfile.open(fileobj=io.BytesIO(content)) as opened:
                for member in opened:
                    part = opened.extractfile(member)
                    files[member.name] = part.read() if part else b""
        except tarfile.TarError:
            continue
    return tar_of(files)


@dataclass
class Archive:
    """What the stand-in answers, and what it was asked."""

    url: str = ""
    query: Callable[[str], Answer] = lambda adql: (200, REPLY)
    retrieve: Callable[[int, int, int], Answer] = lambda *numbers: (
        200,
        tar_of({f"package/{name}": content for name, content in products(*numbers).items()}),
    )
    queries: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def query_url(self) -> str:
        return f"{self.url}/csc21tap"

    @property
    def retrieve_url(self) -> str:
        return f"{self.url}/csccli/retrieve"


@pytest.fixture
def chandra(monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """A server on the loopback interface."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    state = Archive()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            asked = parse_qs(self.rfile.read(length).decode())
            state.queries.append(asked["QUERY"][0])
            self.answer(*state.query(asked["QUERY"][0]), "application/x-votable+xml")

        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            packages = asked["packageset"][0]
            state.requests.append(packages)
            which = dict.fromkeys(one.split("/")[0] for one in packages.split(","))
            answers = [state.retrieve(*map(int, one.split("."))) for one in which]
            bad = [one for one in answers if one[0] != 200]
            if bad or len(answers) == 1:
                self.answer(*(bad or answers)[0], "application/x-tar")
            else:
                self.answer(200, joined_tars([one[1] for one in answers]), "application/x-tar")

        def answer(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()
