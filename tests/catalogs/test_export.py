"""Other programs get the same numbers, with their units and meanings."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.votable import parse_single_table, validate
from astropy.table import Table

from catalogs import SCHEMA_VERSION, CatalogError, open_catalog
from catalogs.export import export_table
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
    with pytest.raises(CatalogError, match=r"expected \.vot or \.xml or \.fits"):
        export_table(run, "galaxies", tmp_path / "g.csv")
