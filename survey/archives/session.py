"""Speaks to archives: sessions that wait for no reply for ever, errors that say who is at fault."""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from survey import __version__
from survey.errors import ConfigError, DataError, InfrastructureError

if TYPE_CHECKING:
    import requests
    from astropy.table import Table

BUSY = 429


@cache
def services() -> dict[str, Any]:
    """The content of `services.toml`."""
    return tomllib.loads((files("survey.archives") / "services.toml").read_text(encoding="utf-8"))


def open_session(timeout_s: float | None = None) -> requests.Session:
    """A session that names itself and waits for no reply for ever.

    Raises
    ------
    ConfigError
        If the package for it is missing.
    """
    import_pyvo()  # which brings requests
    import requests
    from requests.adapters import HTTPAdapter

    limit_s = timeout_s or services()["timeout_s"]

    class Patient(HTTPAdapter):
        """Sets a time limit where the caller sets none."""

        def send(self, request: Any, *args: Any, **options: Any) -> requests.Response:
            options["timeout"] = options.get("timeout") or limit_s
            return super().send(request, *args, **options)

    session = requests.Session()
    session.headers["User-Agent"] = f"spaxel-survey/{__version__}"
    for scheme in ("https://", "http://"):
        session.mount(scheme, Patient())
    return session


def import_pyvo() -> Any:
    """The library that speaks to virtual observatories, which is optional.

    Raises
    ------
    ConfigError
    """
    try:
        import pyvo
    except ImportError:
        raise ConfigError(
            "queries of archives need the package pyvo",
            advice='Install it with: pip install "spaxel-survey[archives]"',
        ) from None
    return pyvo


@contextmanager
def request(
    session: requests.Session,
    method: str,
    url: str,
    what: str,
    *,
    kind: str = "file",
    **options: Any,
) -> Iterator[requests.Response]:
    """The reply to a request for `what`, a thing of some `kind`: both are for messages.

    Raises
    ------
    InfrastructureError
        If the service cannot be reached, or says that it is busy or broken; also while the reply
        is read in the block.
    DataError
        If it refuses the request.
    """
    import requests
    import urllib3

    try:
        with session.request(method, url, stream=True, **options) as reply:
            if reply.status_code >= 500 or reply.status_code == BUSY:
                raise InfrastructureError(
                    f"the archive is busy (HTTP {reply.status_code})", file=url
                )
            if reply.status_code in (401, 403):
                raise DataError("it is not public", file=what, found=f"HTTP {reply.status_code}")
            if reply.status_code >= 400 and reply.status_code != 416:
                raise DataError(
                    f"the archive has no such {kind} (HTTP {reply.status_code})", file=what
                )
            yield reply
    except (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError) as error:
        raise InfrastructureError(f"the archive cannot be reached ({error})", file=url) from None


def json_reply(session: requests.Session, method: str, url: str, what: str, **options: Any) -> Any:
    """The JSON that a service replies.

    Raises
    ------
    InfrastructureError, DataError
        See `request`; also if the reply is no JSON.
    """
    with request(session, method, url, what, **options) as reply:
        try:
            return reply.json()
        except ValueError:
            raise DataError(
                "the reply of the archive cannot be read",
                file=url,
                expected="JSON",
                found=repr(reply.text[:80]),
            ) from None


def tap_table(url: str, adql: str, session: requests.Session | None, limit: int | None) -> Table:
    """The rows of a query by the Table Access Protocol.

    `meta["overflow"]` of the table says whether the service had more rows than it sent.

    Raises
    ------
    DataError
        If the service refuses the query, or sends only part of the rows and no `limit` was set.
    InfrastructureError
        If it cannot be reached.
    """
    pyvo = import_pyvo()
    with _service_errors(url), warnings.catch_warnings():
        # Cosmetics of the reply, and the limit, which is looked at below.
        warnings.simplefilter("ignore")
        result = pyvo.dal.TAPService(url, session=session).run_sync(adql)
        table: Table = result.to_table()
    table.meta["overflow"] = result.query_status == "OVERFLOW"
    if table.meta["overflow"] and limit is None:
        raise DataError(
            "the catalog sends only part of the reply",
            file=url,
            found=f"{len(table)} rows",
            advice="Select fewer",
        )
    return table


@contextmanager
def _service_errors(url: str) -> Iterator[None]:
    import requests

    dal = import_pyvo().dal
    try:
        yield
    except (dal.DALAccessError, requests.RequestException) as error:
        # A connection that fails comes as a reply that cannot be read.
        away = (dal.DALServiceError, requests.RequestException)
        if isinstance(error, away) or isinstance(getattr(error, "cause", None), away):
            raise InfrastructureError(
                f"the catalog cannot be reached ({error})", file=url
            ) from None
        raise DataError(f"the catalog gives no table ({error})", file=url) from None
