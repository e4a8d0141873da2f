import json
from itertools import permutations

import numpy as np
import pytest
import xarray as xr

from catalogs.reference import packaged_reference
from survey.config import ReadSettings
from survey.cubes.dataset import build_cube
from survey.cubes.mask_impossible import mask_impossible
from survey.cubes.merge import merge_bands
from survey.cubes.registry import read_cube
from survey.cubes.wcs import sky_position
from survey.errors import DataError

REDSHIFT = 0.016317
# Of the catalogued lines only this one lies in an overlap of the sub-bands of NGC 7469.
LINE_IN_OVERLAP = "CoIII_24.07"


def distance_arcsec(cube):
    y, x = np.indices((cube.sizes["y"], cube.sizes["x"]))
    ra, dec = sky_position(cube.attrs["celestial_header"], x, y)
    offset = (ra - cube.attrs["ra_deg"]) * np.cos(np.radians(cube.attrs["dec_deg"]))
    return 3600 * np.hypot(offset, dec - cube.attrs["dec_deg"])


def aperture_spectrum(cube, radius_arcsec=2.5):
    inside = distance_arcsec(cube) < radius_arcsec
    flux = np.where(cube["bad"], np.nan, cube["flux"])[:, inside]
    return cube["wavelength"].values, np.nansum(flux, axis=1)


def line_flux(cube, centre_um, half_width_um=0.018, side_um=0.06):
    """Flux and standard error in an aperture, above a line through both sides."""
    wavelength, flux = aperture_spectrum(cube)
    distance = np.abs(wavelength - centre_um)
    line = distance < half_width_um
    side = ~line & (distance < side_um)
    fit = np.polynomial.Polynomial.fit(wavelength[side], flux[side], 1)
    step = np.median(np.diff(wavelength))
    scatter = np.std(flux[side] - fit(wavelength[side]), ddof=2)
    # The line's own samples and the continuum below it, which the sides determine.
    samples = np.count_nonzero(line)
    error = scatter * step * np.sqrt(samples + samples**2 / np.count_nonzero(side))
    return float((flux - fit(wavelength))[line].sum() * step), float(error)


def with_line(cube, centre_um, peak, sigma_um=0.0055):
    """The cube with a line added whose image is a compact source at the target."""
    profile = np.exp(-0.5 * ((cube["wavelength"].values - centre_um) / sigma_um) ** 2)
    image = np.exp(-0.5 * (distance_arcsec(cube) / 0.5) ** 2)
    added = peak * profile[:, np.newaxis, np.newaxis] * image
    return cube.assign(flux=cube["flux"] + added.astype(np.float32))


def scaled(cube, factor):
    return cube.assign(flux=cube["flux"] * np.float32(factor))


def factors_of(cube):
    return {entry["band"]: entry for entry in json.loads(cube.attrs["merge_factors"])}


@pytest.fixture
def make_band(sky_header):
    """A sub-band of an analytic galaxy: compact source, disc, sloping continuum, no lines."""

    def make(band, first_um, planes, *, gain=1.0, angle=25.0, shift=0.0, noise=0.0, **options):
        step_um, seed = options.get("step_um", 0.006), options.get("seed", 0)
        header = sky_header(angle_deg=angle, spaxel_arcsec=0.35)
        header["CRPIX1"] = header["CRPIX2"] = 12.0 + shift
        wavelength = first_um + step_um * np.arange(planes)
        shape = (planes, 24, 24)
        cube = build_cube(
            np.ones(shape, np.float32),
            np.full(shape, max(noise, 1e-3), np.float32),
            (),
            wavelength,
            header=header,
            flux_unit="MJy/sr",
            instrument=options.get("instrument", "MIRI/MRS"),
            band=band,
            ra_deg=150.0,
            dec_deg=-32.5,
            file=band,
        )
        radius = distance_arcsec(cube)
        image = 100 * np.exp(-0.5 * (radius / 0.6) ** 2) + 20 * np.exp(-radius / 2.0)
        continuum = 1 + 0.2 * (wavelength - 20.0)
        flux = gain * continuum[:, np.newaxis, np.newaxis] * image
        flux += np.random.default_rng(seed).normal(0, noise or 1e-6, shape)
        return cube.assign(flux=(cube["flux"].dims, flux.astype(np.float32)))

    return make


@pytest.fixture
def pair(make_band):
    """Two sub-bands that differ in pointing, rotation, sampling and calibration."""
    blue = make_band("ch4-short", 20.0, 120, noise=0.2, seed=1)
    red = make_band("ch4-medium", 20.563, 120, gain=0.93, angle=25.2, shift=0.3, noise=0.2, seed=2)
    return blue, red


def test_a_line_in_the_overlap_has_one_flux_before_and_after(pair):
    centre_um, peak, sigma_um = 20.64, 30.0, 0.0055
    truth = peak * np.sqrt(2 * np.pi) * sigma_um * 2 * np.pi * 0.5**2 / 0.35**2
    blue = with_line(pair[0], centre_um, peak)
    red = with_line(pair[1], centre_um, 0.93 * peak)
    merged = merge_bands([blue, red])
    factor = factors_of(merged)["ch4-medium"]["factor"]
    measured = [line_flux(cube, centre_um) for cube in (blue, scaled(red, factor), merged)]
    for flux, error in measured:
        assert flux == pytest.approx(truth, abs=3 * error + 0.01 * truth)
        assert error < 0.02 * truth
    (blue_flux, blue_error), (red_flux, red_error), _ = measured
    assert abs(blue_flux - red_flux) < 3 * np.hypot(blue_error, red_error)


def test_the_calibration_factor_is_found_and_recorded(pair):
    factor = factors_of(merge_bands(pair))["ch4-medium"]
    assert factor["factor"] == pytest.approx(1 / 0.93, rel=0.003)
    assert abs(factor["factor"] - 1 / 0.93) < 4 * factor["error"] + 0.002
    assert 20.56 < factor["overlap_um"][0] < factor["overlap_um"][1] < 20.72


def test_the_merged_cube_is_one_uniform_grid_of_both(pair):
    merged = merge_bands(pair)
    wavelength = merged["wavelength"].values
    np.testing.assert_allclose(np.diff(wavelength), 0.006, rtol=1e-9)
    np.testing.assert_allclose(wavelength[:93], pair[0]["wavelength"].values[:93])
    assert pair[1]["wavelength"].values[-1] - 0.006 < wavelength[-1] <= 20.563 + 0.006 * 119
    assert merged.attrs["celestial_header"] == pair[0].attrs["celestial_header"]
    np.testing.assert_allclose(merged["flux"].values[:93], pair[0]["flux"].values[:93], rtol=1e-5)
    assert merged.attrs["band"] == "ch4-short+medium"


def test_continuum_and_errors_pass_smoothly_through_the_seam(pair):
    merged = merge_bands(pair)
    wavelength, flux = aperture_spectrum(merged)
    residual = flux / np.polynomial.Polynomial.fit(wavelength, flux, 1)(wavelength) - 1
    assert np.abs(residual).max() < 0.01
    noise = merged["flux"].values[:, 20:, :4] - np.median(merged["flux"].values[:, 20:, :4], 0)
    pulls = noise / merged["error"].values[:, 20:, :4]
    overlap = slice(96, 118)
    # The variances take neighbouring spaxels for correlated: too large rather than too small.
    assert 0.5 < np.nanstd(pulls[overlap]) < 1.1
    assert np.nanmedian(merged["error"][overlap]) < np.nanmedian(merged["error"][:90])


def test_the_order_of_the_bands_does_not_matter(make_band):
    bands = [
        make_band("ch4-short", 20.0, 60),
        make_band("ch4-medium", 20.303, 60, gain=1.1),
        make_band("ch4-long", 20.611, 60, gain=0.8),
    ]
    first, *others = (merge_bands(order) for order in permutations(bands))
    assert first.attrs["band"] == "ch4"
    assert factors_of(first)["ch4-long"]["factor"] == pytest.approx(1 / 0.8, rel=1e-3)
    for other in others:
        xr.testing.assert_identical(first, other)


def test_unequal_steps_take_the_finest_and_unequal_spaxels_the_largest(make_band, sky_header):
    blue = make_band("ch3-long", 20.0, 100, step_um=0.003)
    red = make_band("ch4-short", 20.25, 80, step_um=0.006)
    merged = merge_bands([blue, red])
    np.testing.assert_allclose(np.diff(merged["wavelength"]), 0.003, rtol=1e-9)
    assert merged.attrs["band"] == "ch3-long+ch4-short"


def test_an_unusable_voxel_of_one_band_is_filled_by_the_other(pair):
    blue, red = pair
    blue["bad"][100, 10, 10] = True
    merged = merge_bands([blue, red])
    assert not merged["bad"].values[100, 10, 10]
    assert merged["flux"].values[100, 10, 10] == pytest.approx(
        float(blue["flux"][99, 10, 10]), rel=0.1
    )


def test_a_ratio_that_cannot_be_measured_is_not_applied(make_band):
    blue = make_band("ch4-short", 20.0, 60, noise=1.0, seed=1)
    red = make_band("ch4-medium", 20.303, 60, noise=1.0, seed=2)
    negative = [scaled(cube, -1.0) for cube in (blue, red)]
    factor = factors_of(merge_bands(negative))["ch4-medium"]
    assert (factor["factor"], factor["measured"]) == (1.0, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"first_um": 21.0}, "must overlap"),
        ({"first_um": 20.1, "planes": 20}, "must overlap"),
        ({"instrument": "NIRSpec/IFU"}, "differ in instrument"),
    ],
)
def test_bands_that_do_not_belong_together_are_a_data_error(make_band, changes, message):
    options = {"first_um": 20.303, "planes": 60} | changes
    with pytest.raises(DataError, match=message):
        merge_bands([make_band("ch4-short", 20.0, 60), make_band("ch4-medium", **options)])


def test_one_band_is_nothing_to_merge(make_band):
    with pytest.raises(DataError, match="two cubes or more"):
        merge_bands([make_band("ch4-short", 20.0, 60)])


@pytest.mark.real_data
def test_the_arms_of_sami_leave_a_gap(shared_data):
    arms = [
        read_cube(shared_data / f"sami/209807_A_sectors_{arm}.fits.gz", ReadSettings())
        for arm in ("blue", "red")
    ]
    merged = merge_bands(arms, arms=["SAMI"])
    assert merged.attrs["band"] == "blue+red"
    wavelength, last = merged["wavelength"].values, arms[0]["wavelength"].values[-1]
    between = (wavelength > last) & (wavelength < arms[1]["wavelength"].values[0])
    assert merged["bad"].values[between].all()
    assert np.diff(wavelength).max() < 1.6 * np.diff(arms[0]["wavelength"].values).max()
    (factor,) = json.loads(merged.attrs["merge_factors"])
    assert (factor["factor"], factor["measured"], factor["overlap_um"]) == (1.0, None, None)
    for arm in arms:
        own = merged.sel(wavelength=arm["wavelength"])
        np.testing.assert_array_equal(own["flux"], arm["flux"].where(~arm["bad"]))
        np.testing.assert_array_equal(own["bad"], arm["bad"])


@pytest.fixture(scope="module")
def ngc7469_ch4(ngc7469):
    return merge_bands(list(ngc7469.values()))


@pytest.mark.real_data
def test_three_sub_bands_become_channel_four(ngc7469, ngc7469_ch4):
    wavelength = ngc7469_ch4["wavelength"].values
    assert ngc7469_ch4.attrs["band"] == "ch4"
    assert ngc7469_ch4["flux"].shape == (1833, 27, 25)
    np.testing.assert_allclose(np.diff(wavelength), 0.006, rtol=1e-6)
    assert wavelength[0] == ngc7469["short"]["wavelength"].values[0]
    assert 24.403 + 0.006 * 716 - 0.006 < wavelength[-1] <= 24.403 + 0.006 * 716
    # The continua of the sub-bands agree to 2%, and the factors to a fraction of that.
    for factor in factors_of(ngc7469_ch4).values():
        assert 0.97 < factor["factor"] < 1.03
        assert factor["error"] < 0.01


@pytest.mark.real_data
def test_lines_of_the_sub_bands_keep_their_flux_in_the_merged_cube(ngc7469, ngc7469_ch4):
    factors = factors_of(ngc7469_ch4)
    lines = {
        line.name: line.wavelength_um * (1 + REDSHIFT)
        for line in packaged_reference().lines_of("mir")
    }
    for name, band in (("SIII_18.71", "short"), ("NeV_24.32", "long"), ("OIV_25.89", "long")):
        factor = factors[f"ch4-{band}"]["factor"] if band != "short" else 1.0
        alone = line_flux(scaled(ngc7469[band], factor), lines[name], 0.03, 0.1)
        together = line_flux(ngc7469_ch4, lines[name], 0.03, 0.1)
        assert alone[0] > 10 * alone[1]
        assert abs(together[0] - alone[0]) < np.hypot(alone[1], together[1])
        # Planes at other wavelengths cut the wings of the line elsewhere.
        assert together[0] == pytest.approx(alone[0], rel=0.05)


@pytest.mark.real_data
def test_the_only_catalogued_line_in_an_overlap_agrees_between_its_sub_bands(ngc7469, ngc7469_ch4):
    centre_um = {line.name: line.wavelength_um for line in packaged_reference().lines_of("mir")}[
        LINE_IN_OVERLAP
    ]
    centre_um *= 1 + REDSHIFT
    lowest, highest = factors_of(ngc7469_ch4)["ch4-long"]["overlap_um"]
    assert lowest < centre_um < highest
    factors = {
        band: factors_of(ngc7469_ch4)[f"ch4-{band}"]["factor"] for band in ("medium", "long")
    }
    (medium, medium_error), (long, long_error) = (
        line_flux(scaled(ngc7469[band], factor), centre_um, 0.012)
        for band, factor in factors.items()
    )
    assert abs(medium - long) < 3 * np.hypot(medium_error, long_error)


@pytest.mark.real_data
def test_a_line_injected_into_the_observed_overlap_agrees_between_its_sub_bands(ngc7469):
    centre_um, peak = 20.82, 20_000.0
    truth = peak * np.sqrt(2 * np.pi) * 0.0055 * 2 * np.pi * 0.5**2 / 0.35**2
    blue, red = (with_line(ngc7469[band], centre_um, peak) for band in ("short", "medium"))
    merged = merge_bands([red, blue])
    red = scaled(red, factors_of(merged)["ch4-medium"]["factor"])
    measured = [line_flux(cube, centre_um) for cube in (blue, red, merged)]
    for flux, error in measured:
        assert flux == pytest.approx(truth, abs=3 * error)
        assert error < 0.05 * truth


@pytest.mark.real_data
def test_residual_background_does_not_decide_the_ratio_of_a_faint_star(shared_data):
    # Summed over the whole field the sub-bands of this star differ by 8%.
    bands = [
        read_cube(shared_data / f"mrs/16CygB_Level3_ch4-{band}_s3d.fits.gz", ReadSettings())
        for band in ("short", "medium")
    ]
    factor = factors_of(merge_bands(bands))["ch4-medium"]
    assert factor["factor"] == pytest.approx(1.0, abs=0.02)
    assert factor["n_spaxel"] < 100


@pytest.mark.real_data
def test_a_hot_voxel_of_a_sub_band_is_masked_before_it_is_spread(shared_data):
    names = ("ch4-short", "ch4-medium")
    cubes = [
        read_cube(shared_data / "mrs" / f"NGC7469_Level3_{name}_s3d.fits.gz", ReadSettings())
        for name in names
    ]
    clean = merge_bands([mask_impossible(cube) for cube in cubes])
    hot = [cube.copy(deep=True) for cube in cubes]
    for cube, plane in zip(hot, (200, 300), strict=True):
        cube["flux"].values[plane, 12, 12] = 1e6
    masked = merge_bands([mask_impossible(cube) for cube in hot])
    assert masked.attrs["n_impossible"] == clean.attrs["n_impossible"] + 2
    spread = merge_bands(hot)
    good = ~masked["bad"].values
    assert (~spread["bad"].values & (spread["flux"].values > 1e4)).sum() > 10
    assert masked["flux"].values[good].max() == clean["flux"].values[good].max()
