"""Published tables open in the usual libraries, with the same numbers."""

import numpy as np
import pandas as pd
import pytest

from catalogs import open_catalog


@pytest.fixture
def clusters(run):
    return run / "catalog" / "clusters.parquet"


@pytest.fixture
def expected(run):
    return open_catalog(run).clusters


def test_dask_adds_up_what_pandas_adds_up(clusters, expected):
    import dask.dataframe

    frame = dask.dataframe.read_parquet(clusters)
    sums = frame.groupby("galaxy")["flux_NeII_12.81"].sum().compute()
    pd.testing.assert_series_equal(
        sums.sort_index(),
        expected.groupby("galaxy")["flux_NeII_12.81"].sum(),
        check_index_type=False,
    )


def test_polars_reads_every_table(run, expected):
    polars = pytest.importorskip("polars")
    catalog = open_catalog(run)
    for table in catalog.tables:
        frame = polars.read_parquet(catalog.files(table))
        assert frame.columns == catalog.arrow_schema(table).names
        assert len(frame) == catalog.row_counts()[table]
    frame = polars.read_parquet(run / "catalog" / "clusters.parquet")
    bright = frame.filter(polars.col("detected_NeII_12.81")).select("flux_NeII_12.81").to_series()
    np.testing.assert_array_equal(
        bright.to_numpy(), expected.loc[expected["detected_NeII_12.81"], "flux_NeII_12.81"]
    )


def test_duckdb_joins_tables(run, expected):
    duckdb = pytest.importorskip("duckdb")
    folder = run / "catalog"
    found = duckdb.sql(
        f"select g.redshift, c.galaxy, c.cluster, len(s.median) as n "
        f"from '{folder}/clusters.parquet' c join '{folder}/galaxies.parquet' g using (galaxy) "
        f"join '{folder}/spectra/*.parquet' s using (galaxy, cluster) order by all"
    ).fetchall()
    assert len(found) == len(expected)
    assert {(row[1], row[2]) for row in found} == set(
        expected[["galaxy", "cluster"]].itertuples(index=False, name=None)
    )
    assert {row[3] for row in found} == {5}
