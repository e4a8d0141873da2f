import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import pdist, squareform

from survey.clustering.covariance import SEPARATIONS, SharedNoise
from survey.clustering.criteria import partition
from survey.clustering.geometry import cluster_geometry
from survey.clustering.profiles import (
    cluster_medoids,
    cluster_profiles,
    shifts_to_medoids,
    stacked_snr,
)
from survey.clustering.reconstruct import reconstruct
from survey.config import PrepareSettings, ProfileSettings
from survey.distances.distances import shifted_distances
from survey.linkage.fastcluster import linkage_tree
from survey.spectra.centre import photometric_centre
from survey.spectra.grid import cell_widths
from survey.spectra.noise import high_pass, spectral_noise
from survey.spectra.prepare import prepare

SAMPLES = 300
WAVELENGTH = np.linspace(0.0, 1.0, SAMPLES)


def image_grid(side):
    y, x = np.mgrid[:side, :side]
    return y.ravel(), x.ravel()


def smoothed_noise(rng, side, smoothing):
    """Unit noise of the spaxels of an image, shared between neighbours."""
    noise = gaussian_filter(rng.normal(size=(side, side, SAMPLES)), (smoothing, smoothing, 0))
    return noise.reshape(side * side, SAMPLES) / noise.std()


def halves(side=20, brightness_spread=0.5, snr=20.0, smoothing=0.0, seed=0):
    """Two clusters side by side, each of one shape and of spaxels of very different brightness."""
    rng = np.random.default_rng(seed)
    y, x = image_grid(side)
    labels = 1 + (x >= side // 2).astype(np.int32)
    shapes = np.stack([1.0 + WAVELENGTH, 2.0 - WAVELENGTH])
    brightness = 100 * np.exp(brightness_spread * np.random.default_rng(99).normal(size=len(y)))
    flux = brightness[:, None] * shapes[labels - 1]
    flux += 100 / snr * smoothed_noise(rng, side, smoothing)
    return flux, labels, y, x


def profiles_of(flux, labels, y, x, shifts=None):
    return cluster_profiles(
        flux,
        labels,
        np.zeros(len(flux), dtype=int) if shifts is None else shifts,
        scale=flux.mean(axis=1),
        noise=spectral_noise(flux),
        y=y,
        x=x,
    )


@given(st.integers(2, 25), st.integers(1, 5), st.integers(0, 2**31))
@settings(max_examples=60)
def test_medoid_is_the_member_nearest_to_all_others(n, k, seed):
    rng = np.random.default_rng(seed)
    condensed = pdist(rng.normal(size=(n, 3)), "sqeuclidean")
    labels = rng.permutation(np.arange(n) % min(k, n)) + 1
    square = np.sqrt(squareform(condensed))
    for label, medoid in enumerate(cluster_medoids(condensed, labels), start=1):
        members = np.flatnonzero(labels == label)
        sums = square[np.ix_(members, members)].sum(axis=1)
        assert labels[medoid] == label
        assert square[medoid, members].sum() == pytest.approx(sums.min())


def test_averages_are_those_of_numpy():
    flux, labels, y, x = halves()
    profiles = profiles_of(flux, labels, y, x)
    noise = spectral_noise(flux)
    for c, label in enumerate((1, 2)):
        rows = labels == label
        scale = flux[rows].mean(axis=1)
        scaled = flux[rows] * (np.median(scale) / scale)[:, None]
        weights = noise[rows] ** -2
        assert profiles.median[c] == pytest.approx(np.median(scaled, axis=0))
        assert profiles.std[c] == pytest.approx(scaled.std(axis=0, ddof=1))
        assert profiles.mean[c] == pytest.approx(flux[rows].mean(axis=0))
        assert profiles.sum[c] == pytest.approx(flux[rows].sum(axis=0))
        expected = np.average(flux[rows], axis=0, weights=weights)
        assert profiles.weighted_mean[c] == pytest.approx(expected)
        assert profiles.n_spaxel[c] == rows.sum()


def test_blocks_of_wavelengths_join_without_a_seam(monkeypatch):
    flux, labels, y, x = halves(side=12)
    shifts = np.random.default_rng(4).integers(-6, 7, len(flux))
    whole = profiles_of(flux, labels, y, x, shifts)
    monkeypatch.setattr("survey.clustering.profiles._BLOCK_SAMPLES", 37 * len(flux))
    blockwise = profiles_of(flux, labels, y, x, shifts)
    for name in ("median", "mean", "weighted_mean", "std"):
        assert getattr(blockwise, name) == pytest.approx(getattr(whole, name), rel=1e-12)
    assert blockwise.error == pytest.approx(whole.error, rel=0.1)


def test_median_of_shapes_is_less_noisy_than_the_median_of_fluxes():
    flux, labels, y, x = halves(brightness_spread=0.7, snr=30)
    shape = profiles_of(flux, labels, y, x).median[0]
    plain = np.median(flux[labels == 1], axis=0)
    residuals = [spectral_noise(spectrum[None])[0] for spectrum in (shape, plain)]
    assert residuals[1] > 2.5 * residuals[0]
    assert shape == pytest.approx(plain, rel=0.1)


@pytest.mark.parametrize(("smoothing", "worth"), [(0.0, 0.9), (0.5, 0.45), (0.8, 0.25)])
@pytest.mark.parametrize("brightness_spread", [0.0, 0.5])
def test_error_of_the_median_is_its_scatter_over_noise_draws(smoothing, worth, brightness_spread):
    draws = [
        profiles_of(*halves(20, brightness_spread, smoothing=smoothing, seed=seed))
        for seed in range(40)
    ]
    # The level of the median brightness is common to all samples: not what the error is about.
    shapes = [draw.median / draw.median.mean(axis=1, keepdims=True) for draw in draws]
    errors = [draw.error / draw.median.mean(axis=1, keepdims=True) for draw in draws]
    ratio = np.mean(errors, axis=0).mean(axis=1) / np.std(shapes, axis=0).mean(axis=1)
    assert ratio == pytest.approx(1.0, abs=0.12)
    assert draws[0].n_effective.max() <= draws[0].n_spaxel.max()
    assert (draws[0].n_effective / draws[0].n_spaxel < worth + 0.11).all()


def test_error_that_forgot_the_correlation_would_be_half_as_large():
    profiles = profiles_of(*halves(smoothing=0.8))
    ignorant = np.sqrt(np.pi / 2 / profiles.n_spaxel) * 5.0
    assert (profiles.error.mean(axis=1) > 1.6 * ignorant * 0.9).all()


def test_error_follows_the_noise_along_the_wavelengths_but_not_the_lines():
    flux, labels, y, x = halves(snr=1e6)
    rng = np.random.default_rng(5)
    flux += rng.normal(size=flux.shape) * (1.0 + 4.0 * WAVELENGTH)
    line = np.exp(-0.5 * ((np.arange(SAMPLES) - 150) / 2.0) ** 2)
    flux += rng.uniform(0, 100, (len(flux), 1)) * line
    error = profiles_of(flux, labels, y, x).error[0]
    assert error[-40:].mean() / error[:40].mean() == pytest.approx(4.6 / 1.3, rel=0.25)
    assert error[150] / error[120] == pytest.approx(1.0, abs=0.3)


def test_shared_noise_recovers_the_correlation_of_neighbours():
    y, x = image_grid(24)
    noise = smoothed_noise(np.random.default_rng(6), 24, 0.7)
    shared = SharedNoise(y, x, SAMPLES)
    shared.add(noise, slice(0, SAMPLES))
    found = dict(zip(SEPARATIONS, shared.correlation, strict=True))
    for (dy, dx), value in found.items():
        expected = np.exp(-(dy**2 + dx**2) / (4 * 0.7**2))
        assert value == pytest.approx(expected, abs=0.06)


def test_independent_spaxels_are_worth_their_number():
    y, x = image_grid(15)
    labels = 1 + (y > 5).astype(int)
    shared = SharedNoise(y, x, SAMPLES)
    shared.add(np.random.default_rng(7).normal(size=(225, SAMPLES)), slice(0, SAMPLES))
    assert 1 / shared.variance_of_mean(labels) == pytest.approx([90, 135], rel=0.05)


def test_a_single_spaxel_has_its_own_noise_and_no_standard_deviation():
    flux, labels, y, x = halves()
    labels[0] = 3
    profiles = profiles_of(flux, labels, y, x)
    assert np.isnan(profiles.std[2]).all()
    assert profiles.median[2] == pytest.approx(flux[0])
    assert profiles.error[2].mean() == pytest.approx(5.0, rel=0.25)
    assert profiles.n_effective[2] == 1.0
    assert not profiles.low_snr(BY_SCATTER).any()


BY_SCATTER = ProfileSettings(low_snr_rule="scatter")


def test_by_the_rule_of_the_paper_clusters_below_three_times_the_median_scatter_are_of_low_snr():
    flux, labels, y, x = halves(brightness_spread=0.0)
    labels[:40] = 3
    flux[:40] -= 0.95 * flux[:40].mean(axis=1, keepdims=True)
    profiles = profiles_of(flux, labels, y, x)
    assert profiles.low_snr(BY_SCATTER).tolist() == [False, False, True]
    limit = 3 * np.median(profiles.std)
    assert (profiles.continuum < limit).tolist() == [False, False, True]


def test_a_well_measured_cluster_is_not_of_low_snr_because_others_are_brighter():
    rng = np.random.default_rng(8)
    y, x = image_grid(12)
    labels = np.where(y < 4, 1, np.where(y < 8, 2, 3))
    level = np.where(labels == 3, 100.0, 1e4)
    noise = np.where(labels == 3, 4.0, 100.0)
    # The bright spaxels differ in shape, which is scatter and no noise.
    tilt = np.where(labels == 3, 0.0, rng.normal(0.0, 0.8, len(y)))
    shape = 1 + tilt[:, None] * np.linspace(-0.5, 0.5, SAMPLES)
    flux = level[:, None] * shape + noise[:, None] * rng.normal(size=(len(y), SAMPLES))
    profiles = profiles_of(flux, labels, y, x)
    assert profiles.continuum_snr[2] > 50
    assert profiles.low_snr(BY_SCATTER).tolist() == [False, False, True]
    assert not profiles.low_snr(ProfileSettings()).any()


def test_a_noisy_cluster_is_of_low_snr_whatever_the_others_are():
    flux, labels, y, x = halves(brightness_spread=0.0)
    rng = np.random.default_rng(9)
    labels[:9] = 3
    flux[:9] = 20.0 + 20.0 * rng.normal(size=(9, flux.shape[1]))
    low = profiles_of(flux, labels, y, x).low_snr(ProfileSettings())
    assert low.tolist() == [False, False, True]
    alone = profiles_of(flux[:9], np.ones(9, int), y[:9], x[:9]).low_snr(ProfileSettings())
    assert alone.tolist() == [True]


def test_continuum_snr_grows_as_the_root_of_the_number_of_spaxels():
    y, x = image_grid(20)
    flux = 50.0 + 5.0 * np.random.default_rng(9).normal(size=(400, SAMPLES))
    labels = np.where(np.arange(400) < 16, 2, 1)
    profiles = profiles_of(flux, labels, y, x)
    snr = profiles.continuum_snr
    assert snr[0] / snr[1] == pytest.approx(np.sqrt(384 / 16), rel=0.3)
    # A median is less precise than a mean by the root of pi/2.
    assert stacked_snr(flux, labels) == pytest.approx(snr * np.sqrt(np.pi / 2), rel=0.25)


def test_lines_of_a_rotating_cluster_are_as_narrow_as_those_of_a_spaxel():
    y, x = image_grid(12)
    samples = np.arange(SAMPLES)
    shifts = np.round((x - 5.5) / 5.5 * 5).astype(int)
    line = np.exp(-0.5 * ((samples - 150 + shifts[:, None]) / 2.0) ** 2)
    flux = 10.0 + 100.0 * line + 0.1 * np.random.default_rng(8).normal(size=line.shape)
    labels = np.ones(len(flux), dtype=np.int32)
    medoid = np.flatnonzero(shifts == 0)[:1] if (shifts == 0).any() else np.array([5])
    found = shifts_to_medoids(flux, labels, medoid, max_shift=6)
    assert np.abs(found - found[medoid[0]]).max() >= 4
    aligned = profiles_of(flux, labels, y, x, found).median[0]
    blurred = profiles_of(flux, labels, y, x).mean[0]
    assert aligned.max() == pytest.approx(110, rel=0.02)
    assert blurred.max() < 70


def test_lines_between_samples_lose_no_light_in_the_median():
    y, x = image_grid(16)
    samples = np.arange(SAMPLES)
    shifts = np.random.default_rng(3).uniform(-0.5, 0.5, len(y))
    line = np.exp(-0.5 * ((samples - 150 + shifts[:, None]) / 1.3) ** 2)
    flux = 10.0 + 100.0 * line + 0.05 * np.random.default_rng(4).normal(size=line.shape)
    labels, medoid = np.ones(len(flux), dtype=np.int32), np.array([np.argmin(np.abs(shifts))])
    true = 100.0 * line[medoid[0]].sum()
    lost = {}
    for subsample in (False, True):
        found = shifts_to_medoids(flux, labels, medoid, max_shift=6, subsample=subsample)
        median = profiles_of(flux, labels, y, x, found).median[0]
        lost[subsample] = 1 - (median - 10.0)[130:170].sum() / true
    assert lost[False] > 0.003
    assert abs(lost[True]) < 0.001


def with_holes(flux, rng, fraction=0.2):
    """Spectra with samples bridged by a value that is not their own, and which these are."""
    bridged = rng.random(flux.shape) < fraction
    return np.where(bridged, 0.3 * flux, flux), bridged


def sums_of(flux, labels, y, x, bridged):
    return cluster_profiles(
        flux,
        labels,
        np.zeros(len(flux), dtype=int),
        scale=flux.mean(axis=1),
        noise=spectral_noise(flux),
        y=y,
        x=x,
        bridged=sparse.csr_array(bridged),
    )


def test_masked_samples_of_the_sum_are_completed_by_the_light_of_the_other_spaxels():
    flux, labels, y, x = halves(snr=1000.0)
    bridged_flux, bridged = with_holes(flux, np.random.default_rng(5))
    whole = profiles_of(flux, labels, y, x)
    profiles = cluster_profiles(
        bridged_flux,
        labels,
        np.zeros(len(flux), dtype=int),
        scale=flux.mean(axis=1),
        noise=spectral_noise(flux),
        y=y,
        x=x,
        bridged=sparse.csr_array(bridged),
    )
    np.testing.assert_allclose(profiles.sum, whole.sum, rtol=2e-3)
    assert (profiles.sum_error > whole.sum_error).all()


def test_a_sample_of_which_most_light_is_masked_has_no_sum():
    flux, labels, y, x = halves(side=8)
    bridged = np.zeros(flux.shape, dtype=bool)
    bridged[labels == 1, 7] = True
    bridged[np.flatnonzero(labels == 1)[0], 7] = False
    profiles = sums_of(flux, labels, y, x, bridged)
    assert np.isnan(profiles.sum[0, 7])
    assert np.isnan(profiles.sum_error[0, 7])
    assert np.isfinite(np.delete(profiles.sum, 7, axis=1)).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.8])
def test_errors_of_the_sum_are_its_scatter_also_if_neighbours_share_noise(smoothing):
    truth = halves(snr=1e6, smoothing=smoothing)[0]
    pulls = []
    for seed in range(12):
        flux, labels, y, x = halves(smoothing=smoothing, seed=seed)
        profiles = profiles_of(flux, labels, y, x)
        true = np.array([truth[labels == label].sum(axis=0) for label in (1, 2)])
        pulls.append((profiles.sum - true) / profiles.sum_error)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.15)


def test_profiles_reach_the_ends_of_the_grid_though_spaxels_are_shifted():
    flux, labels, y, x = halves(side=8)
    shifts = np.where(np.arange(64) % 3 == 0, 0, 6)
    profiles = profiles_of(flux, labels, y, x, shifts)
    for name in ("median", "mean", "weighted_mean", "std", "error"):
        assert np.isfinite(getattr(profiles, name)).all()


@pytest.fixture(scope="module", params=["ch4-short", "ch4-medium", "ch4-long"])
def ngc_7469(request, shared_data):
    """Prepared spectra, labels, shifts and profiles of six clusters, and the field."""
    path = shared_data / "mrs" / f"NGC7469_Level3_{request.param}_s3d.fits.gz"
    with fits.open(path) as file:
        header = file["SCI"].header
        flux, error, quality = (file[key].data for key in ("SCI", "ERR", "DQ"))
        planes = [cube.reshape(len(cube), -1).T for cube in (flux, error, quality)]
    bad = ~np.isfinite(planes[0]) | (planes[2] & 1 > 0)
    wavelength_um = header["CRVAL3"] + header["CDELT3"] * np.arange(header["NAXIS3"])
    cube = prepare(
        planes[0].astype(np.float32),
        planes[1],
        bad,
        wavelength_um,
        redshift=0.016317,
        settings=PrepareSettings(),
        shift_samples=6,
    )
    condensed = shifted_distances(cube.spectra, cube.max_shift).condensed
    labels = partition(linkage_tree(condensed, "ward"), 6) + 1
    shifts = shifts_to_medoids(
        cube.spectra, labels, cluster_medoids(condensed, labels), cube.max_shift
    )
    field = ~bad.all(axis=1).reshape(flux.shape[1:])
    y, x = np.unravel_index(cube.spaxels, field.shape)
    profiles = cluster_profiles(
        cube.flux, labels, shifts, scale=cube.scale, noise=cube.noise, y=y, x=x
    )
    return cube, labels, shifts, profiles, field


@pytest.mark.real_data
def test_neighbours_in_ngc_7469_share_a_third_to_two_thirds_of_their_noise(ngc_7469):
    cube, labels, _, profiles, field = ngc_7469
    level = np.array([np.median(cube.scale[labels == label]) for label in range(1, 7)])
    model = (cube.scale / level[labels - 1])[:, None] * profiles.median[labels - 1]
    residuals = high_pass((cube.flux - model) / cube.noise[:, None])
    shared = SharedNoise(*np.unravel_index(cube.spaxels, field.shape), residuals.shape[1])
    shared.add(residuals, slice(0, residuals.shape[1]))
    found = dict(zip(SEPARATIONS, shared.correlation, strict=True))
    assert 0.3 < found[0, 1] < 0.7
    assert 0.3 < found[1, 0] < 0.7
    assert abs(found[3, 3]) < 0.1
    large = profiles.n_spaxel > 50
    assert (profiles.n_effective[large] < 0.75 * profiles.n_spaxel[large]).all()


@pytest.mark.real_data
def test_profiles_of_ngc_7469_are_finite_and_less_noisy_than_their_spaxels(ngc_7469):
    cube, labels, _, profiles, _ = ngc_7469
    for name in ("median", "mean", "weighted_mean", "error"):
        assert np.isfinite(getattr(profiles, name)).all()
    for c, label in enumerate(range(1, 7)):
        rows = labels == label
        if rows.sum() > 50:
            assert profiles.continuum_snr[c] > 1.5 * np.median(cube.snr[rows])
            assert np.median(profiles.error[c]) < np.median(cube.noise[rows])


@pytest.mark.real_data
def test_the_nuclear_cluster_of_ngc_7469_holds_its_brightest_spaxel(ngc_7469):
    cube, labels, _, _, field = ngc_7469
    brightness = np.median(cube.flux, axis=1)
    y, x = np.unravel_index(cube.spaxels, field.shape)
    centre = photometric_centre(brightness, y, x)
    geometry = cluster_geometry(
        labels,
        y,
        x,
        brightness,
        centre=centre,
        field=field,
        spaxel_area_arcsec2=0.35**2,
        nuclear_radius_arcsec=0.5,
    )
    peak = np.argmax(brightness)
    assert np.hypot(y[peak] - centre[0], x[peak] - centre[1]) < 1.5
    assert np.flatnonzero(geometry.nuclear).tolist() == [labels[peak] - 1]
    assert geometry.n_spaxel.sum() == len(labels)


@pytest.mark.real_data
def test_six_shapes_describe_ngc_7469_to_a_fraction_of_its_light(ngc_7469):
    cube, labels, shifts, profiles, _ = ngc_7469
    model, residual = reconstruct(cube.flux, labels, profiles.median, shifts, cube.wavelength_um)
    widths = cell_widths(cube.wavelength_um)
    assert (np.abs(residual @ widths) < 1e-5 * (np.abs(cube.flux) @ widths)).all()
    assert np.abs(residual).sum() < 0.12 * np.abs(model).sum()
