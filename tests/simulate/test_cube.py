import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from survey.simulate.cube import simulate_galaxy
from survey.simulate.galaxy import Region
from survey.simulate.observation import Observation
from survey.simulate.write import truth_path


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(model, tmp_path):
    observation = Observation(shape=(8, 8), window=(12.8, 13.0), fringe_amplitude=0.01)

    def simulate(folder, seed):
        path = tmp_path / folder / "X_s3d.fits"
        simulate_galaxy(model, path, seed, observation=observation)
        return path.read_bytes(), truth_path(path).read_bytes()

    assert simulate("a", 3) == simulate("b", 3)
    assert simulate("c", 4)[0] != simulate("a", 3)[0]


def test_only_finished_files_are_left(files):
    names = sorted(path.name for path in files.path.parent.iterdir())
    assert names == ["TEST_ch3_s3d.fits", "TEST_ch3_truth.fits"]


def test_the_nucleus_is_at_the_position_of_the_target(files):
    primary = files.cube["PRIMARY"].header
    wcs = WCS(files.cube["SCI"].header)
    assert not np.allclose(wcs.celestial.wcs.pc[0, 1], 0)
    x, y = wcs.celestial.world_to_pixel_values(primary["TARG_RA"], primary["TARG_DEC"])
    image = np.nanmedian(files.noiseless, axis=0)
    assert np.unravel_index(image.argmax(), image.shape) == (round(float(y)), round(float(x)))


def test_wavelengths_of_the_header_are_those_of_the_planes(files, observation):
    spectral = WCS(files.cube["SCI"].header).spectral
    n_planes = files.flux.shape[0]
    read_um = spectral.pixel_to_world_values(np.arange(n_planes)) * 1e6
    np.testing.assert_allclose(read_um, observation.wavelength_um, rtol=1e-9)


def test_written_errors_understate_the_noise_by_the_stated_factor(files, observation):
    residual = files.flux - files.noiseless
    pulls = residual / files.cube["ERR"].data
    assert np.nanstd(pulls) == pytest.approx(files.truth[0].header["ERRFACT"], rel=0.05)
    assert files.truth[0].header["ERRFACT"] == observation.noise_over_error == 3.0


def test_the_median_snr_of_the_field_is_the_one_asked_for(files, observation):
    snr = files.truth["SNR"].data
    assert np.median(snr[snr > 0]) == pytest.approx(observation.snr, rel=0.05)
    clear = slice(-40, None)  # the nearest to the pivot, free of lines
    noise = (files.flux - files.noiseless)[clear, snr > 0]
    measured = files.noiseless[clear, snr > 0].mean(axis=0) / np.sqrt((noise**2).mean(axis=0))
    assert np.median(measured) == pytest.approx(observation.snr, rel=0.1)


def test_corners_seams_and_a_few_spaxels_hold_no_data(files, observation):
    missing = np.isnan(files.flux)
    seam = observation.seam_planes()
    assert seam.sum() == 4
    assert missing[seam].all()
    per_spaxel = missing[~seam].mean(axis=0)
    assert set(np.unique(per_spaxel)) == {0.0, 1.0}
    lost = (per_spaxel == 1) & (observation.field_depth() > 0)
    assert lost.sum() == observation.nan_spaxels
    assert per_spaxel[0, 0] == 1


def test_flags_and_weights_mark_what_is_missing(files):
    missing = np.isnan(files.flux)
    quality = files.cube["DQ"].data
    assert quality.dtype == np.uint32
    np.testing.assert_array_equal(quality, np.where(missing, 513, 0))
    np.testing.assert_array_equal(files.cube["WMAP"].data == 0, missing)
    np.testing.assert_array_equal(np.isnan(files.cube["ERR"].data), missing)


def test_fringes_modulate_the_flux(model, tmp_path):
    smooth, fringed = (
        simulate_galaxy(
            model,
            tmp_path / f"{amplitude}_s3d.fits",
            5,
            observation=Observation(
                shape=(6, 6), window=(13.6, 14.0), snr=1e6, fringe_amplitude=amplitude
            ),
        )
        for amplitude in (0.0, 0.01)
    )
    ratio = fits.getdata(fringed, "SCI") / fits.getdata(smooth, "SCI")
    assert np.nanmax(np.abs(ratio - 1)) == pytest.approx(0.01, rel=0.02)


def test_truth_names_the_component_that_dominates(files):
    region = files.truth["TRUTH_MAP"].data
    fraction = files.truth["FRACTION"].data
    kinds = files.truth["COMPONENTS"].data["region"]
    observed = region > 0
    np.testing.assert_allclose(fraction.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(kinds[fraction.argmax(axis=0)][observed], region[observed])
    np.testing.assert_array_equal(observed, np.isfinite(files.flux).any(axis=0))
    assert set(np.unique(region)) == set(Region) - {Region.JET}
    np.testing.assert_array_equal(files.truth["MIXED"].data == 1, fraction.max(axis=0) < 0.6)


def test_component_fractions_are_those_of_the_noiseless_cube(model, files, observation, tmp_path):
    alone = tmp_path / "alone_s3d.fits"
    first = type(model)(**{**vars(model), "components": model.components[:1]})
    simulate_galaxy(first, alone, 1, observation=observation, keep_noiseless=True)
    part = fits.getdata(truth_path(alone), "NOISELESS").sum(axis=0, dtype=float)
    expected = part / files.noiseless.sum(axis=0)
    np.testing.assert_allclose(files.truth["FRACTION"].data[0], expected, atol=2e-3)


def test_line_maps_add_up_to_the_table_of_lines(files):
    lines = files.truth["LINES"].data
    maps = files.truth["LINE_FLUX"]
    names = [maps.header[f"LINE{n}"] for n in range(1, len(maps.data) + 1)]
    assert "NeII_12.81" in names
    for name, image in zip(names, maps.data, strict=True):
        assert image.sum() == pytest.approx(lines["flux_in_cube"][lines["line"] == name].sum())
    assert files.truth["LINE_FLUX"].header["BUNIT"] == "W/m2"


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
def test_layout_is_that_of_an_observed_cube(files, shared_data):
    """Extensions, their types, units and axes; whatever else the pipeline writes may differ."""
    described = ("BUNIT", "CTYPE1", "CTYPE2", "CTYPE3", "CUNIT1", "CUNIT2", "CUNIT3", "CRPIX3")
    with fits.open(shared_data / "mrs" / "NGC7469_Level3_ch4-short_s3d.fits.gz") as observed:
        for name in ("SCI", "ERR", "DQ", "WMAP"):
            assert files.cube[name].data.dtype == observed[name].data.dtype
        for card in described:
            assert files.cube["SCI"].header[card] == observed["SCI"].header[card]
        for card in ("TELESCOP", "INSTRUME", "EXP_TYPE"):
            assert files.cube[0].header[card] == observed[0].header[card]
        assert set(np.unique(observed["DQ"].data)) == set(np.unique(files.cube["DQ"].data))
        ours, theirs = (WCS(h["SCI"].header).celestial.wcs for h in (files.cube, observed))
        assert np.sign(np.linalg.det(ours.pc)) == np.sign(np.linalg.det(theirs.pc))
        assert np.all(ours.cdelt > 0)
        assert np.all(theirs.cdelt > 0)
