"""HATS catalogs: rows where they are on the sky, in files that say so."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy_healpix import HEALPix

from catalogs import CatalogError
from catalogs.export import export_table
from catalogs.formats.hats import write_hats

N = 3000


@pytest.fixture
def table():
    random = np.random.default_rng(1)
    dec = np.degrees(np.arcsin(random.uniform(-1, 1, N)))
    return pa.table({"number": np.arange(N), "ra": random.uniform(0, 360, N), "dec": dec})


def test_every_row_is_in_the_file_of_its_pixel(table, tmp_path):
    assert write_hats(table, tmp_path / "all.hats", most_rows=100) == 0
    seen = []
    pixels = pd.read_csv(tmp_path / "all.hats" / "partition_info.csv")
    for order, pixel in pixels.itertuples(index=False):
        directory = pixel // 10000 * 10000
        path = f"dataset/Norder={order}/Dir={directory}/Npix={pixel}.parquet"
        rows = pq.ParquetFile(tmp_path / "all.hats" / path).read().to_pandas()
        assert 0 < len(rows) <= 100
        place = SkyCoord(rows["ra"], rows["dec"], unit="deg")
        grid = HEALPix(2**order, order="nested")
        assert (grid.lonlat_to_healpix(place.ra, place.dec) == pixel).all()
        assert rows["_healpix_29"].is_monotonic_increasing
        fine = HEALPix(2**29, order="nested")
        lon, lat = fine.healpix_to_lonlat(rows["_healpix_29"].to_numpy())
        assert place.separation(SkyCoord(lon, lat)).max() < 1 * u.mas
        seen += rows["number"].tolist()
    assert sorted(seen) == list(range(N))
    assert pq.read_metadata(tmp_path / "all.hats" / "dataset" / "_metadata").num_rows == N
    facts = (tmp_path / "all.hats" / "hats.properties").read_text()
    assert f"hats_nrows={N}\n" in facts


def test_lsdb_opens_it_and_finds_rows_on_the_sky(table, tmp_path):
    lsdb = pytest.importorskip("lsdb", reason="LSDB is not installed")
    write_hats(table, tmp_path / "all.hats", most_rows=100)
    catalog = lsdb.open_catalog(tmp_path / "all.hats")
    found = catalog.cone_search(ra=40, dec=10, radius_arcsec=20 * 3600).compute()
    place = SkyCoord(table["ra"].to_numpy(), table["dec"].to_numpy(), unit="deg")
    near = place.separation(SkyCoord(40, 10, unit="deg")) < 20 * u.deg
    assert sorted(found["number"]) == np.flatnonzero(near).tolist()


def test_rows_without_a_position_are_left_out_and_counted(table, tmp_path):
    blind = table.set_column(1, "ra", pa.array([None, np.nan, *table["ra"].to_pylist()[2:]]))
    assert write_hats(blind, tmp_path / "some.hats") == 2
    with pytest.raises(CatalogError, match="no row of the table has one"):
        write_hats(blind[:2], tmp_path / "none.hats")
    with pytest.raises(CatalogError, match="no ra and dec"):
        write_hats(table.drop_columns("ra"), tmp_path / "none.hats")
    assert [path.name for path in tmp_path.iterdir()] == ["some.hats"]


def test_a_folder_of_something_else_is_not_replaced(table, tmp_path):
    (tmp_path / "mine.hats").mkdir()
    (tmp_path / "mine.hats" / "thesis.tex").touch()
    with pytest.raises(CatalogError, match="is no HATS catalog"):
        write_hats(table, tmp_path / "mine.hats")
    write_hats(table, tmp_path / "ours.hats")
    write_hats(table[:5], tmp_path / "ours.hats")
    assert "hats_nrows=5\n" in (tmp_path / "ours.hats" / "properties").read_text()


def test_tables_of_a_catalog_are_exported_with_their_columns(run, tmp_path):
    with pytest.raises(CatalogError, match="positions"):
        export_table(run, "spectra", tmp_path / "spectra.hats")
    with pytest.raises(CatalogError, match="no row"):
        export_table(run, "clusters", tmp_path / "clusters.hats")
