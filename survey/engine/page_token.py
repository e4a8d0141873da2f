"""A token for Dask's pages: without it they would be open to everybody on the machine.

The pages name galaxies, show the stacks of running tasks, and cannot ask for a password. The token
is in the address that is printed at the start. The first visit stores it in the browser as a
cookie, which all servers of the run accept. `/metrics` and `/health` need none: they only count.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin
from weakref import WeakKeyDictionary

from distributed import Client, Worker, WorkerPlugin
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest, url_concat
from tornado.routing import Router
from tornado.web import Application, RequestHandler

from survey.engine.observe.tab import TAB, has_tab
from survey.engine.worker_preload import register

PARAMETER = "token"
OPEN_PATHS = frozenset({"/metrics", "/health"})
REFUSED = "This page needs the token of the run: its address is printed when the run starts.\n"

_tokens: WeakKeyDictionary[Client, str] = WeakKeyDictionary()


class TokenRouter(Router):
    """Passes requests on to the pages of a Dask server if they carry the token."""

    def __init__(self, pages: Router, token: str) -> None:
        self.pages = pages
        self.token = token
        # Cookies of a host are shared by all of its ports, so each run has a name of its own.
        self.cookie = f"survey-{hashlib.sha256(token.encode()).hexdigest()[:12]}"
        self._refusal = Application([(".*", _Refusal)])
        self._login = Application([(".*", _Login, {"cookie": self.cookie, "token": token})])

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """Who answers: the pages, a redirection that stores the cookie, or a refusal."""
        cookie = request.cookies.get(self.cookie)
        if request.path in OPEN_PATHS or (cookie is not None and self._is_right(cookie.value)):
            answers = self.pages
        elif any(self._is_right(value) for value in _given(request)):
            answers = self._login
        else:
            answers = self._refusal
        return answers.find_handler(request, **kwargs)

    def _is_right(self, value: str) -> bool:
        return hmac.compare_digest(value.encode(), self.token.encode())


def _given(request: HTTPServerRequest) -> list[str]:
    return [value.decode(errors="replace") for value in request.arguments.get(PARAMETER, [])]


class _Refusal(RequestHandler):
    def prepare(self) -> None:
        self.set_status(403)
        self.finish(REFUSED)


class _Login(RequestHandler):
    def initialize(self, cookie: str, token: str) -> None:
        self.cookie = cookie
        self.token = token

    def get(self) -> None:
        """Store the cookie, and go on to the address without the token."""
        self.set_cookie(self.cookie, self.token, httponly=True, samesite="Lax")
        self.redirect("/" + self.request.path.lstrip("/"))


class _ProtectWorker(WorkerPlugin):
    """Runs on every worker when it joins."""

    def __init__(self, token: str) -> None:
        self.token = token

    def setup(self, worker: Worker) -> None:
        """Protect the pages of the worker."""
        _protect(worker, self.token)


def _protect(server: Any, token: str) -> None:
    """Put the token before the HTTP server of a scheduler or worker."""
    if (pages := getattr(server, "http_server", None)) is not None:
        pages.request_callback = TokenRouter(server.http_application, token)


def _protect_scheduler(token: str, dask_scheduler: Any = None) -> None:
    _protect(dask_scheduler, token)


@contextmanager
def protected_pages(client: Client) -> Iterator[None]:
    """Put a new token before all pages of a cluster that we have started ourselves."""
    token = secrets.token_urlsafe(24)
    client.run_on_scheduler(_protect_scheduler, token)
    register(client, _ProtectWorker(token), f"spaxel-survey-pages-{client.id}")
    _tokens[client] = token
    yield


def dashboard_address(client: Client) -> str | None:
    """Where the dashboard of a cluster is, with the token that it asks for, if it has one."""
    link: str | None = client.dashboard_link
    if link and has_tab(client):
        link = urljoin(link, f"{TAB}/")
    if not link or client not in _tokens:
        return link or None
    return url_concat(link, {PARAMETER: _tokens[client]})
