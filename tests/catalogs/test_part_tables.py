"""Tables of parts: what was declared goes in, the same comes out, and pandas reads it alone."""

import pandas as pd
import pytest

from catalogs import CatalogError
from catalogs.part_tables import copy_part_table, read_part_table, write_part_table
from catalogs.parts import PartStore, Receipt
from catalogs.schema import to_arrow

GEOMETRY = {"galaxy": "NGC 1", "cluster": [1, 2], "n_spaxel": [7, 5], "nuclear": [True, False]}
WHOLE = GEOMETRY | {"low_snr": False, "flux": [1.5, None], "flags": 0}


@pytest.fixture
def commit(tmp_path):
    """Commit a part with the table `clusters`."""

    def make(rows, **options) -> Receipt:
        def write(folder):
            write_part_table(folder, "clusters", to_arrow("clusters", rows, **options))

        return PartStore(tmp_path).commit("NGC 1", "features", "key", write)

    return make


def test_what_is_written_is_read(commit):
    found = read_part_table(commit(WHOLE), "clusters")
    assert found.equals(to_arrow("clusters", WHOLE))


def test_pandas_alone_reads_a_part(commit):
    frame = pd.read_feather(commit(WHOLE).path / "clusters.arrow")
    assert frame["n_spaxel"].tolist() == [7, 5]
    assert frame["flux"].isna().tolist() == [False, True]


def test_a_table_of_some_columns_is_taken_only_where_it_is_expected(commit):
    part = commit(GEOMETRY, partial=True)
    assert read_part_table(part, "clusters", partial=True).column_names == list(GEOMETRY)
    with pytest.raises(CatalogError, match="written with another schema"):
        read_part_table(part, "clusters")


def test_a_wide_table_of_few_rows_is_small(commit):
    """In Parquet, whose footer describes every column, it would be twice as large."""
    assert (commit(WHOLE).path / "clusters.arrow").stat().st_size < 200_000


def test_a_copy_is_the_same_table(commit, tmp_path):
    part = commit(WHOLE)
    copy_part_table(part, "clusters", tmp_path)
    original = (part.path / "clusters.arrow").read_bytes()
    assert (tmp_path / "clusters.arrow").read_bytes() == original


def test_a_file_without_its_end_is_not_committed(tmp_path):
    def forget_to_close(folder):
        write_part_table(folder, "clusters", to_arrow("clusters", WHOLE))
        with (folder / "clusters.arrow").open("r+b") as file:
            file.truncate(5000)

    with pytest.raises(CatalogError, match=r"clusters\.arrow: a file just written cannot be read"):
        PartStore(tmp_path).commit("NGC 1", "features", "key", forget_to_close)
