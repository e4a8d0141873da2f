"""Dask's pages are for who has the token of the run."""

import asyncio
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPCookieProcessor, Request, build_opener, urlopen

import pytest
from distributed import Client
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from survey.engine.page_token import dashboard_address

PAGES = ("/status", "/info/main/workers.html", "/json/index.html", "/sitemap.json", "/")


def pages_of(client: Client) -> dict[str, str]:
    """Where the scheduler and a worker serve their pages."""
    worker = next(iter(client.scheduler_info(n_workers=-1)["workers"].values()))
    return {
        "scheduler": "http://" + urlsplit(client.dashboard_link).netloc,
        "worker": f"http://{worker['host']}:{worker['services']['dashboard']}",
    }


def refused(request: str | Request) -> bool:
    try:
        urlopen(request, timeout=20).close()
    except HTTPError as error:
        error.close()
        return error.code == 403
    return False


@pytest.mark.parametrize("server", ["scheduler", "worker"])
def test_no_page_is_shown_without_the_token(client: Client, server: str) -> None:
    root = pages_of(client)[server]
    for page in PAGES:
        assert refused(root + page), page
        assert refused(f"{root}{page}?token=guess"), page
        assert refused(Request(root + page, headers={"Cookie": "survey=guess"})), page
        assert refused(Request(root + page, data=b"{}", method="POST")), page


def test_who_opens_the_printed_address_sees_the_pages_of_scheduler_and_workers(
    client: Client,
) -> None:
    browser = build_opener(HTTPCookieProcessor())
    address = dashboard_address(client)
    assert address is not None
    with browser.open(address, timeout=20) as page:
        assert page.url == client.dashboard_link, "the token is not left in the address"
        assert b"Dask" in page.read()
    roots = pages_of(client)
    for url in (f"{roots['scheduler']}/info/main/workers.html", f"{roots['worker']}/status"):
        with browser.open(url, timeout=20) as page:
            assert page.status == 200


def test_counts_for_a_monitor_need_no_token_and_name_no_galaxy(client: Client) -> None:
    client.submit(abs, -1, key=("process_galaxy", "SECRET-1", "x")).result(30)
    for root in pages_of(client).values():
        with urlopen(f"{root}/metrics", timeout=20) as page:
            text = page.read().decode()
        assert "dask_" in text
        assert "SECRET-1" not in text
        with urlopen(f"{root}/health", timeout=20) as page:
            assert page.read() == b"ok"


def test_live_updates_reach_only_who_has_the_token(client: Client) -> None:
    address = pages_of(client)["scheduler"].replace("http://", "ws://") + "/status/ws"

    async def status(**headers: str) -> int:
        request = HTTPRequest(address, headers=headers)
        try:
            connection = await asyncio.wait_for(websocket_connect(request), timeout=20)
        except HTTPClientError as error:
            return error.code
        connection.close()
        return 101  # switching protocols

    assert asyncio.run(status()) == 403
    assert asyncio.run(status(Cookie="survey=guess")) == 403
    assert asyncio.run(status(Cookie=cookie_of(client))) == 101


def cookie_of(client: Client) -> str:
    """The cookie that the printed address stores in a browser."""
    browser = HTTPCookieProcessor()
    address = dashboard_address(client)
    assert address is not None
    build_opener(browser).open(address, timeout=20).close()
    (cookie,) = browser.cookiejar
    return f"{cookie.name}={cookie.value}"
