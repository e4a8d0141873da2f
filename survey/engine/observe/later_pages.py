"""Dask's pages of a server of ours, loaded when somebody asks for the first of them.

They are made with Bokeh, which takes half a second of processor to load: in the scheduler, and in
every worker.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

from distributed import Client, Nanny, Worker, WorkerPlugin
from tornado.httputil import HTTPServerRequest
from tornado.web import Application

from survey.engine.worker_preload import register

NAMES = ("status", "workers", "tasks", "system", "profile", "graph", "groups", "info")
"""Dask's pages in the bar of the scheduler."""

_PATHS = re.compile(
    r"/|/(individual-[a-z-]+|status|workers|tasks|system|gpu|profile|profile-server|graph|groups"
    r"|hardware|shuffle|stealing|exceptions|events|counters|crossfilter)(/.*)?"
)
"""What Bokeh answers. It is not loaded for anything else, such as the icon of a browser."""


class LaterPages(Application):
    """Stands for the pages of a server until one of them is asked for.

    Parameters
    ----------
    server : Scheduler or Worker
    module : str
        The module of `distributed` that makes the pages.

    Attributes
    ----------
    names : list of str
        The bar of the pages, to which tabs can be added.
    """

    def __init__(self, server: Any, module: str) -> None:
        super().__init__()
        self.server = server
        self.module = module
        self.names = list(NAMES)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Who answers: the pages, once they are loaded; None for what is no page."""
        if not _PATHS.fullmatch(request.path):
            return None
        application = self.server.http_application
        if self in application.applications:
            application.applications.remove(self)
            try:
                pages = import_module(self.module)
            except ImportError:  # no Bokeh
                return None
            if callable(pages.template_variables):  # that of the scheduler, for its bar
                bar: list[str] = pages.template_variables(self.server)["pages"]
                bar[:0] = [name for name in self.names if name not in (*bar, *NAMES)]
            pages.connect(application, self.server.http_server, self.server, prefix="")
        return application.find_handler(request, **kwargs)


def names_if_later(server: Any) -> list[str] | None:
    """The bar of Dask's pages, to which tabs can be added; None if the pages are loaded."""
    for application in server.http_application.applications:
        if isinstance(application, LaterPages):
            return application.names
    return None


class _Pages(WorkerPlugin):
    """Runs on every worker when it joins."""

    def setup(self, worker: Worker) -> None:
        """Offer its pages."""
        _offer(worker, "distributed.dashboard.worker")


def _offer(server: Any, module: str) -> None:
    server.http_application.add_application(LaterPages(server, module))


def _offer_of_scheduler(dask_scheduler: Any = None) -> None:
    _offer(dask_scheduler, "distributed.dashboard.scheduler")


def offer_pages(client: Client, *, of_scheduler: bool) -> None:
    """Offer the pages of the workers of a cluster, and if wanted of its scheduler.

    They must not have been started with pages.
    """
    if of_scheduler:
        client.run_on_scheduler(_offer_of_scheduler)
    register(client, _Pages(), f"spaxel-survey-later-pages-{client.id}")


class NannyWithoutPages(Nanny):
    """A nanny whose worker does not load pages when it starts; else as its class."""

    def __init__(self, *arguments: Any, dashboard: bool = False, **options: Any) -> None:
        super().__init__(*arguments, dashboard=False, **options)


class WorkerWithoutPages(Worker):
    """A worker in this process that does not load pages when it starts; else as its class."""

    def __init__(self, *arguments: Any, dashboard: bool = False, **options: Any) -> None:
        super().__init__(*arguments, dashboard=False, **options)
