"""The real archives, where there is a network: one small question to each."""

import socket

import pytest

from survey.archives import eso, manga, mast
from survey.archives.products import Wanted
from survey.archives.session import open_session


def _reaches(host):
    try:
        socket.create_connection((host, 443), timeout=3).close()
    except OSError:
        pytest.skip(f"{host} is not reached from here")


def test_mast_has_the_cubes_of_ngc_7469():
    _reaches("mast.stsci.edu")
    session = open_session(60.0)
    plan = mast.find_galaxies(
        [Wanted("NGC 7469", 345.8151, 8.874, program=1328)], session, channel=3
    )
    assert not plan.missing
    assert all("_ch3-" in product.name and product.size > 1e6 for product in plan.products)


def test_sdss_has_the_cube_of_7495_12704():
    _reaches("skyserver.sdss.org")
    plan = manga.find_galaxies([Wanted("7495-12704")], open_session(60.0))
    assert not plan.missing
    assert plan.found[0].wanted.redshift == pytest.approx(0.029, abs=0.002)
    assert plan.known_bytes > 1e7


def test_eso_has_a_muse_cube_of_ngc_7469():
    _reaches("archive.eso.org")
    plan = eso.find_galaxies([Wanted("NGC 7469", 345.8151, 8.874)], open_session(60.0))
    assert plan.products
