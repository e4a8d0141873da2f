"""Other programs get the same numbers, with their units and meanings."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import parse_single_table, validate
from astropy.table import Table

from catalogs import SCHEMA_VERSION, CatalogError, open_catalog
from catalogs.export import export_table, unique_names, write_fits
from catalogs.publish import publish
from catalogs.schema import declared_tables

TABLES = sorted(declared_tables())


@pytest.mark.parametrize("suffix", [".vot", ".fits"])
@pytest.mark.parametrize("table", TABLES)
def test_exported_tables_hold_the_same_values(run, tmp_path, table, suffix):
    # A VOTable has names, and IDs, which may not have a slash.
    options = {"use_names_over_ids": True} if suffix == ".vot" else {}
    written = Table.read(export_table(run, table, tmp_path / f"{table}{suffix}"), **options)
    original = Table(open_catalog(run).qtable(table))
    assert written.colnames == original.colnames
    for name in original.colnames:
        assert written[name].unit == original[name].unit
        kind = original[name].dtype.kind
        blank = {"f": np.nan, "U": ""}.get(kind, 0)
        values = np.ma.filled(written[name].astype(original[name].dtype), blank)
        if kind == "U":  # FITS does not keep blanks at the end.
            assert list(np.char.rstrip(values)) == list(np.char.rstrip(original[name]))
        else:
            np.testing.assert_array_equal(values, original[name])


@pytest.mark.parametrize("table", TABLES)
def test_votables_are_valid_and_carry_ucds_and_descriptions(run, tmp_path, table):
    path = export_table(run, table, tmp_path / "table.vot")
    assert validate(str(path), output=None)
    fields = parse_single_table(path).fields
    for field, column in zip(fields, declared_tables()[table].columns, strict=True):
        assert field.ucd == column.ucd
        # Written with lines wrapped, also after hyphens.
        assert "".join(field.description.split()) == "".join(column.description.split())
        assert field.datatype != "bit", "TOPCAT and STILTS cannot read it"
        assert (field.datatype, field.arraysize) != ("unicodeChar", "1"), (
            "deprecated by erratum 3 of VOTable 1.3"
        )


@pytest.mark.parametrize("suffix", [".vot", ".fits"])
@pytest.mark.parametrize("table", ["spaxels", "spectra", "quarantine"])
def test_empty_tables_can_be_exported(tmp_path, table, suffix):
    publish(tmp_path, [])
    path = export_table(tmp_path, table, tmp_path / f"{table}{suffix}")
    assert len(Table.read(path)) == 0


def test_text_that_fits_cannot_hold_is_spelled_out(tmp_path):
    message = "expected 5 µm, found Hα of Löhner"
    failure = {"galaxy": "NGC 1", "stage": "read", "error": "DataError", "message": message}
    publish(tmp_path, [], [failure])
    path = export_table(tmp_path, "quarantine", tmp_path / "q.fits")
    assert Table.read(path)["message"].astype(str)[0] == "expected 5 mum, found Halpha of Lohner"


def test_fits_headers_carry_ucds_and_descriptions_in_ascii(run, tmp_path):
    header = fits.getheader(export_table(run, "clusters", tmp_path / "c.fits"), 1)
    number = next(key[5:] for key, name in header.items() if name == "flux_Halpha_6563")
    assert header[f"TUCD{number}"] == "phot.flux.sb;em.line"
    assert header[f"TCOMM{number}"].startswith("Surface brightness of H alpha")
    assert header["EXTNAME"] == "clusters"
    assert f"schema_version: {SCHEMA_VERSION}" in str(header["COMMENT"])


def test_one_galaxy_can_be_exported_alone(run, tmp_path):
    spaxels = Table.read(export_table(run, "spaxels", tmp_path / "s.fits", galaxy="NGC 1"))
    assert len(spaxels) == 12
    assert set(spaxels["galaxy"].astype(str)) == {"NGC 1"}


def test_an_export_replaces_the_file_and_leaves_nothing_else(run, tmp_path):
    folder = tmp_path / "exports"
    folder.mkdir()
    for _ in range(2):
        export_table(run, "galaxies", folder / "g.vot")
    assert [path.name for path in folder.iterdir()] == ["g.vot"]


def test_an_unknown_ending_is_an_error(run, tmp_path):
    with pytest.raises(CatalogError, match=r"expected \.vot or \.xml or \.fits.*\.hats"):
        export_table(run, "galaxies", tmp_path / "g.doc")


@pytest.mark.parametrize("table", TABLES)
def test_ecsv_holds_values_and_units(run, tmp_path, table):
    written = Table.read(export_table(run, table, tmp_path / "t.ecsv"))
    original = Table(open_catalog(run).qtable(table))
    assert written.colnames == original.colnames
    for name in original.colnames:
        assert written[name].unit == original[name].unit
        assert written[name].description == (original[name].description or None)
    for name in ("galaxy", "flux_NeII_12.81", "snr", "median"):
        if name in original.colnames and len(original):
            blank = "" if original[name].dtype.kind == "U" else np.nan
            np.testing.assert_array_equal(np.ma.filled(written[name], blank), original[name])


@pytest.mark.parametrize("table", TABLES)
def test_csv_holds_values_and_lists_as_text(run, tmp_path, table):
    written = pd.read_csv(export_table(run, table, tmp_path / "t.csv"), dtype={"galaxy": str})
    original = open_catalog(run).arrow(table).to_pandas()
    assert list(written) == list(original)
    assert len(written) == len(original)
    if table == "clusters":
        np.testing.assert_array_equal(written["flux_NeII_12.81"], original["flux_NeII_12.81"])
        assert list(written["galaxy"]) == list(original["galaxy"])
    if table == "spectra":
        assert [float(word) for word in written["median"][0].split()] == list(original["median"][0])


@pytest.mark.parametrize("table", TABLES)
def test_parquet_is_one_file_that_astropy_reads_with_units(run, tmp_path, table):
    path = export_table(run, table, tmp_path / "t.parquet")
    assert pq.read_table(path).to_pandas().equals(open_catalog(run).arrow(table).to_pandas())
    read = Table.read(path, format="parquet.votable")
    assert read.colnames == [column.name for column in declared_tables()[table].columns]


def test_fits_tables_beyond_the_limit_continue_in_another_extension(run, tmp_path):
    table = open_catalog(run).qtable("clusters")
    for number in range(1300):
        table[f"more_{number}"] = table["flux"] + number
        table[f"more_{number}"].info.meta = {"ucd": ""}
    write_fits(table, tmp_path / "wide.fits")
    with fits.open(tmp_path / "wide.fits") as file:
        names = [name for hdu in file[1:] for name in hdu.columns.names]
        assert [hdu.name for hdu in file[1:]] == ["clusters", "clusters_2", "clusters_3"]
        assert all(len(hdu.columns) <= 999 for hdu in file[1:])
        assert all(hdu.columns.names[:2] == ["galaxy", "cluster"] for hdu in file[1:])
        assert set(names) == set(table.colnames)
        np.testing.assert_array_equal(file[3].data["more_1299"], table["more_1299"])


@pytest.mark.parametrize("table", TABLES)
def test_names_of_columns_are_the_same_in_fits(table):
    names = [column.name for column in declared_tables()[table].columns]
    assert unique_names(names) == names


def test_names_that_fits_takes_for_one_get_numbers():
    names = unique_names(["flux", "Flux", "FLUX", "x" * 80])
    assert names == ["flux", "Flux_2", "FLUX_3", "x" * 64]
