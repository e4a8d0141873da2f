"""MUSE cubes of the archive of ESO, by position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.archives.products import Found, Plan, Product, Wanted
from survey.archives.session import services, tap_table
from survey.errors import DataError

if TYPE_CHECKING:
    import requests

COLUMNS = ("dp_id", "target_name", "s_ra", "s_dec", "t_exptime", "access_estsize")
_KB = 1000


def find_galaxies(wanted: Sequence[Wanted], session: requests.Session) -> Plan:
    """The deepest MUSE cube whose field holds the position of each galaxy.

    Raises
    ------
    InfrastructureError
        If the archive cannot be reached.
    """
    found, missing = [], []
    for one in wanted:
        try:
            found.append(_found(one, session))
        except DataError as error:
            missing.append(error)
    return Plan(tuple(found), tuple(missing))


def query_of(wanted: Wanted) -> str:
    """The query for the cubes of a galaxy, in ADQL."""
    return (
        f"SELECT {', '.join(COLUMNS)} FROM ivoa.ObsCore "
        "WHERE instrument_name = 'MUSE' AND dataproduct_type = 'cube' AND calib_level >= 2 "
        f"AND CONTAINS(POINT('', {wanted.ra_deg:.6f}, {wanted.dec_deg:.6f}), s_region) = 1"
    )


def _found(one: Wanted, session: requests.Session) -> Found:
    facts = services()["muse"]
    table = tap_table(facts["query_url"], query_of(one), session, None)
    if lacking := sorted(set(COLUMNS) - set(table.colnames)):
        raise DataError(
            "the reply of the archive lacks columns",
            file=facts["query_url"],
            expected=", ".join(lacking),
            found=", ".join(table.colnames),
        )
    if not len(table):
        raise DataError("the archive has no MUSE cube of the galaxy", file=one.galaxy)
    rows = sorted(table, key=lambda row: (-_number(row["t_exptime"]), str(row["dp_id"])))
    identifier = str(rows[0]["dp_id"])
    size = _number(rows[0]["access_estsize"]) * _KB
    url = facts["download_url"].format(dp_id=identifier)
    product = Product(f"{identifier}.fits", url)
    about = f"about {size / 1e9:.1f} GB" if size else "of unknown size"
    more = f"; {len(rows) - 1} shorter exposures are not taken" if len(rows) > 1 else ""
    return Found(one, (product,), (f"the deepest cube, {about}{more}",))


def _number(value: Any) -> float:
    return 0.0 if value is np.ma.masked or not np.isfinite(float(value)) else float(value)
