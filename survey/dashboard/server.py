"""Serves the live page of a run on this machine."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from tornado.web import Application, RequestHandler, StaticFileHandler

from survey.dashboard.state import page_state
from survey.errors import SurveyError
from survey.report.pages.paths import FOLDER
from survey.report.pages.site import bokeh_scripts

LOOPBACK = "127.0.0.1"


class _State(RequestHandler):
    """The state of the run, as JSON."""

    def initialize(self, root: Path) -> None:
        self.root = root

    async def get(self) -> None:
        """Read it in a thread: on a shared disk that may take a while."""
        try:
            state = await asyncio.to_thread(page_state, self.root)
        except (SurveyError, OSError) as error:
            state = {"error": str(error)}
        self.set_header("Cache-Control", "no-store")
        self.write(state)


class _Page(RequestHandler):
    """The page itself."""

    def get(self) -> None:
        """Send the page."""
        self.write((files("survey.dashboard") / "static" / "dashboard.html").read_text("utf-8"))


def application(root: Path, token: str) -> Application:
    """The addresses of the live page of the run in `root`; all are below the token."""
    own = str(files("survey.dashboard") / "static")
    shared = str(files("survey.report") / "static")
    bokeh = str(bokeh_scripts()[0].parent)
    static: Any = StaticFileHandler
    return Application(
        [
            (f"/{token}/", _Page),
            (f"/{token}/state.json", _State, {"root": root}),
            (f"/{token}/static/(dashboard.*)", static, {"path": own}),
            (f"/{token}/static/(survey.css)", static, {"path": shared}),
            (f"/{token}/static/(bokeh.*)", static, {"path": bokeh}),
            (f"/{token}/report/(.*)", static, {"path": str(root / FOLDER)}),
        ]
    )


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
