"""A web server on this machine that sends files, in parts too, and does what a test wants."""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BYTES = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass
class WebServer:
    """What it sends by path, how, and what it was asked.

    Attributes
    ----------
    files : dict of bytes
        By path, without the slash in front.
    ranges : bool
        Whether parts of files are sent.
    tags : bool
        Whether it sends ETag and Last-Modified.
    fault : callable
        Of a path and the number of requests so far: an HTTP status to answer instead, "cut" to
        break off in the middle, or None.
    answer : callable
        Of a path with its query and the body: status and content of what is no file; None if
        there is no such thing.
    requests : list of (path, range)
        The range is (first, last) or None.
    sent : int
        Bytes of content.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    tags: bool = True
    fault: Callable[[str, int], int | str | None] = lambda path, number: None
    answer: Callable[[str, bytes], tuple[int, bytes] | None] = lambda path, body: None
    requests: list[tuple[str, tuple[int, int] | None]] = field(default_factory=list)
    sent: int = 0

    def of(self, path: str) -> list[tuple[int, int] | None]:
        """The ranges that were asked for of a file."""
        return [asked for name, asked in self.requests if name == path]


@contextmanager
def web_server() -> Iterator[WebServer]:
    """The server, on the loopback interface."""
    state = WebServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.reply(b"")

        def do_POST(self) -> None:
            self.reply(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def do_HEAD(self) -> None:
            self.reply(b"", body=False)

        def reply(self, given: bytes, *, body: bool = True) -> None:
            path = self.path.lstrip("/")
            found = BYTES.fullmatch(self.headers.get("Range", "")) if state.ranges else None
            content = state.files.get(path, state.files.get(path.partition("?")[0]))
            asked = None
            if found and content is not None:
                asked = int(found[1]), min(int(found[2] or len(content)), len(content) - 1)
            state.requests.append((path, asked))
            fault = state.fault(path, len(state.requests))
            if isinstance(fault, int):
                self.send(fault, b"", {}, body)
                return
            if content is None:
                status, content = state.answer(path, given) or (404, b"no such file")
                self.send(status, content, {}, body)
                return
            headers = {}
            if state.tags:
                headers["ETag"] = f'"{hashlib.md5(content).hexdigest()}"'
                headers["Last-Modified"] = "Mon, 06 Oct 2025 10:00:00 GMT"
            if asked:
                headers["Content-Range"] = f"bytes {asked[0]}-{asked[1]}/{len(content)}"
                content = content[asked[0] : asked[1] + 1]
            self.send(206 if asked else 200, content, headers, body, cut=fault == "cut")

        def send(
            self, status: int, content: bytes, headers: dict[str, str], body: bool, *,
            cut: bool = False,
        ) -> None:  # fmt: skip
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if cut:
                content = content[: len(content) // 2]
                self.close_connection = True
            if body:
                state.sent += len(content)
                self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the reader has what it wants

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
