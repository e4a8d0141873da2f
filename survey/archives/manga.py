"""MaNGA cubes (LOGCUBE of data release 17) by plate and bundle of fibres."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from survey.archives.products import Found, Plan, Product, Wanted
from survey.archives.session import json_reply, request, services
from survey.errors import DataError

if TYPE_CHECKING:
    import requests

_NAME = re.compile(r"(?P<plate>\d{4,5})-(?P<ifu>\d{3,5})")
LARGEST_PLACEHOLDER = -9.0


def find_galaxies(wanted: Sequence[Wanted], session: requests.Session) -> Plan:
    """Cubes of galaxies named by plate and bundle, as "7495-12704", with their redshifts.

    Raises
    ------
    InfrastructureError
        If the archive cannot be reached.
    """
    named = [one for one in wanted if _NAME.fullmatch(one.galaxy)]
    missing = [
        DataError(
            "not a name of MaNGA", file=one.galaxy, expected="PLATE-IFU, for example 7495-12704"
        )
        for one in wanted
        if one not in named
    ]
    facts = _facts([one.galaxy for one in named], session) if named else {}
    found = []
    for one in named:
        try:
            found.append(_found(one, facts.get(one.galaxy), session))
        except DataError as error:
            missing.append(error)
    return Plan(tuple(found), tuple(missing))


def _facts(names: Sequence[str], session: requests.Session) -> dict[str, dict[str, Any]]:
    """Position and redshift of galaxies, of the table mangaDRPall."""
    listed = ", ".join(f"'{name}'" for name in names)
    sql = f"SELECT plateifu, objra, objdec, nsa_z FROM mangaDRPall WHERE plateifu IN ({listed})"
    url = services()["manga"]["query_url"]
    reply = json_reply(
        session, "GET", url, "table of galaxies", params={"cmd": sql, "format": "json"}
    )
    try:
        rows = reply[0]["Rows"]
        return {str(row["plateifu"]).strip(): row for row in rows}
    except (KeyError, IndexError, TypeError) as error:
        raise DataError(
            f"the reply of SkyServer has no rows ({type(error).__name__}: {error})", file=url
        ) from None


def _found(one: Wanted, row: dict[str, Any] | None, session: requests.Session) -> Found:
    if row is None:
        raise DataError("the data release has no such galaxy", file=one.galaxy)
    parts = _NAME.fullmatch(one.galaxy)
    assert parts is not None
    url = services()["manga"]["cube_url"].format(plate=parts["plate"], ifu=parts["ifu"])
    with request(session, "HEAD", url, f"cube of {one.galaxy}", allow_redirects=True) as reply:
        length = reply.headers.get("Content-Length", "")
    redshift = float(row["nsa_z"])
    wanted = replace(
        one,
        ra_deg=float(row["objra"]),
        dec_deg=float(row["objdec"]),
        redshift=math.nan if redshift <= LARGEST_PLACEHOLDER else redshift,
    )
    name = url.rpartition("/")[2]
    return Found(wanted, (Product(name, url, int(length) if length.isdigit() else None),))
