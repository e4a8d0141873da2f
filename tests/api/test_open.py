"""Cubes of a run on their full grid, right on the sky, read piece by piece."""

import dask
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

import survey
from catalogs import CatalogError
from survey.cubes.whole import full_grid
from survey.errors import ConfigError


def test_the_cube_of_a_galaxy_is_that_of_its_file(run, targets, monkeypatch):
    monkeypatch.setattr(full_grid, "CHUNK_VOXELS", 320 * 12 * 5)
    for target in targets:
        cube = survey.open(run).cube(target.galaxy)
        assert cube.flux.dims == ("wavelength", "y", "x")
        assert isinstance(cube.flux.data, dask.array.Array)
        assert cube.flux.data.numblocks == (1, 3, 1)
        read = survey.read(target.files[0])
        for name in ("flux", "error"):
            there = (read.n_bad < read.sizes["wavelength"]).values
            np.testing.assert_array_equal(cube[name].values[:, there], read[name].values[:, there])
            assert np.isnan(cube[name].values[:, ~there]).all()
        np.testing.assert_array_equal(cube.bad, read.bad)
        np.testing.assert_array_equal(cube.wavelength, read.wavelength)
        assert cube.flux.attrs["units"] == "MJy / sr"


def test_a_piece_of_a_cube_reads_only_its_rows(run, targets, monkeypatch):
    monkeypatch.setattr(full_grid, "CHUNK_VOXELS", 320 * 12 * 2)
    read = []
    original = full_grid.StoredRows.__getitem__

    def counted(rows, key):
        read.append(key)
        return original(rows, key)

    cube = survey.open(run).cube(targets[0].galaxy)
    monkeypatch.setattr(full_grid.StoredRows, "__getitem__", counted)
    cube.flux[:, 5, 6].compute(scheduler="synchronous")  # not on workers of other tests
    assert len(read) == 1
    assert read[0].stop - read[0].start <= 2 * 12


@pytest.mark.parametrize("source", ["read", "run"])
def test_coordinates_are_right_to_a_hundredth_of_an_arcsecond(run, targets, source):
    target = targets[1]
    cube = survey.read(target.files[0]) if source == "read" else survey.open(run).cube("SIM-002")
    header = fits.getheader(target.files[0], "SCI")
    y, x = np.indices(cube.flux.shape[1:])
    ra, dec = WCS(header).celestial.wcs_pix2world(x, y, 0)
    stated = SkyCoord(cube.ra, cube.dec, unit="deg")
    assert stated.separation(SkyCoord(ra, dec, unit="deg")).max() < 0.01 * u.arcsec
    by_wcs = survey.wcs(cube).pixel_to_world(x, y)
    assert by_wcs.separation(SkyCoord(ra, dec, unit="deg")).max() < 0.01 * u.arcsec


def test_a_galaxy_that_is_not_there_is_an_error_with_its_neighbours(run):
    with pytest.raises(CatalogError, match=r"'SIM-01'.*Did you mean 'SIM-001'"):
        survey.open(run).cube("SIM-01")
    with pytest.raises(CatalogError, match="'SIM-01'"):
        survey.open(run).result("SIM-01")


def test_a_cube_that_was_not_kept_is_an_error_that_says_so(run, targets):
    catalog = survey.open(run)
    (store,) = run.glob("cubes/SIM-002-*.zarr")
    store.rename(store.with_suffix(".gone"))
    with pytest.raises(ConfigError, match=r"was not kept.*keep_stores"):
        catalog.cube("SIM-002")
    store.with_suffix(".gone").rename(store)


def test_a_result_of_a_run_is_that_of_its_catalog(run):
    catalog = survey.open(run)
    result = catalog.result("SIM-001")
    image, wcs = catalog.spaxel_map("SIM-001")
    np.testing.assert_array_equal(result.labels, image)
    assert result.wcs.to_header_string() == wcs.to_header_string()
    assert len(result.features()) == len(catalog.measurements("SIM-001"))
