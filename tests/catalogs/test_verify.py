"""Every claim about a catalog is checked, and every way to break it is found."""

from dataclasses import asdict

import numpy as np
import pyarrow.parquet as pq
import pytest

from catalogs import CatalogError, open_catalog, versions
from catalogs.durable import record_files, write_json
from catalogs.publish import publish
from catalogs.verify import FILE_CHECKS, ROW_CHECKS, verify


def failures(run):
    return {result.check: result.detail for result in verify(run) if not result.ok}


def test_a_published_catalog_passes_every_check(run):
    results = verify(run)
    assert [result.check for result in results] == [*FILE_CHECKS, *ROW_CHECKS]
    assert failures(run) == {}


def test_an_empty_catalog_passes_every_check(tmp_path):
    publish(tmp_path, [])
    assert failures(tmp_path) == {}


def test_there_must_be_a_catalog(tmp_path):
    with pytest.raises(CatalogError, match="no catalog found"):
        verify(tmp_path)


def test_a_flipped_byte_is_found(run):
    file = run / "catalog/galaxies.parquet"
    data = bytearray(file.read_bytes())
    data[200] ^= 1
    file.write_bytes(data)
    assert failures(run) == {
        "files are as the manifest says": "the content of galaxies.parquet has changed"
    }


def test_a_foreign_file_is_found(run):
    (run / "catalog/spaxels/part-00001.parquet").touch()
    assert "is not in the manifest" in failures(run)["files are as the manifest says"]


def edit_column(table, column, row, value):
    def edit(tables):
        values = np.array(tables[table][column], dtype=object if value is None else None)
        values[row] = value
        tables[table][column] = values

    return edit


def repeat_spaxels(tables):
    tables["spaxels"]["x"] = np.zeros(12, dtype=int)


def lose_spectra(tables):
    tables["spectra"] = {name: values[:1] for name, values in tables["spectra"].items()} | {
        "galaxy": ["NGC 1"],
        "flux_unit": ["Jy"],
    }


def shorten_a_spectrum(tables):
    tables["spectra"]["err"] = [[1.0] * 5, [1.0] * 4]


def count_clusters_wrong(tables):
    tables["galaxies"][0]["n_cluster"] = 3


def call_clusters_otherwise(tables):
    tables["clusters"]["galaxy"] = "NGC 2"


@pytest.mark.parametrize(
    ("edit", "check", "detail"),
    [
        (repeat_spaxels, "keys identify rows", "occurs more than once"),
        (call_clusters_otherwise, "galaxies of all tables are known", "'NGC 2'"),
        (
            edit_column("spaxels", "cluster", 3, 7),
            "clusters of spaxels and spectra are known",
            "spaxels: NGC 1 / 7",
        ),
        (lose_spectra, "clusters of spaxels and spectra are known", "NGC 1 / 2"),
        (
            edit_column("clusters", "n_spaxel", 0, 5),
            "numbers of spaxels and clusters add up",
            "n_spaxel of clusters: 5 of NGC 1 / 1, but 6 rows",
        ),
        (
            edit_column("spaxels", "cluster", 0, 0),
            "numbers of spaxels and clusters add up",
            "n_spaxel of clusters: 6 of NGC 1 / 1, but 5 rows",
        ),
        (
            count_clusters_wrong,
            "numbers of spaxels and clusters add up",
            "n_cluster of galaxies: 3 of NGC 1, but 2 rows",
        ),
        (
            edit_column("parts", "n_spaxel", 1, 5),
            "parts of clusters are those of their spaxels",
            "n_spaxel of parts: 5 of NGC 1 / 2 / 0, but 6 rows",
        ),
        (
            edit_column("spaxels", "part", 2, 1),
            "parts of clusters are those of their spaxels",
            "in one of parts and spaxels only: NGC 1 / 2 / 1",
        ),
        (
            edit_column("spaxels", "part", slice(None), None),
            "parts of clusters are those of their spaxels",
            "has no part",
        ),
        (
            edit_column("spaxels", "cluster", 0, 0),
            "parts of clusters are those of their spaxels",
            "has a part and no cluster",
        ),
        (
            shorten_a_spectrum,
            "spectra are as long as their wavelengths",
            "err is not as long as wavelength_um",
        ),
    ],
)
def test_rows_that_contradict_one_another_are_found(tmp_path, make_part, edit, check, detail):
    publish(tmp_path, [make_part("NGC 1", edit=edit)])
    assert detail in failures(tmp_path)[check]


def test_a_galaxy_both_good_and_bad_is_found(tmp_path, make_part):
    failure = {"galaxy": "NGC 1", "stage": "read", "error": "DataError", "message": "all NaN"}
    publish(tmp_path, [make_part("NGC 1")], [failure])
    assert failures(tmp_path) == {"no galaxy is also in quarantine": "'NGC 1' is in both"}


def rewrite(run, table, change):
    """Change a table of a published catalog as if it had been published so."""
    catalog = open_catalog(run)
    (file,) = catalog.files(table)
    pq.write_table(change(pq.read_table(file)), file)
    manifest = catalog.path / versions.MANIFEST
    content = asdict(versions.Manifest.read(catalog.path))
    manifest.unlink()
    files = [asdict(record) for record in record_files(catalog.path)]
    write_json(manifest, content | {"files": files})


def test_rows_out_of_order_are_found(run):
    rewrite(run, "clusters", lambda table: table.take([4, 5, 0, 1, 2, 3]))
    assert failures(run) == {
        "rows are in order of galaxy": "clusters: after galaxy '' comes 'NGC 2'"
    }


def test_a_missing_column_is_found(run):
    rewrite(run, "clusters", lambda table: table.drop_columns(["flux"]))
    assert failures(run) == {
        "columns are as declared": "clusters.parquet: columns that differ: flux"
    }


def test_a_lost_unit_is_found(run):
    def forget(table):
        position = table.schema.get_field_index("shift_km_s")
        field = table.schema.field(position).remove_metadata()
        return table.cast(table.schema.set(position, field))

    rewrite(run, "clusters", forget)
    assert "column shift_km_s" in failures(run)["columns are as declared"]
