"""Published files carry units and UCDs for programs that know nothing of this package."""

import warnings

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.table import Table

from catalogs import open_catalog
from catalogs.formats.vo_parquet import votable_header
from catalogs.publish import publish
from catalogs.schema import declared_tables

TABLES = sorted(declared_tables())


def by_astropy(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # of units that VOTable writes otherwise: astropy remarks on them, and reads them
        warnings.simplefilter("ignore", u.UnitsWarning)
        return Table.read(path, format="parquet.votable")


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("table", TABLES)
def test_astropy_reads_every_table_with_units_and_ucds(run, tmp_path_factory, table, empty):
    if empty:
        run = tmp_path_factory.mktemp("empty")
        publish(run, [])
    catalog = open_catalog(run)
    for path in catalog.files(table):
        read = by_astropy(path)
        frame = pq.read_table(path).to_pandas()
        declared = declared_tables()[table].columns
        assert read.colnames == [column.name for column in declared] == list(frame)
        assert len(read) == len(frame)
        for column in declared:
            assert read[column.name].meta.get("ucd", "") == column.ucd
            assert "".join(read[column.name].description.split()) == "".join(
                column.description.split()
            )
            assert read[column.name].unit == (u.Unit(column.unit) if column.unit else None)


def test_values_are_those_of_the_catalog(run):
    read = by_astropy(run / "catalog" / "clusters.parquet")
    frame = open_catalog(run).clusters
    np.testing.assert_array_equal(read["flux_NeII_12.81"], frame["flux_NeII_12.81"])
    np.testing.assert_array_equal(read["nuclear"].astype(bool), frame["nuclear"])
    assert list(read["galaxy"]) == list(frame["galaxy"])
    log = next(name for name in frame if name.startswith("log_") and "/" in name)
    assert np.isnan(np.ma.filled(read[log], np.nan)).all()


@pytest.mark.parametrize("table", TABLES)
def test_no_text_is_missing(run, table):
    for path in open_catalog(run).files(table):
        content = pq.read_table(path)
        for field in content.schema:
            if str(field.type) == "string":
                assert content[field.name].null_count == 0, field.name
    galaxies = by_astropy(run / "catalog" / "galaxies.parquet")
    assert set(galaxies["criterion"]) == {""}


def test_the_header_does_not_show_in_what_is_read_with_this_package(run):
    catalog = open_catalog(run)
    for schema in (catalog.arrow_schema("clusters"), catalog.arrow("clusters").schema):
        assert not [key for key in schema.metadata if key.startswith((b"IVOA", b"table::"))]
    assert "IVOA" not in str(catalog.qtable("clusters").meta)


@pytest.mark.parametrize("table", TABLES)
def test_a_header_escapes_what_xml_would_take_for_its_own(table):
    from xml.etree import ElementTree

    from catalogs.schema import arrow_schema

    root = ElementTree.fromstring(votable_header(arrow_schema(table, {"note": 'a < "b" & c'}), {}))
    names = [field.get("name") for field in root.iter() if field.tag.endswith("FIELD")]
    assert names == [column.name for column in declared_tables()[table].columns]
    notes = [one.get("value") for one in root.iter() if one.get("name") == "note"]
    assert notes == ['a < "b" & c']
