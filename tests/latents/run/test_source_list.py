"""Lists of sources: names, positions, files; rows that are none are told and set aside."""

from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from survey.errors import ConfigError
from survey.latents.run.settings import SourceColumns
from survey.latents.run.source_list import read_source_list

NAMES = [
    "2CXO J004231.1+411621",
    "J140312.5+542056",
    "2CXO J224030.1+032131A",
    "2cxo j043715.9-471509x",
]


@pytest.mark.parametrize("ending", ["csv", "ecsv", "vot", "fits"])
def test_names_of_the_catalog_are_known_in_any_format(tmp_path: Path, ending: str) -> None:
    formats = {"csv": "ascii.csv", "ecsv": "ascii.ecsv", "vot": "votable", "fits": "fits"}
    Table({"name": NAMES}).write(tmp_path / f"list.{ending}", format=formats[ending])
    found = read_source_list(tmp_path / f"list.{ending}")
    assert [one.csc_name for one in found.sources] == [
        "2CXO J004231.1+411621", "2CXO J140312.5+542056", "2CXO J224030.1+032131A",
        "2CXO J043715.9-471509X",
    ]  # fmt: skip
    assert not found.bad


def test_positions_are_degrees_hours_or_of_the_unit_of_the_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ra,dec\n10.5,-3.25\n00:46:00,-03 30 00\n")
    found = read_source_list(tmp_path / "a.csv").sources
    np.testing.assert_allclose(
        [(one.ra_deg, one.dec_deg) for one in found], [[10.5, -3.25], [11.5, -3.5]]
    )
    Table({"ra": [0.7] * u.hourangle, "dec": [-195] * u.arcmin}).write(
        tmp_path / "b.ecsv", format="ascii.ecsv"
    )
    (one,) = read_source_list(tmp_path / "b.ecsv").sources
    assert (one.ra_deg, one.dec_deg) == pytest.approx((10.5, -3.25))


def test_bad_rows_are_told_with_their_numbers_and_the_others_kept(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        f"name,ra,dec\n{NAMES[0]},,\nM 31,,\nstar,10,95\nfar,east,1\nM 31,10.68,41.27\n"
    )
    found = read_source_list(tmp_path / "a.csv")
    assert [one.name for one in found.sources] == [NAMES[0], "M 31"]
    assert [str(error).split("row ")[1][0] for error in found.bad] == ["2", "3", "4"]


def test_columns_have_any_name_if_it_is_declared(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Obj;X;Y;Pha\n0012;1;2;a.pha\n")
    columns = SourceColumns(id="Obj", ra="X", dec="Y", files="Pha")
    (one,) = read_source_list(tmp_path / "a.csv", columns).sources
    assert (one.name, one.ra_deg, one.dec_deg) == ("0012", 1.0, 2.0)
    assert one.files == (tmp_path / "a.pha",)
    with pytest.raises(ConfigError, match="no column 'Q'"):
        read_source_list(tmp_path / "a.csv", SourceColumns(id="Q"))
    with pytest.raises(ConfigError, match="no column to look for sources by"):
        read_source_list(tmp_path / "a.csv")


@pytest.mark.parametrize(("content", "message"), [("", "cannot be read"), ("name\n", "no rows")])
def test_a_table_that_is_none_is_told(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_source_list(tmp_path / "a.csv")
    with pytest.raises(ConfigError, match="does not exist"):
        read_source_list(tmp_path / "b.csv")
