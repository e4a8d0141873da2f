"""Files of one galaxy hold the numbers of the catalog, on the sky where the cube is."""

import subprocess
import sys

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS
from regions import Regions

import survey


@pytest.fixture
def maps(folder):
    with fits.open(folder / "SIM-001_maps.fits", checksum=True) as file:
        yield file


def test_the_command_writes_every_file(run, tmp_path, folder):
    code = "from survey.cli import main; main()"
    arguments = ["export", str(run), "SIM-001", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == sorted(path.name for path in folder.iterdir())
    assert done.stdout.count("wrote") == len(written) == 6
    assert (tmp_path / "SIM-001_clusters.pdf").read_bytes().startswith(b"%PDF")


def test_maps_have_the_numbers_of_the_tables(maps, result):
    maps.verify("exception")
    labels = result.labels.values
    np.testing.assert_array_equal(maps["CLUSTER"].data, np.where(labels > 0, labels, -1))
    for name, column in (("SPX_SNR", "snr"), ("SHIFT", "shift_km_s")):
        np.testing.assert_array_equal(maps[name].data, result.map(column))
    for row in result.table("clusters"):
        own = labels == row["cluster"]
        assert own.any()
        assert (maps["BIN_SNR"].data[own] == row["continuum_snr"]).all()
    assert maps[0].header["Z"] == result.about["redshift"]
    assert maps["SHIFT"].header["BUNIT"] == "km s-1"


def test_line_maps_have_fluxes_inverse_variances_and_masks_by_name(maps, result):
    names = [
        maps["EMLINE_FLUX"].header[f"C{n:02d}"] for n in range(1, 1 + len(maps["EMLINE_FLUX"].data))
    ]
    rows = result.features()
    assert set(names) == set(rows["feature"])
    assert u.Unit(maps["EMLINE_FLUX"].header["BUNIT"]) == rows["flux"].unit
    seen = set()
    for row in rows:
        plane, own = names.index(row["feature"]), result.labels.values == row["cluster"]
        flux, ivar, mask = (
            maps[f"EMLINE_FLUX{suffix}"].data[plane][own] for suffix in ("", "_IVAR", "_MASK")
        )
        assert (flux == row["flux"].value).all()
        np.testing.assert_allclose(ivar**-0.5, row["err"].value, rtol=1e-9)
        assert (mask == (0 if row["detected"] else 2)).all()
        seen.add(bool(row["detected"]))
    assert seen == {True, False}
    outside = result.labels.values == 0
    assert np.isnan(maps["EMLINE_FLUX"].data[:, outside]).all()
    assert (maps["EMLINE_FLUX_MASK"].data[:, outside] == 1).all()


def test_every_map_lies_where_the_cube_is(maps, targets):
    header = fits.getheader(targets[0].files[0], "SCI")
    y, x = np.indices(maps["CLUSTER"].shape)
    sky = WCS(header).celestial.pixel_to_world(x, y)
    for hdu in maps[1:]:
        there = WCS(hdu.header).celestial.pixel_to_world(x, y)
        assert there.separation(sky).max() < 0.01 * u.arcsec
    stored = np.isfinite(maps["SPX_SKYCOO"].data[0])
    ra, dec = maps["SPX_SKYCOO"].data[:, stored]
    np.testing.assert_allclose(ra, sky.ra.deg[stored], atol=1e-6)
    np.testing.assert_allclose(dec, sky.dec.deg[stored], atol=1e-6)


@pytest.mark.parametrize("suffix", ["fits", "ecsv"])
def test_spectra_have_units_and_the_same_numbers(folder, result, suffix):
    written = QTable.read(folder / f"SIM-001_spectra.{suffix}")
    ours = result.table("spectra")
    assert written.colnames == ours.colnames
    assert written["median"].unit == u.MJy / u.sr
    assert written["median"].shape == ours["median"].shape
    for name in ("wavelength_um", "median", "err", "sum"):
        np.testing.assert_array_equal(written[name].value, ours[name].value)


def test_regions_hold_the_spaxels_of_their_cluster_and_no_others(folder, result):
    wcs, labels = result.wcs, result.labels.values
    y, x = np.indices(labels.shape)
    from regions import PixCoord

    held = {number: np.zeros(labels.shape, dtype=bool) for number in range(1, labels.max() + 1)}
    shapes = Regions.read(folder / "SIM-001_clusters.reg", format="ds9")
    for shape in shapes:
        inside = shape.to_pixel(wcs).contains(PixCoord(x, y))
        excluded = not shape.meta.get("include", True)
        number = int(shape.meta["text"])
        held[number] = held[number] & inside if excluded else held[number] | inside
    for number, inside in held.items():
        np.testing.assert_array_equal(inside, labels == number)


def test_a_galaxy_without_coordinates_has_regions_in_pixels(result, tmp_path):
    import pyarrow as pa

    from survey.export.galaxy_tables import GalaxyTables

    tables = dict(result._tables.tables)
    place = tables["galaxies"].schema.get_field_index("celestial_header")
    tables["galaxies"] = tables["galaxies"].set_column(
        place, tables["galaxies"].schema.field(place), pa.array([""])
    )
    blind = survey.Result(GalaxyTables(tables, result._tables.reference))
    assert blind.wcs is None
    written = {path.name: path for path in blind.export(tmp_path)}
    shapes = Regions.read(written["SIM-001_clusters.reg"], format="ds9")
    assert {type(shape).__name__ for shape in shapes} == {"PolygonPixelRegion"}
    assert not WCS(fits.getheader(written["SIM-001_maps.fits"], "CLUSTER")).has_celestial


def test_classes_are_numbers_with_names_and_probabilities(result, tmp_path):
    import pyarrow as pa

    from survey.export.galaxy_tables import GalaxyTables

    tables = dict(result._tables.tables)
    clusters = tables["clusters"]
    names = ["SF", "AGN", "", "SF", "SF"]
    place = clusters.schema.get_field_index("class")
    clusters = clusters.set_column(place, clusters.schema.field(place), pa.array(names))
    for name in ("AGN", "SF"):
        share = [0.8 if one == name else 0.2 for one in names]
        clusters = clusters.append_column(f"p_{name}", pa.array(share))
        clusters = clusters.append_column(f"p_{name}_err", pa.array([0.1] * 5))
    tables["clusters"] = clusters
    survey.Result(GalaxyTables(tables, result._tables.reference)).export(tmp_path)
    with fits.open(tmp_path / "SIM-001_maps.fits") as maps:
        header, labels = maps["CLASS"].header, result.labels.values
        assert [header["C01"], header["C02"]] == ["AGN", "SF"]
        for number, name in enumerate(names, start=1):
            code = {"AGN": 1, "SF": 2, "": 0}[name]
            assert (maps["CLASS"].data[labels == number] == code).all()
            stated = maps["CLASS_PROB"].data[1][labels == number]
            assert (stated == (0.8 if name == "SF" else 0.2)).all()
        assert (maps["CLASS"].data[labels == 0] == -1).all()
