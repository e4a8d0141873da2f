"""What a user asks of a catalog, and what the errors say when it is not there."""

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from astropy import units as u

from catalogs import CatalogError, open_catalog, versions
from catalogs.publish import publish


@pytest.fixture
def catalog(run):
    return open_catalog(run)


def test_frames_have_one_row_per_galaxy_and_per_cluster(catalog):
    assert list(catalog.galaxies["galaxy"]) == ["123", "NGC 1", "NGC 2"]
    assert catalog.clusters.groupby("galaxy").size().to_dict() == {"123": 2, "NGC 1": 2, "NGC 2": 2}
    assert catalog.quarantine["message"].tolist() == ["all NaN"]
    assert catalog.row_counts() == {
        "clusters": 6,
        "diagrams": 0,
        "galaxies": 3,
        "latents": 0,
        "tracer_clusters": 0,
        "tracers": 0,
        "validation": 0,
        "importances": 0,
        "measurements": 9,
        "parts": 6,
        "quarantine": 1,
        "scores": 0,
        "spaxels": 36,
        "spectra": 6,
        "splits": 3,
    }


def test_measurements_of_any_line_become_columns(catalog):
    assert "flux_NiII_12.73" not in catalog.clusters
    wide = catalog.wide(["NiII_12.73", "NeII_12.81"])
    assert list(wide) == ["flux_NiII_12.73", "err_NiII_12.73", "flux_NeII_12.81", "err_NeII_12.81"]
    assert list(wide.index) == list(
        catalog.clusters[["galaxy", "cluster"]].itertuples(index=False, name=None)
    )
    assert wide.loc[("NGC 2", 1), "flux_NiII_12.73"] == pytest.approx(1e-20)
    assert np.isnan(wide.loc[("NGC 2", 2), "flux_NiII_12.73"]), "it is not covered there"
    assert wide["flux_NeII_12.81"].notna().all()
    assert len(catalog.wide(["NeII_12.81"], ["detected"], galaxy="NGC 1")) == 2


@pytest.mark.parametrize(
    ("lines", "columns", "message"),
    [
        (["NeI_12.81"], ["flux"], "no measured line or band.*Did you mean 'NeII_12.81'"),
        (["NeII_12.81"], ["fluks"], "no column of table 'measurements'.*Did you mean 'flux'"),
    ],
)
def test_lines_and_columns_that_are_not_measured_are_refused(catalog, lines, columns, message):
    with pytest.raises(CatalogError, match=message):
        catalog.wide(lines, columns)


def test_frames_equal_what_pandas_reads_alone(catalog, run):
    pd.testing.assert_frame_equal(
        catalog.clusters, pd.read_parquet(run / "catalog/clusters.parquet")
    )
    pd.testing.assert_frame_equal(catalog.spaxels(), pd.read_parquet(run / "catalog/spaxels"))


def test_spaxels_and_spectra_of_one_galaxy_and_some_columns(catalog):
    spaxels = catalog.spaxels("123", columns=["x", "snr"])
    assert list(spaxels.columns) == ["x", "snr"]
    assert len(spaxels) == 12
    spectra = catalog.spectra("NGC 1")
    assert list(spectra["galaxy"]) == ["NGC 1", "NGC 1"]
    np.testing.assert_allclose(spectra["median"][0], 3.0)


def test_parts_of_one_galaxy(catalog):
    assert catalog.parts("123", columns=["cluster", "n_spaxel"]).to_numpy().tolist() == [
        [1, 6],
        [2, 6],
    ]


def test_qtables_have_units_and_descriptions(catalog):
    clusters = catalog.qtable("clusters")
    assert clusters["flux_NeII_12.81"].unit == u.W / u.m**2 / u.arcsec**2
    assert clusters["flux_NeII_12.81"][0].value == pytest.approx(2e-18)
    assert "[Ne II]" in clusters["flux_NeII_12.81"].info.description
    assert clusters["galaxy"][0] == "123"
    assert clusters.meta["survey_version"] == "0"


def test_missing_numbers_are_nan_and_missing_text_is_empty_in_qtables(catalog):
    galaxies = catalog.qtable("galaxies", "NGC 1")
    assert np.isnan(galaxies["dec"][0])
    assert np.isnan(galaxies["k_runner_up"][0])
    assert galaxies["criterion"][0] == ""
    assert galaxies["files"][0] == "NGC 1.fits"


def test_spectra_of_a_galaxy_are_a_matrix_with_a_wavelength_axis(catalog):
    spectra = catalog.qtable("spectra", "NGC 1")
    assert spectra["median"].shape == (2, 5)
    assert spectra["wavelength_um"].unit == u.um
    assert spectra["std"].shape == (2, 5)
    assert np.isnan(spectra["std"]).all()


def test_a_spaxel_map_puts_every_spaxel_in_its_place(catalog):
    image, _ = catalog.spaxel_map("NGC 1")
    np.testing.assert_array_equal(image, [[0, 0, 0, 0]] + 3 * [[1, 1, 2, 2]])
    assert image.dtype == np.int32
    snr, _ = catalog.spaxel_map("NGC 1", "snr")
    assert np.isnan(snr[0]).all()
    assert snr[2, 3] == 3.0 * 23
    rows, _ = catalog.spaxel_map("NGC 1", "y")
    np.testing.assert_array_equal(rows[1:, 0], [1, 2, 3])


def test_a_spaxel_map_knows_where_it_is_on_the_sky(catalog):
    _, wcs = catalog.spaxel_map("NGC 1")
    ra, dec = wcs.pixel_to_world_values(1.5, 0.5)
    assert (ra, dec) == (pytest.approx(345.815), pytest.approx(8.874))


@pytest.mark.parametrize("header", [None, ""])
def test_a_cube_without_coordinates_has_a_map_without_wcs(tmp_path, make_part, header):
    def forget(tables):
        tables["galaxies"][0]["celestial_header"] = header

    publish(tmp_path, [make_part("NGC 1", edit=forget)])
    image, wcs = open_catalog(tmp_path).spaxel_map("NGC 1")
    assert image.max() == 2
    assert wcs is None


@pytest.mark.parametrize("table", ["clusters", "spaxels", "spectra"])
def test_dask_frames_hold_the_same_rows(catalog, table):
    frame = catalog.dask(table)
    assert len(frame) == len(catalog.qtable(table))
    assert set(frame["galaxy"].unique().compute()) == {"123", "NGC 1", "NGC 2"}


def test_spectra_in_dask_stay_arrays(catalog):
    assert isinstance(catalog.dask("spectra")["median"].compute().iloc[0], np.ndarray)


def test_the_description_comes_from_the_files(catalog):
    text = catalog.describe("spaxels")
    assert "One row per spaxel" in text
    assert "| `snr` | float |  | stat.snr;spect.continuum | Continuum S/N per sample |" in text


def test_an_open_catalog_stays_at_its_version(run, make_part):
    before = open_catalog(run)
    publish(run, [make_part("NGC 5")])
    assert len(before.galaxies) == len(before.spectra()) / 2 == 3
    assert len(open_catalog(run).galaxies) == 1


def test_a_catalog_can_be_copied_without_the_run(run, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "catalog"
    shutil.copytree(run / "catalog", elsewhere)
    assert len(open_catalog(elsewhere).spaxels("NGC 1")) == 12


def test_a_run_without_a_catalog_says_what_to_do(tmp_path):
    with pytest.raises(CatalogError, match=r"no catalog found.*a run directory.*survey run"):
        open_catalog(tmp_path)


def test_a_version_that_was_removed_asks_to_open_again(run, make_part, monkeypatch):
    catalog = open_catalog(run)
    monkeypatch.setattr(versions, "READER_GRACE_S", -1.0)
    for number in range(3):
        publish(run, [make_part(f"NGC {number}")])
    with pytest.raises(CatalogError, match=r"replaced and removed.*Open the catalog again"):
        catalog.spaxels()


def test_an_unknown_galaxy_lists_those_with_similar_names(catalog):
    with pytest.raises(CatalogError, match=r"'NGC1'.*Did you mean 'NGC 1' or 'NGC 2'"):
        catalog.spaxels("NGC1")
    with pytest.raises(CatalogError, match=r"'Circinus'.*There is '123', 'NGC 1', 'NGC 2'\."):
        catalog.spaxels("Circinus")


def test_a_catalog_is_called_what_the_link_of_its_run_is(catalog, run, tmp_path):
    assert repr(catalog) == f"Catalog({str(run / 'catalog')!r})"
    with pytest.raises(CatalogError) as raised:
        catalog.spaxels("Circinus")
    assert str(raised.value).startswith(f"{run / 'catalog'}: ")
    copied = tmp_path / "copied"
    shutil.copytree(catalog.path, copied)
    assert repr(open_catalog(copied)) == f"Catalog({str(copied)!r})"


def test_a_galaxy_in_quarantine_says_why(catalog):
    with pytest.raises(CatalogError, match="'NGC 9' is in quarantine; found all NaN"):
        catalog.spaxel_map("NGC 9")


def test_unknown_columns_and_tables_list_those_with_similar_names(catalog):
    with pytest.raises(
        CatalogError, match=r"column of table 'spaxels' is called 'clutser'.*cluster"
    ):
        catalog.spaxel_map("NGC 1", "clutser")
    with pytest.raises(CatalogError, match=r"table is called 'spectrum'.*Did you mean 'spectra'"):
        catalog.qtable("spectrum")


def test_importing_the_package_is_cheap():
    script = "import sys, catalogs; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not {"pandas", "pyarrow", "astropy", "dask", "survey"} & set(done.stdout.split())
