"""Serves the live page of a run on this machine."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from tornado.web import Application, RedirectHandler, RequestHandler, StaticFileHandler

from survey.dashboard.state import page_state
from survey.errors import SurveyError
from survey.pipeline.run.ledger import LEDGER, LedgerReader
from survey.report.pages.paths import FOLDER, bokeh_scripts

LOOPBACK = "127.0.0.1"

FRESH_S = 1.0
"""A state that is read is good for so long, for all who ask."""


class States:
    """Reads the state of a run, once for all who look at it at about that time.

    `dask` are the names of Dask's pages beside this one, if it is a tab of its dashboard.
    """

    def __init__(self, root: Path, dask: tuple[str, ...] = ()) -> None:
        self.root, self.dask = root, dask
        self._ledger = LedgerReader(root / LEDGER)
        self._answer, self._read = b"", -FRESH_S
        self._lock = asyncio.Lock()

    async def answer(self) -> bytes:
        """The state as JSON, read in a thread: on a shared disk that may take a while."""
        async with self._lock:
            if time.monotonic() - self._read >= FRESH_S:
                self._answer = await asyncio.to_thread(self._answer_now)
                self._read = time.monotonic()
            return self._answer

    def _answer_now(self) -> bytes:
        try:
            state = page_state(self.root, self._ledger)
        except (SurveyError, OSError) as error:
            state = {"error": str(error)}
        return json.dumps(state | {"dask": self.dask}).encode()


class _State(RequestHandler):
    """The state of the run, as JSON."""

    def initialize(self, states: States) -> None:
        self.states = states

    async def get(self) -> None:
        """Send the state."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.write(await self.states.answer())


class _Page(RequestHandler):
    """The page itself."""

    def get(self) -> None:
        """Send the page."""
        self.write((files("survey.dashboard") / "static" / "dashboard.html").read_text("utf-8"))


def application(root: Path, token: str, dask: tuple[str, ...] = ()) -> Application:
    """The addresses of the live page of the run in `root`; all are below the token.

    As a tab of Dask's dashboard it is below the name of the tab, and has links to Dask's pages.
    """
    own = str(files("survey.dashboard") / "static")
    shared = str(files("survey.report") / "static")
    bokeh = str(bokeh_scripts()[0].parent)
    static: Any = StaticFileHandler
    return Application(
        [
            (f"/{token}", RedirectHandler, {"url": f"/{token}/"}),
            (f"/{token}/", _Page),
            (f"/{token}/state.json", _State, {"states": States(root, dask)}),
            (f"/{token}/static/(dashboard.*)", static, {"path": own}),
            (f"/{token}/static/(survey.css)", static, {"path": shared}),
            (f"/{token}/static/(bokeh.*)", static, {"path": bokeh}),
            (f"/{token}/report/(.*)", static, {"path": str(root / FOLDER)}),
        ]
    )


def dashboard_page(root: Path, tab: str, dask: tuple[str, ...]) -> Application:
    """The page of a run as the tab of that name of Dask's dashboard."""
    return application(root, tab, dask)


def serve(root: Path, port: int = 0, *, on_start: Callable[[str], None]) -> None:
    """Serve the page of a run to browsers on this machine, until Ctrl-C.

    Parameters
    ----------
    root : Path
        The run directory.
    port : int
        0 takes a free one.
    on_start : callable
        Called with the address. It holds a token, without which nothing is shown.

    Raises
    ------
    ConfigError
        If no survey has run in `root`.
    """
    page_state(root)  # an error now, and not in the browser

    async def run() -> None:
        token = secrets.token_urlsafe(16)
        server = application(root, token).listen(port, address=LOOPBACK)
        (listening,) = [each.getsockname()[1] for each in server._sockets.values()]
        on_start(f"http://{LOOPBACK}:{listening}/{token}/")
        await asyncio.Event().wait()

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        return
