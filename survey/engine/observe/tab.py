"""The page of the survey as a tab of Dask's dashboard, where we have started the scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakSet

from distributed import Client
from tornado.web import Application

from survey.engine.observe.later_pages import names_if_later

TAB = "survey"
"""The tab is at this path of the dashboard."""

MakePage = Callable[[Path, str, tuple[str, ...]], Application]
"""Makes the page of a run: its run directory, the path it is served at, and Dask's own pages."""


_shown: WeakSet[Client] = WeakSet()


def has_tab(client: Client) -> bool:
    """Whether the dashboard of this client has a tab of ours."""
    return client in _shown


@contextmanager
def survey_tab(client: Client, root: Path, make: MakePage) -> Iterator[bool]:
    """Show the page of the run in `root` as a tab while the block runs.

    Parameters
    ----------
    client : Client
        Of a scheduler that is ours, so that its token protects the page, too.
    root : Path
    make : callable
        Importable by the scheduler.

    Yields
    ------
    bool
        Whether there is a tab: not without a dashboard, or if the scheduler does not see `root`.
    """
    shown = bool(client.dashboard_link) and client.run_on_scheduler(_add, root, make)
    if shown:
        _shown.add(client)
    try:
        yield bool(shown)
    finally:
        _shown.discard(client)
        if shown and client.status == "running":
            client.run_on_scheduler(_remove)


def _add(root: Path, make: MakePage, dask_scheduler: Any = None) -> bool:
    """Runs on the scheduler."""
    pages = _names_of_pages(dask_scheduler)
    if pages is None or not root.is_dir():
        return False
    _remove(dask_scheduler)
    page = make(root, TAB, tuple(name for name in pages if name != TAB))
    page.settings[TAB] = True
    dask_scheduler.http_application.add_application(page)
    pages.insert(0, TAB)
    return True


def _remove(dask_scheduler: Any = None) -> None:
    applications = dask_scheduler.http_application.applications
    applications[:] = [each for each in applications if TAB not in getattr(each, "settings", {})]
    if (pages := _names_of_pages(dask_scheduler)) is not None and TAB in pages:
        pages.remove(TAB)


def _names_of_pages(scheduler: Any) -> list[str] | None:
    """The names in the bar of Dask's pages, which all of them share; None without pages."""
    if (later := names_if_later(scheduler)) is not None:
        return later
    try:
        from distributed.dashboard.scheduler import template_variables
    except ImportError:  # no Bokeh
        return None
    pages: list[str] = template_variables(scheduler)["pages"]
    return pages
