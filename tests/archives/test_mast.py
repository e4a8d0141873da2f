"""What is asked of MAST, and what is made of its replies (unverified: see services.py)."""

import json

import pytest

from catalogs.reference import load_gatos_sample
from survey.archives import mast
from survey.archives.products import Wanted
from survey.archives.session import services
from survey.errors import DataError, InfrastructureError

SAMPLE = [
    Wanted(one.galaxy, one.ra_deg, one.dec_deg, one.redshift, one.program)
    for one in load_gatos_sample()
]


def test_the_sample_is_found_with_sizes(archive, session):
    plan = mast.find_galaxies(SAMPLE, session, channel=3)
    assert not plan.missing
    assert [found.wanted.galaxy for found in plan.found] == [one.galaxy for one in SAMPLE]
    for found in plan.found:
        assert [name.partition("_ch")[2] for name in (p.name for p in found.products)] == [
            "3-long_s3d.fits", "3-medium_s3d.fits", "3-short_s3d.fits"
        ]  # fmt: skip
        assert not found.notes
    assert plan.known_bytes == sum(len(archive.files[f"mast:JWST/product/{one.name}"])
                                   for one in plan.products)  # fmt: skip


def test_programmes_are_asked_for_together(archive, session):
    mast.find_galaxies(SAMPLE, session, channel=3)
    (observations,) = [one for one in archive.asked if one["service"] == "Mast.Caom.Filtered"]
    filters = {one["paramName"]: one["values"] for one in observations["params"]["filters"]}
    assert filters == {
        "obs_collection": ["JWST"], "instrument_name": ["MIRI/IFU"], "calib_level": [3],
        "proposal_id": ["1269", "1328", "1670", "2004", "2016", "2219", "2732", "3535"],
    }  # fmt: skip


def test_of_two_pointings_the_nearest_is_taken(archive, session):
    one = SAMPLE[3]
    archive.observe("NGC-3256-S", one.program, one.ra_deg, one.dec_deg - 5 / 3600)
    (found,) = mast.find_galaxies([one], session, channel=3).found
    assert {product.name[:17] for product in found.products} == {"jw01328-o007_t001"}


def test_a_galaxy_without_a_pointing_is_named_and_the_others_stay(archive, session):
    lost = Wanted("NGC 9", 10.0, 10.0, 0.01, 1670)
    plan = mast.find_galaxies([lost, SAMPLE[1]], session, channel=3)
    assert [found.wanted.galaxy for found in plan.found] == ["NGC 3081"]
    assert "NGC 9: there is no MRS pointing" in str(plan.missing[0])
    assert "programme 1670" in str(plan.missing[0])


def test_a_programme_gives_its_targets_without_backgrounds(archive, session):
    plan = mast.find_program(3535, session, channel=0)
    assert [found.wanted.galaxy for found in plan.found] == ["NGC-3227", "NGC-4051", "NGC-7582"]
    assert len(plan.products) == 36
    with pytest.raises(DataError, match="programme 77 has no MRS cubes"):
        mast.find_program(77, session, channel=0)


def test_a_target_is_found_by_its_name(archive, session):
    archive.names["NGC 7469"] = (345.8151, 8.874)
    wanted = mast.resolve("NGC 7469", session)
    (found,) = mast.find_galaxies([wanted], session, channel=3).found
    assert len(found.products) == 3
    position = archive.asked[1]["params"]["position"].split(", ")
    assert [float(one) for one in position] == pytest.approx([345.8151, 8.874, 30 / 3600], abs=1e-6)
    with pytest.raises(DataError, match="Nowhere: no object has this name"):
        mast.resolve("Nowhere", session)


def test_cubes_of_whole_channels_are_taken_where_there_are_no_others(archive, session):
    archive.observe("X", 9, 10.0, 10.0, single=False)
    (found,) = mast.find_galaxies([Wanted("X", 10.0, 10.0, program=9)], session, channel=3).found
    assert [one.name for one in found.products] == [
        "jw00009-o031_t001_miri_ch3-shortmediumlong_s3d.fits"
    ]


def test_cubes_that_are_not_public_yet_are_named(archive, session):
    archive.observe("X", 9, 10.0, 10.0, rights="EXCLUSIVE_ACCESS")
    plan = mast.find_galaxies([Wanted("X", 10.0, 10.0, program=9)], session, channel=3)
    assert "X: the cubes are not public yet" in str(plan.missing[0])


def test_replies_come_in_pages_and_when_they_are_ready(archive, session, monkeypatch):
    archive.page, archive.executing = 7, 3
    assert len(mast.find_galaxies(SAMPLE, session, channel=0).products) == 15 * 12


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        ((503, b""), InfrastructureError, "busy"),
        ((200, b"<html>"), DataError, "cannot be read; expected JSON"),
        ((200, b'{"status": "ERROR", "msg": "bad column"}'), DataError, "ERROR bad column"),
        ((200, b'{"status": "COMPLETE"}'), DataError, "no rows"),
        ((400, b"bad"), DataError, "HTTP 400"),
    ],
)
def test_bad_replies_are_said(web, archive, session, reply, kind, message):
    web.answer = lambda path, body: reply
    with pytest.raises(kind, match=message):
        mast.find_program(1670, session, channel=3)


def test_names_of_files_cannot_leave_the_folder(archive, session):
    for row in archive.products:
        row["productFilename"] = f"../../{row['productFilename']}"
    plan = mast.find_galaxies(SAMPLE[:1], session, channel=3)
    assert "no name of a file" in str(plan.missing[0])


def test_requests_are_as_the_documentation_has_them(archive, session):
    mast.find_galaxies(SAMPLE[:1], session, channel=3)
    assert [one["format"] for one in archive.asked] == ["json", "json"]
    assert archive.asked[1]["params"] == {"obsid": "1001"}
    assert json.dumps(archive.asked[0])
    assert services()["radius_arcsec"] == 30.0
