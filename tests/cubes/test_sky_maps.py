"""Maps and positions of other instruments land on the spaxels that see the same sky."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from survey.cubes.files.cube_file import CubeFile
from survey.cubes.sky_maps import FLUX_CONSERVING, INTERPOLATE, NEAREST, SkyMap, read_sky_map
from survey.cubes.sky_positions import NOWHERE, read_positions
from survey.cubes.wcs import header_text, sky_position
from survey.errors import DataError

RA, DEC, SHAPE = 150.0, 30.0, (20, 24)


def header_of(shape, arcsec, *, angle=0.0, ra=RA, dec=DEC):
    turn = np.deg2rad(angle)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval = ra, dec
    wcs.wcs.crpix = (shape[1] + 1) / 2, (shape[0] + 1) / 2
    wcs.wcs.cdelt = -arcsec / 3600, arcsec / 3600
    wcs.wcs.pc = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    return wcs.to_header()


CUBE = header_text(header_of(SHAPE, 0.5))


def east_arcsec(header, shape):
    """A plane that rises to the east: a function of the sky alone."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    ra, _ = sky_position(header_text(header), x, y)
    return (ra - RA) * np.cos(np.deg2rad(DEC)) * 3600


EXPECTED = east_arcsec(header_of(SHAPE, 0.5), SHAPE)


@pytest.fixture
def write(tmp_path):
    def written(data, header=None, name="map.fits", **more):
        file = tmp_path / name
        extensions = [fits.ImageHDU(each, header, name=key) for key, each in more.items()]
        fits.HDUList([fits.PrimaryHDU(data, header), *extensions]).writeto(file)
        return CubeFile.of(file)

    return written


@pytest.mark.parametrize(
    ("shape", "arcsec", "angle"), [((80, 80), 0.3, 33.0), ((30, 30), 0.7, -70.0)]
)
def test_a_rotated_map_of_other_pixels_has_the_value_of_the_sky(write, shape, arcsec, angle):
    header = header_of(shape, arcsec, angle=angle)
    file = write(east_arcsec(header, shape), header)
    smooth = read_sky_map(file, CUBE, SHAPE).on_grid(CUBE, SHAPE, INTERPOLATE)
    nearest = read_sky_map(file, CUBE, SHAPE).on_grid(CUBE, SHAPE, NEAREST)
    assert np.isfinite(smooth).all()
    assert np.abs(smooth - EXPECTED).max() < 0.02
    assert np.abs(nearest - EXPECTED).max() <= arcsec * 0.71
    assert set(np.unique(nearest)) <= set(np.unique(east_arcsec(header, shape)))


def test_flux_per_pixel_keeps_its_sum(write):
    header = header_of((60, 60), 0.2, angle=20.0)
    counts = np.zeros((60, 60))
    counts[26:34, 25:36] = np.arange(88).reshape(8, 11)
    on_grid = read_sky_map(write(counts, header), CUBE, SHAPE).on_grid(CUBE, SHAPE, FLUX_CONSERVING)
    assert np.nansum(on_grid) == pytest.approx(counts.sum(), rel=1e-3)


def test_only_the_part_of_a_large_map_around_the_cube_is_read(write):
    shape = (900, 700)
    header = header_of(shape, 0.4, angle=10.0)
    whole = SkyMap(east_arcsec(header, shape), header_text(header), "")
    found = read_sky_map(write(whole.values, header), CUBE, SHAPE)
    assert found.values.size < 80 * 80
    for how in (NEAREST, INTERPOLATE, FLUX_CONSERVING):
        expected = whole.on_grid(CUBE, SHAPE, how)
        assert found.on_grid(CUBE, SHAPE, how) == pytest.approx(expected, abs=1e-6)


def test_pixels_without_a_value_are_left_out_and_spread_nowhere(write):
    header = header_of(SHAPE, 0.5)
    values = EXPECTED.copy()
    values[5, 7] = np.nan
    on_grid = read_sky_map(write(values, header), CUBE, SHAPE).on_grid(CUBE, SHAPE, INTERPOLATE)
    assert np.isnan(on_grid[5, 7])
    assert np.isfinite(on_grid).sum() == values.size - 1


def test_a_map_of_several_planes_asks_for_one(write):
    header = header_of(SHAPE, 0.5)
    file = write(np.stack([EXPECTED, EXPECTED + 100])[None], header)
    with pytest.raises(DataError, match=r"2 planes.*plane = 0 to 1"):
        read_sky_map(file, CUBE, SHAPE)
    with pytest.raises(DataError, match="no plane 2"):
        read_sky_map(file, CUBE, SHAPE, plane=2)
    second = read_sky_map(file, CUBE, SHAPE, plane=1).on_grid(CUBE, SHAPE, NEAREST)
    assert second == pytest.approx(EXPECTED + 100)


def test_an_extension_is_found_by_its_name_and_the_first_image_without(write):
    header = header_of(SHAPE, 0.5)
    file = write(None, header, FLUX=EXPECTED, OTHER=EXPECTED + 1)
    first = read_sky_map(file, CUBE, SHAPE).on_grid(CUBE, SHAPE, NEAREST)
    other = read_sky_map(file, CUBE, SHAPE, extension="OTHER").on_grid(CUBE, SHAPE, NEAREST)
    assert other == pytest.approx(first + 1)
    with pytest.raises(DataError, match="RADIO"):
        read_sky_map(file, CUBE, SHAPE, extension="RADIO")


@pytest.mark.parametrize("away", [(RA + 1, DEC), (RA + 180, -DEC), (RA, DEC - 0.01)])
def test_a_map_of_another_place_is_refused_with_both_places(write, away):
    shape = (40, 40)
    header = header_of(shape, 0.4, ra=away[0], dec=away[1])
    file = write(np.ones(shape), header)
    with pytest.raises(DataError, match="does not overlap") as caught:
        read_sky_map(file, CUBE, SHAPE).on_grid(CUBE, SHAPE, NEAREST)
    assert f"{RA:.3f}" in str(caught.value)
    assert f"{away[1]:+.3f}"[:5] in str(caught.value)


def test_a_map_without_coordinates_is_refused_by_name(write):
    file = write(EXPECTED)
    with pytest.raises(DataError, match=r"map\.fits.*no celestial coordinates"):
        read_sky_map(file, CUBE, SHAPE)


def positions(tmp_path, rows, names=("ra", "dec", "class"), name="table.ecsv"):
    file = tmp_path / name
    Table(rows=rows, names=names).write(file)
    return CubeFile.of(file)


def test_a_position_is_that_of_its_spaxel_and_of_others_within_the_radius(tmp_path):
    ra, dec = sky_position(CUBE, [4.2, 17.0], [9.1, 3.0])
    rows = [(float(ra[0]), float(dec[0]), "HII"), (float(ra[1]), float(dec[1]), "SNR")]
    found = read_positions(positions(tmp_path, rows), "class")
    own = found.at_spaxels(CUBE, SHAPE, 0.0)
    assert own[9, 4] == 0
    assert own[3, 17] == 1
    assert (own != NOWHERE).sum() == 2
    wide = found.at_spaxels(CUBE, SHAPE, 1.1)  # 2.2 spaxels
    assert {(y - 3, x - 17) for y, x in np.argwhere(wide == 1)} == {
        (y, x) for y in range(-3, 4) for x in range(-3, 4) if np.hypot(y, x) <= 2.2
    }


def test_positions_elsewhere_say_how_far_they_are(tmp_path):
    file = positions(tmp_path, [(RA, DEC + 0.1, "far")])
    with pytest.raises(DataError, match='the nearest of 1 at 360"'):
        read_positions(file, "class").at_spaxels(CUBE, SHAPE, 1.0)


def test_sexagesimal_positions_are_read_and_rows_without_a_class_are_not(tmp_path):
    rows = [("10:00:00.0", "+30:00:00", "one"), ("10:00:00.1", "+30:00:00", "")]
    found = read_positions(positions(tmp_path, rows), "class")
    assert found.ra == pytest.approx([150.0])
    assert found.values.tolist() == ["one"]


def test_a_table_without_the_column_says_which_it_has(tmp_path):
    file = positions(tmp_path, [(RA, DEC, 1.0)], names=("RAJ2000", "DEJ2000", "flux"))
    assert read_positions(file, "flux").values.tolist() == [1.0]
    with pytest.raises(DataError, match=r"no column 'value'.*RAJ2000, DEJ2000, flux"):
        read_positions(file, "value")
