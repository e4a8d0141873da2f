"""The light reader of ECSV: what it reads, astropy reads as well, and all else it leaves alone."""

from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, Table
from hypothesis import given
from hypothesis import strategies as st

from catalogs.reference.plain_ecsv import plain_lines, read_plain

PACKAGED = sorted(file.name for file in files("catalogs").joinpath("data").iterdir()
                  if file.name.endswith(".ecsv"))  # fmt: skip


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_tables_are_read_as_astropy_reads_them(name):
    with as_file(files("catalogs").joinpath("data", name)) as path:
        plain, table = read_plain(path), Table.read(path, format="ascii.ecsv")
    assert plain is not None
    assert list(plain.names) == table.colnames
    for column in table.columns.values():
        given_unit = plain.units.get(column.name)
        assert (given_unit and u.Unit(given_unit)) == column.unit
        text = column.dtype.kind in "OU"
        expected = np.ma.filled(column, "").tolist() if text else column.tolist()
        found = [row[column.name] for row in plain.rows]
        assert [type(cell) for cell in found] == [type(cell) for cell in expected]
        np.testing.assert_array_equal(found, expected)


def written(tmp_path: Path, table: Table, **options) -> Path:
    table.write(path := tmp_path / "table.ecsv", format="ascii.ecsv", overwrite=True, **options)
    return path


def test_what_astropy_writes_is_read_with_any_delimiter(tmp_path):
    table = Table({"name": ['a "b"', "c, d", "e#"], "n": [1, -2, 3], "x": [0.1, np.nan, 1e300]})
    table["x"].unit = "km / s"
    for delimiter in (" ", ","):
        plain = read_plain(written(tmp_path, table, delimiter=delimiter))
        if plain is None:
            continue  # a unit with blanks is quoted, and left to astropy
        assert [row["name"] for row in plain.rows] == list(table["name"])
    table["x"].unit = None
    for delimiter in (" ", ","):
        plain = read_plain(written(tmp_path, table, delimiter=delimiter))
        assert plain is not None
        assert [row["name"] for row in plain.rows] == list(table["name"])
        assert [row["n"] for row in plain.rows] == [1, -2, 3]


def test_what_is_not_plain_is_left_to_astropy(tmp_path):
    masked = Table({"x": MaskedColumn([1.0, 2.0], mask=[True, False])})
    arrays = Table({"x": np.zeros((2, 3))})
    for table in (masked, arrays):
        assert read_plain(written(tmp_path, table)) is None
    good = written(tmp_path, Table({"x": [1.0], "n": [1]})).read_text()
    for damaged in (
        good.replace("1.0 1", "1_0 1"),
        good.replace("1.0 1", "1.0"),
        good.replace("1.0 1", "1.0 1 2"),
        good.replace("1.0 1", "x 1"),
        good.replace("x n", "n x"),
        good.replace("float64", "complex128"),
        good.replace("%ECSV 1.0", "%ECSV 2.0"),
        good + '"no end',
        good + "# a remark\n",
    ):
        assert damaged != good
        (path := tmp_path / "damaged.ecsv").write_text(damaged)
        assert read_plain(path) is None, damaged


TEXT = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1)


@given(st.lists(st.tuples(TEXT.map(str.strip).filter(bool), st.floats()), max_size=5))
def test_what_is_written_is_read_back_by_both(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("plain") / "table.ecsv"
    path.write_text("\n".join(plain_lines({"name": "string", "x": "float64"}, rows)) + "\n")
    plain, table = read_plain(path), Table.read(path, format="ascii.ecsv")
    assert plain is not None
    for name, number in (("name", 0), ("x", 1)):
        expected = [row[number] for row in rows]
        np.testing.assert_array_equal([row[name] for row in plain.rows], expected)
        np.testing.assert_array_equal(table[name].tolist(), expected)
