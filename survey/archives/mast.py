"""MIRI/MRS cubes (level 3) of the Mikulski Archive, by its Mashup API."""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from survey.archives.products import Found, Plan, Product, Wanted, separation_arcsec
from survey.archives.session import json_reply, services
from survey.errors import DataError, InfrastructureError

if TYPE_CHECKING:
    import requests

Row = dict[str, Any]

ALL_CHANNELS = 0
POLL_S, POLLS = 1.0, 120
_CUBE = re.compile(r".*_ch(?P<channel>\d)-(?P<bands>[a-z]+)_s3d\.fits(\.gz)?")
_BACKGROUND = re.compile(r"bkg|back|sky", re.I)


def resolve(name: str, session: requests.Session) -> Wanted:
    """A galaxy with the position that the archive's name resolver gives it.

    Raises
    ------
    DataError
        If the name is not known.
    InfrastructureError
        If the archive cannot be reached.
    """
    reply = _invoke({"service": "Mast.Name.Lookup", "params": {"input": name}}, session, name)
    found = reply.get("resolvedCoordinate") or []
    if not found:
        raise DataError("no object has this name", file=name, advice="Give it as others write it")
    return Wanted(name, float(found[0]["ra"]), float(found[0]["decl"]))


def find_program(program: int, session: requests.Session, *, channel: int) -> Plan:
    """Cubes of all targets of a programme; background pointings are left out.

    Raises
    ------
    DataError, InfrastructureError
        See `resolve`.
    """
    rows = _observations(session, [program])
    by_target: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if not _BACKGROUND.search(str(row["target_name"])):
            by_target[str(row["target_name"])].append(row)
    if not by_target:
        raise DataError(f"programme {program} has no MRS cubes of level 3", file="MAST")
    found, missing = [], []
    for name, of_target in sorted(by_target.items()):
        first = of_target[0]
        wanted = Wanted(name, float(first["s_ra"]), float(first["s_dec"]), program=program)
        try:
            found.append(_found(wanted, of_target, session, channel))
        except DataError as error:
            missing.append(error)
    return Plan(tuple(found), tuple(missing))


def find_galaxies(wanted: Sequence[Wanted], session: requests.Session, *, channel: int) -> Plan:
    """Cubes of galaxies at known positions, of their programmes if these are given.

    Of several pointings within the radius (`services.toml`) the nearest is taken.

    Parameters
    ----------
    wanted : sequence of Wanted
    session : requests.Session
    channel : int
        1 to 4, or `ALL_CHANNELS`.

    Raises
    ------
    InfrastructureError
        If the archive cannot be reached.
    """
    programs = sorted({one.program for one in wanted if one.program is not None})
    rows = _observations(session, programs) if programs else []
    found, missing = [], []
    for one in wanted:
        try:
            of_galaxy = (
                [row for row in rows if _program(row) == one.program]
                if one.program is not None
                else _observations_around(session, one)
            )
            found.append(_found(one, _nearest(one, of_galaxy), session, channel))
        except DataError as error:
            missing.append(error)
    return Plan(tuple(found), tuple(missing))


def _nearest(wanted: Wanted, rows: Iterable[Row]) -> list[Row]:
    """The observations of the pointing nearest to a galaxy."""
    distance = {
        id(row): separation_arcsec(
            wanted.ra_deg, wanted.dec_deg, float(row["s_ra"]), float(row["s_dec"])
        )
        for row in rows
    }
    rows = sorted(rows, key=lambda row: (distance[id(row)], str(row["obs_id"])))
    if not rows or distance[id(rows[0])] > services()["radius_arcsec"]:
        nearest = f"the nearest is {distance[id(rows[0])]:.0f} arcsec away" if rows else "none"
        raise DataError(
            "there is no MRS pointing at the galaxy",
            file=wanted.galaxy,
            expected=f"one within {services()['radius_arcsec']:.0f} arcsec"
            + (f" of programme {wanted.program}" if wanted.program is not None else ""),
            found=nearest,
        )
    name = rows[0]["target_name"], _program(rows[0])
    return [row for row in rows if (row["target_name"], _program(row)) == name]


def _found(
    wanted: Wanted, observations: Sequence[Row], session: requests.Session, channel: int
) -> Found:
    """The files of a galaxy: of each observation its cubes, of the first that has any."""
    facts = services()["mast"]
    ids = ",".join(str(row["obsid"]) for row in observations)
    rows = _rows(
        {"service": "Mast.Caom.Products", "params": {"obsid": ids}}, session, wanted.galaxy
    )
    cubes: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in rows:
        name = _CUBE.fullmatch(str(row.get("productFilename")))
        right = row.get("productSubGroupDescription") == facts["product"]
        if name and right and channel in (ALL_CHANNELS, int(name["channel"])):
            cubes[str(row["obs_id"])][str(row["productFilename"])] = row
    if not cubes:
        raise DataError(
            "the archive has no cube of level 3 of the galaxy",
            file=wanted.galaxy,
            expected="an s3d file" + (f" of channel {channel}" if channel else ""),
            found=f"{len(rows)} products of others kinds",
        )
    chosen, *others = sorted(cubes)
    files = _one_kind(cubes[chosen])
    private = [row for row in files if str(row.get("dataRights", "PUBLIC")).upper() != "PUBLIC"]
    if private:
        raise DataError(
            "the cubes are not public yet", file=wanted.galaxy, found=str(private[0]["dataRights"])
        )
    notes = (f"also observed as {', '.join(others)}, not taken",) if others else ()
    return Found(wanted, tuple(map(_product, files)), notes)


def _one_kind(rows: dict[str, Row]) -> list[Row]:
    """Cubes of single sub-bands where there are such, and of whole channels where not."""
    single = {
        name: row
        for name, row in rows.items()
        if (found := _CUBE.fullmatch(name)) and found["bands"] in ("short", "medium", "long")
    }
    return [row for _, row in sorted((single or rows).items())]


def _product(row: Row) -> Product:
    facts = services()["mast"]
    size = row.get("size")
    uri = quote(str(row["dataURI"]), safe=":/")
    return Product(
        name=str(row["productFilename"]),
        url=f"{facts['download_url']}?uri={uri}",
        size=int(size) if size else None,
    )


def _program(row: Row) -> int | None:
    text = str(row.get("proposal_id", "")).strip()
    return int(text) if text.isdigit() else None


def _filters(programs: Sequence[int]) -> list[dict[str, Any]]:
    facts = services()["mast"]
    filters: dict[str, list[Any]] = {
        "obs_collection": [facts["collection"]],
        "instrument_name": [facts["instrument"]],
        "calib_level": [facts["calib_level"]],
    }
    if programs:
        filters["proposal_id"] = [str(program) for program in programs]
    return [{"paramName": name, "values": values} for name, values in filters.items()]


def _observations(session: requests.Session, programs: Sequence[int]) -> list[Row]:
    params = {"columns": "*", "filters": _filters(programs)}
    names = ", ".join(map(str, programs))
    return _rows(
        {"service": "Mast.Caom.Filtered", "params": params}, session, f"programmes {names}"
    )


def _observations_around(session: requests.Session, wanted: Wanted) -> list[Row]:
    radius_deg = services()["radius_arcsec"] / 3600
    place = f"{wanted.ra_deg:.6f}, {wanted.dec_deg:.6f}, {radius_deg:.6f}"
    params = {"columns": "*", "filters": _filters([]), "position": place}
    request = {"service": "Mast.Caom.Filtered.Position", "params": params}
    return _rows(request, session, wanted.galaxy)


def _rows(request: dict[str, Any], session: requests.Session, what: str) -> list[Row]:
    """All rows of a reply, page by page."""
    rows: list[Row] = []
    page, pages = 1, 1
    while page <= pages:
        paged = {**request, "page": page, "pagesize": services()["mast"]["page_size"]}
        reply = _invoke(paged, session, what)
        try:
            rows += list(reply["data"])
            pages = int(reply.get("paging", {}).get("pagesFiltered") or 1)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"the reply of MAST has no rows ({type(error).__name__}: {error})", file=what
            ) from None
        page += 1
    return rows


def _invoke(request: dict[str, Any], session: requests.Session, what: str) -> dict[str, Any]:
    url = services()["mast"]["invoke_url"]
    body = {"request": json.dumps({**request, "format": "json"})}
    for _ in range(POLLS):
        reply = json_reply(session, "POST", url, what, data=body)
        status = reply.get("status", "COMPLETE") if isinstance(reply, dict) else "no object"
        if status == "COMPLETE":
            return dict(reply)
        if status != "EXECUTING":
            message = reply.get("msg", "") if isinstance(reply, dict) else ""
            raise DataError(
                "MAST refuses the request", file=what, found=f"{status} {message}".strip()
            )
        time.sleep(POLL_S)
    raise InfrastructureError("MAST does not finish the request", file=url)
