import tracemalloc

import numpy as np
import pytest

from survey.config import PrepareSettings
from survey.errors import DataError, SurveyWarning
from survey.spectra.fill import KEPT, REASONS
from survey.spectra.grid import cell_widths, velocity_step_km_s
from survey.spectra.prepare import prepare

NGC_7469_Z = 0.016317
WAVELENGTH_UM = 12.0 + 0.0025 * np.arange(400)


def rejected(prepared):
    """How many spaxels were left out, by reason."""
    return {name: int((prepared.outcome == code).sum()) for code, name in enumerate(REASONS)}


def bright_cube(n=40, seed=0):
    """Flat spectra of S/N 50 with a line; nothing bad."""
    rng = np.random.default_rng(seed)
    line = 200 * np.exp(-0.5 * ((WAVELENGTH_UM - 12.5) / 0.004) ** 2)
    flux = (50.0 + line + rng.normal(size=(n, len(WAVELENGTH_UM)))).astype(np.float32)
    return flux, np.full_like(flux, 0.5), np.zeros(flux.shape, dtype=bool)


def prepared(flux, error, bad, **changes):
    settings = PrepareSettings(**changes.pop("settings", {}))
    return prepare(flux, error, bad, WAVELENGTH_UM, redshift=0.0, settings=settings, **changes)


def test_a_clean_cube_comes_through_whole():
    flux, error, bad = bright_cube()
    result = prepared(flux, error, bad, shift_samples=6)
    assert np.array_equal(result.flux, flux)
    assert result.spaxels.tolist() == list(range(40))
    assert result.max_shift == 6
    assert result.dropped_planes.size == 0
    assert rejected(result) == dict.fromkeys(REASONS, 0)
    assert result.spectra @ cell_widths(WAVELENGTH_UM) == pytest.approx(1.0, rel=1e-5)
    assert result.noise.mean() == pytest.approx(1.0, rel=0.05)
    assert result.snr == pytest.approx(50.0, rel=0.3)
    assert result.error_ratio == pytest.approx(2.0, rel=0.3)


@pytest.mark.parametrize(
    ("second_step_um", "shift", "is_said"),
    [(0.0008, {"shift_samples": 6}, True), (0.0008, {"shift_km_s": 300.0}, False),
     (0.0008, {}, False), (0.0025, {"shift_samples": 6}, False)],
)  # fmt: skip
def test_shifts_in_samples_of_unequal_width_are_said_to_be_no_velocities(
    second_step_um, shift, is_said, recwarn
):
    flux, error, bad = bright_cube()
    gap_um = 1.0
    second = WAVELENGTH_UM[199] + gap_um + second_step_um * np.arange(1, 201)
    wavelength_um = np.concatenate([WAVELENGTH_UM[:200], second])
    prepare(
        flux, error, bad, wavelength_um, redshift=0.0, settings=PrepareSettings(), **shift
    )  # fmt: skip
    said = [str(one.message) for one in recwarn if one.category is SurveyWarning]
    assert [("no single velocity" in text) for text in said] == [True] * is_said


def test_every_reason_is_counted_once():
    flux, error, bad = bright_cube()
    bad[0] = True
    bad[1, ::4] = True
    bad[2, 100:109] = True
    flux[3] -= 49.0
    flux[4] -= 100.0
    result = prepared(flux, error, bad)
    assert rejected(result) == {
        "no data": 1,
        "too many bad planes": 1,
        "gap too long": 1,
        "continuum S/N too low": 2,
        "no positive integral": 0,
        "point source": 0,
    }
    assert result.spaxels.tolist() == list(range(5, 40))


def test_without_an_snr_limit_negative_spaxels_are_still_refused():
    flux, error, bad = bright_cube()
    flux[4] -= 100.0 + 250.0
    flux[4, :150] += 400.0
    flux[5] -= 100.0
    result = prepared(flux, error, bad, settings={"snr_min": 0.0})
    assert rejected(result)["continuum S/N too low"] == 2
    flux[4, :250] += 400.0
    flux[4, 250:] -= 2000.0
    result = prepared(flux, error, bad, settings={"snr_min": 0.0})
    assert rejected(result)["no positive integral"] == 1


def test_a_gap_as_long_as_allowed_is_bridged_between_its_ends():
    flux, error, bad = bright_cube()
    bad[7, 200:208] = True
    flux[7, 200:208] = np.nan
    error[7, 200:208] = np.nan
    result = prepared(flux, error, bad)
    ends = WAVELENGTH_UM[[199, 208]], flux[7, [199, 208]]
    assert result.flux[7, 200:208] == pytest.approx(np.interp(WAVELENGTH_UM[200:208], *ends))
    assert np.isfinite(result.spectra).all()


def test_seam_planes_are_dropped_instead_of_every_spaxel():
    flux, error, bad = bright_cube()
    bad[:, 150:170] = True
    flux[:, 150:170] = np.nan
    result = prepared(flux, error, bad)
    assert len(result.spaxels) == 40
    assert result.dropped_planes.tolist() == list(range(150, 170))
    assert np.array_equal(result.wavelength_um, np.delete(WAVELENGTH_UM, np.arange(150, 170)))


def test_dropped_planes_are_numbered_in_the_cube_not_in_the_window():
    flux, error, bad = bright_cube()
    bad[:, 250] = True
    result = prepared(flux, error, bad, window_um=(12.5, 12.9))
    assert result.dropped_planes.tolist() == [250]
    assert result.wavelength_um[0] == pytest.approx(12.5)


def test_a_velocity_shift_resamples_to_equal_velocity_steps():
    flux, error, bad = bright_cube()
    bad[:, 150:170] = True
    result = prepared(flux, error, bad, shift_km_s=300.0)
    step = np.median(velocity_step_km_s(WAVELENGTH_UM))
    jumps = np.diff(np.log(result.wavelength_um)) * 299792.458 / step
    assert result.velocity_step_km_s == pytest.approx(step)
    assert result.max_shift == round(300 / step)
    assert np.sum(jumps > 1.001) == 1, "only the dropped planes may break the grid"
    assert jumps[jumps < 1.001] == pytest.approx(1.0)
    assert result.spectra.shape == result.flux.shape == (40, len(result.wavelength_um))
    # Averaging over cells lowers the noise of a sample, and the noise says so.
    assert 0.7 < result.noise.mean() < 0.95


def test_the_support_does_not_depend_on_the_unit_of_the_shift():
    flux, error, bad = bright_cube(200)
    flux -= np.linspace(0, 49, 200, dtype=np.float32)[:, None]
    by_samples = prepared(flux, error, bad, shift_samples=6)
    by_velocity = prepared(flux, error, bad, shift_km_s=300.0)
    assert 0 < rejected(by_samples)["continuum S/N too low"] < 200
    assert np.array_equal(by_samples.spaxels, by_velocity.spaxels)


def test_blocks_of_spaxels_join_without_a_seam(monkeypatch):
    flux, error, bad = bright_cube()
    bad[[3, 17], ::3] = True
    whole = prepared(flux, error, bad)
    for module in ("fill", "prepare"):
        monkeypatch.setattr(f"survey.spectra.{module}.BLOCK_SAMPLES", 7 * len(WAVELENGTH_UM))
    blockwise = prepared(flux, error, bad)
    for name in ("spectra", "flux", "noise", "snr", "scale", "error_ratio", "spaxels"):
        assert np.array_equal(getattr(whole, name), getattr(blockwise, name))
    assert rejected(whole) == rejected(blockwise)


def test_a_cube_of_noise_is_refused_with_the_counts():
    flux, error, bad = bright_cube()
    bad[:10] = True
    flux -= 50.0
    with pytest.raises(DataError, match="too few spaxels") as caught:
        prepared(flux, error, bad)
    assert caught.value.found == "10 no data, 30 continuum S/N too low"


def test_a_cube_without_data_is_refused():
    flux, error, bad = bright_cube()
    with pytest.raises(DataError, match="too few wavelength planes"):
        prepared(flux, error, np.ones_like(bad))


def test_a_normalisation_window_off_the_grid_is_refused():
    flux, error, bad = bright_cube()
    with pytest.raises(DataError, match="does not cover"):
        prepared(flux, error, bad, settings={"normalise": "window", "normalise_window": (14, 15)})


def test_spectra_without_noise_or_errors_are_prepared_too():
    flux, _, bad = bright_cube()
    flux[:] = 50.0
    result = prepared(flux, np.full_like(flux, np.nan), bad)
    assert len(result.spaxels) == 40
    assert (result.noise > 0).all()
    assert np.isnan(result.error_ratio).all()


def test_memory_stays_within_the_two_results_and_some_blocks():
    flux, error, bad = (np.tile(array, (200, 1)) for array in bright_cube())
    tracemalloc.start()
    result = prepared(flux, error, bad)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.flux.dtype == result.spectra.dtype == np.float32
    assert peak < 2 * flux.nbytes + 2**19 * 40


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("band", "good", "seam"), [("ch4-short", 569, 0), ("ch4-medium", 566, 0), ("ch4-long", 546, 12)]
)
def test_good_spaxels_of_ngc_7469_are_kept(mrs_spectra, band, good, seam):
    cube = mrs_spectra(f"NGC7469_Level3_{band}")
    settings = PrepareSettings(snr_min=0.0)
    result = prepare(*cube, redshift=NGC_7469_Z, settings=settings)
    assert len(result.spaxels) == good
    assert len(result.dropped_planes) == seam
    assert np.isfinite(result.spectra).all()
    assert len(result.spaxels) + sum(rejected(result).values()) == len(cube.flux)


@pytest.mark.real_data
def test_no_spaxel_of_ngc_7469_ch4_long_is_finite_everywhere_and_yet_most_are_kept(mrs_spectra):
    cube = mrs_spectra("NGC7469_Level3_ch4-long")
    assert cube.bad.any(axis=1).all()
    result = prepare(*cube, redshift=NGC_7469_Z, settings=PrepareSettings())
    assert len(result.spaxels) > 480


@pytest.mark.real_data
def test_only_the_star_is_left_of_16_cyg_b(mrs_spectra):
    cube = mrs_spectra("16CygB_Level3_ch4-short")
    result = prepare(*cube, redshift=0.0, settings=PrepareSettings())
    y, x = np.divmod(result.spaxels, 31)
    peak = np.argmax(result.snr)
    assert 40 < len(result.spaxels) < 100
    assert np.median(np.hypot(y - y[peak], x - x[peak])) < 6
    assert rejected(result)["continuum S/N too low"] > 500


def test_a_noisy_stretch_is_kept_but_not_compared():
    rng = np.random.default_rng(3)
    wavelength_um = np.linspace(10.0, 12.0, 640)
    sigma = np.where(wavelength_um > 11.6, 20.0, 1.0)
    flux = (100 + sigma * rng.normal(size=(80, 640))).astype(np.float32)
    result = prepare(
        flux,
        np.ones_like(flux),
        np.zeros(flux.shape, dtype=bool),
        wavelength_um,
        redshift=0.0,
        settings=PrepareSettings(),
    )
    assert result.flux.shape == (80, 640)
    assert not result.is_compared[wavelength_um > 11.65].any()
    assert result.is_compared[wavelength_um < 11.55].all()
    assert result.spectra.shape == (80, result.is_compared.sum())
    widths = cell_widths(wavelength_um)[result.is_compared]
    np.testing.assert_allclose(result.spectra @ widths, 1.0, rtol=1e-5)


def test_every_spaxel_left_out_has_its_reason():
    rng = np.random.default_rng(4)
    flux = (50 + rng.normal(size=(40, 300))).astype(np.float32)
    bad = np.zeros(flux.shape, dtype=bool)
    bad[0, 100:150] = True
    flux[1] = rng.normal(size=300)
    result = prepare(
        flux,
        np.ones_like(flux),
        bad,
        np.linspace(10.0, 12.0, 300),
        redshift=0.0,
        settings=PrepareSettings(max_bad_plane_fraction=0.5),
    )
    assert REASONS[result.outcome[0]] == "gap too long"
    assert REASONS[result.outcome[1]] == "continuum S/N too low"
    assert (result.outcome[2:] == KEPT).all()
    assert result.spaxels.tolist() == list(range(2, 40))


def test_the_flux_of_a_bad_sample_changes_nothing():
    flux, error, bad = bright_cube()
    rng = np.random.default_rng(3)
    bad |= rng.random(bad.shape) < 0.03
    bad[:, 200] = True
    bad[7, 100:140] = True
    marked = np.where(bad, np.float32(np.nan), flux)
    flux[bad] = rng.normal(0, 1e6, int(bad.sum()))
    options = {"settings": {"mask_impossible": True}, "shift_samples": 6}
    one, other = (prepared(values, error, bad.copy(), **options) for values in (flux, marked))
    for name in ("spectra", "flux", "noise", "snr", "scale", "spaxels", "mean_flux", "outcome"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)
    assert 0 < len(one.spaxels) <= 40
