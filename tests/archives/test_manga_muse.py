"""MaNGA and MUSE (unverified replies, after the documentation of SkyServer and ESO's TAP)."""

import json
import math
from urllib.parse import parse_qs, urlsplit

import pytest

from survey.archives import eso, manga
from survey.archives.products import Wanted
from survey.archives.session import services
from survey.errors import InfrastructureError
from tests.archives.services import cube_bytes

VOTABLE = """<?xml version="1.0"?>
<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">
<INFO name="QUERY_STATUS" value="OK"/><TABLE>
<FIELD name="dp_id" datatype="char" arraysize="*"/>
<FIELD name="target_name" datatype="char" arraysize="*"/>
<FIELD name="s_ra" datatype="double"/><FIELD name="s_dec" datatype="double"/>
<FIELD name="t_exptime" datatype="double"/><FIELD name="access_estsize" datatype="long"/>
<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"""


@pytest.fixture
def skyserver(web, monkeypatch):
    monkeypatch.setitem(services()["manga"], "query_url", f"{web.url}/SqlSearch")
    url = f"{web.url}/{{plate}}/stack/manga-{{plate}}-{{ifu}}-LOGCUBE.fits.gz"
    monkeypatch.setitem(services()["manga"], "cube_url", url)
    rows = [
        {"plateifu": "7495-12704", "objra": 205.4384, "objdec": 27.0048, "nsa_z": 0.0289},
        {"plateifu": "8138-1901", "objra": 116.0, "objdec": 44.5, "nsa_z": -9999.0},
    ]
    asked = []

    def answer(path, body):
        if not path.startswith("SqlSearch"):
            return None
        asked.append(parse_qs(urlsplit(path).query))
        return 200, json.dumps([{"TableName": "Table1", "Rows": rows}]).encode()

    web.answer = answer
    for name in ("7495-12704", "8138-1901"):
        plate = name.partition("-")[0]
        web.files[f"{plate}/stack/manga-{name}-LOGCUBE.fits.gz"] = cube_bytes()
    return asked


def test_manga_cubes_come_with_sizes_and_redshifts(skyserver, session):
    names = ["7495-12704", "8138-1901", "8138-9999", "NGC 1"]
    plan = manga.find_galaxies([Wanted(name) for name in names], session)
    one, other = plan.found
    assert one.wanted == Wanted("7495-12704", 205.4384, 27.0048, 0.0289)
    assert math.isnan(other.wanted.redshift)
    assert one.products[0].name == "manga-7495-12704-LOGCUBE.fits.gz"
    assert one.products[0].size == len(cube_bytes())
    assert sorted(str(error) for error in plan.missing) == [
        "8138-9999: the data release has no such galaxy",
        "NGC 1: not a name of MaNGA; expected PLATE-IFU, for example 7495-12704",
    ]
    (query,) = skyserver
    assert query["format"] == ["json"]
    assert "FROM mangaDRPall WHERE plateifu IN ('7495-12704'" in query["cmd"][0]


@pytest.fixture
def tap(web, monkeypatch):
    monkeypatch.setitem(services()["muse"], "query_url", f"{web.url}/tap_obs")
    monkeypatch.setitem(services()["muse"], "download_url", f"{web.url}/file/{{dp_id}}")
    state = {"rows": "", "asked": [], "status": 200}

    def answer(path, body):
        if not path.startswith("tap_obs/sync"):
            return None
        state["asked"].append(parse_qs(body.decode())["QUERY"][0])
        content = VOTABLE.format(rows=state["rows"]) if state["status"] == 200 else "down"
        return state["status"], content.encode()

    web.answer = answer
    return state


def row(identifier, seconds, size):
    cells = (identifier, "NGC 7469", 345.8, 8.87, seconds, size)
    return "<TR>" + "".join(f"<TD>{cell}</TD>" for cell in cells) + "</TR>"


def test_the_deepest_muse_cube_at_a_position_is_taken(tap, web, session):
    tap["rows"] = row("ADP.1", 900.0, 2900000) + row("ADP.2", 2400.0, 3100000)
    plan = eso.find_galaxies([Wanted("NGC 7469", 345.8151, 8.874)], session)
    (product,) = plan.found[0].products
    assert product.url == f"{web.url}/file/ADP.2"
    assert product.name == "ADP.2.fits"
    assert plan.found[0].notes == (
        "the deepest cube, about 3.1 GB; 1 shorter exposures are not taken",
    )
    (query,) = tap["asked"]
    assert "CONTAINS(POINT('', 345.815100, 8.874000), s_region) = 1" in query


def test_a_field_without_cubes_is_named(tap, session):
    plan = eso.find_galaxies([Wanted("NGC 1", 1.0, 2.0)], session)
    assert [str(one) for one in plan.missing] == [
        "NGC 1: the archive has no MUSE cube of the galaxy"
    ]


def test_eso_that_is_down_is_no_fault_of_the_galaxy(tap, session):
    tap["status"] = 503
    with pytest.raises(InfrastructureError, match="cannot be reached"):
        eso.find_galaxies([Wanted("NGC 1", 1.0, 2.0)], session)
