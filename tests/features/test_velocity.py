"""Lines that are not where they should be, all together or one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.reference import packaged_reference
from survey.features.spectrum import observed_spectrum
from survey.features.velocity import find_velocity, is_redshift_suspect, place_lines

LINES = {
    "H2_S2_12.28": 2e-9,
    "NeII_12.81": 2e-8,
    "NeIII_15.56": 1e-8,
    "H2_S1_17.03": 5e-9,
    "NeV_14.32": 4e-9,
    "ClII_14.37": 3e-9,
}
LIMIT = 700.0


@pytest.fixture(scope="session")
def search(wavelength_um):
    """Search a channel 3 spectrum for its velocity."""

    def run(spectrum, error, **changes):
        observed = observed_spectrum(
            wavelength_um,
            spectrum,
            error,
            flux_unit="MJy/sr",
            redshift=0.0,
            resolving_power=packaged_reference().resolving_power("MIRI/MRS", wavelength_um),
        )
        return find_velocity(
            observed, **({"lines": packaged_reference().lines_of("mir")} | changes)
        )

    return run


@settings(max_examples=25, deadline=None)
@given(velocity=st.floats(-650, 650), seed=st.integers(0, 1000))
def test_a_velocity_is_found_within_its_error(with_lines, observe, search, velocity, seed):
    found = search(*observe(with_lines(LINES, velocities_km_s=velocity), seed))
    assert found.found
    assert found.n_lines >= 4
    # Trial velocities are 25 km/s apart; what is between them is interpolated.
    assert abs(found.velocity_km_s - velocity) < 5 * found.error_km_s + 2
    assert found.error_km_s < 15


def test_errors_of_velocities_are_true(with_lines, observe, search):
    found = [
        search(*observe(with_lines(LINES, velocities_km_s=100.0), seed, continuum_snr=30))
        for seed in range(40)
    ]
    pulls = [(item.velocity_km_s - 100) / item.error_km_s for item in found]
    assert 0.5 < np.std(pulls) < 1.5
    assert abs(np.mean(pulls)) < 0.5


def test_a_single_line_is_enough(with_lines, observe, search):
    found = search(*observe(with_lines({"NeII_12.81": 2e-8}, velocities_km_s=-300), 0))
    assert found.found
    assert found.n_lines == 1
    assert found.velocity_km_s == pytest.approx(-300, abs=5)


def test_many_lines_outweigh_a_brighter_one(with_lines, observe, search):
    velocities = dict.fromkeys(LINES, 20.0) | {"NeII_12.81": 400.0}
    found = search(*observe(with_lines(LINES, velocities_km_s=velocities), 0))
    assert found.velocity_km_s == pytest.approx(20, abs=10)


def test_no_velocity_is_found_where_there_are_no_lines(with_lines, observe, search, wavelength_um):
    bands = sum(
        height
        / ((wavelength_um / centre - centre / wavelength_um) ** 2 * (centre / width) ** 2 + 1)
        for centre, width, height in [(12.69, 0.165, 8), (16.45, 0.23, 6), (17.04, 1.1, 5)]
    )
    for seed in range(40):
        found = search(*observe(with_lines({}) + bands, seed, continuum_snr=200))
        assert not found.found
        assert found.velocity_km_s == 0
        assert np.isnan(found.error_km_s)


def test_velocities_beyond_the_limit_are_not_replaced_by_wrong_ones(with_lines, observe, search):
    shifted = observe(with_lines(LINES, velocities_km_s=500), 0)
    assert search(*shifted).found
    beyond = search(*shifted, limit_km_s=400)
    assert not beyond.found
    assert beyond.velocity_km_s == 0


def test_an_empty_spectrum_has_no_velocity(search, wavelength_um):
    nothing = np.full(wavelength_um.shape, np.nan)
    assert not search(nothing, nothing).found
    assert search(nothing, nothing).n_lines == 0
    assert not search(nothing, nothing, lines=packaged_reference().lines_of("optical")).found


def test_a_velocity_taken_out_is_as_if_the_redshift_had_been_right(with_lines, observe, measure):
    spectrum, error = observe(with_lines(LINES, velocities_km_s=550), 0)
    stretch = 1 + 550 / 299792.458
    lost = measure(spectrum, error, search_km_s=0)
    saved = measure(spectrum, error, velocity_km_s=550)
    # The factor between rest and observed wavelengths goes into fluxes per frequency.
    truth = measure(*observe(with_lines(LINES), 0))
    for name in ("NeII_12.81", "NeIII_15.56", "H2_S1_17.03"):
        assert not lost[name].detected
        assert lost[name].snr < 0
        assert saved[name].flux == pytest.approx(LINES[name] / stretch, rel=0.04)
        assert saved[name].snr == pytest.approx(truth[name].snr, rel=0.3)
        assert saved[name].velocity_km_s == pytest.approx(550, abs=15)
        assert not saved[name].displaced


def test_one_line_out_of_place_is_measured_where_it_is(with_lines, observe, measure):
    velocities = {"H2_S1_17.03": 550.0}
    spectrum, error = observe(with_lines(LINES, velocities_km_s=velocities), 0)
    assert measure(spectrum, error, search_km_s=0)["H2_S1_17.03"].snr < 0
    found = measure(spectrum, error)
    line = found["H2_S1_17.03"]
    assert line.displaced
    assert line.velocity_km_s == pytest.approx(550, abs=15)
    assert line.flux == pytest.approx(LINES["H2_S1_17.03"], abs=3 * line.error)
    assert sum(item.displaced for item in found.values()) == 1


def test_lines_in_place_are_not_called_displaced(with_lines, observe, measure):
    displaced = [
        item.name
        for seed in range(30)
        for item in measure(*observe(with_lines(LINES), seed, continuum_snr=40)).values()
        if item.displaced
    ]
    assert displaced == []


def test_a_faint_neighbour_follows_the_line_it_blends_with(with_lines, observe, measure):
    velocities = {"NeV_14.32": 250.0, "ClII_14.37": 250.0}
    spectrum, error = observe(with_lines(LINES, velocities_km_s=velocities), 0)
    found = measure(spectrum, error)
    for name in velocities:
        assert found[name].displaced
        assert found[name].flux == pytest.approx(LINES[name], abs=3 * found[name].error)
    assert found["NeV_14.32"].velocity_km_s == pytest.approx(250, abs=15)


def test_no_line_is_looked_for_beyond_the_middle_to_its_neighbour(wavelength_um, with_lines):
    # [Cl II] alone is 965 km/s from [Ne V].
    spectrum = observed_spectrum(
        wavelength_um,
        with_lines({"ClII_14.37": 1e-8}) + np.random.default_rng(0).normal(0, 0.1, 2572),
        np.full(wavelength_um.shape, np.nan),
        flux_unit="MJy/sr",
        redshift=0.0,
        resolving_power=packaged_reference().resolving_power("MIRI/MRS", wavelength_um),
    )
    lines = [
        line
        for line in packaged_reference().lines_of("mir")
        if line.name in ("NeV_14.32", "ClII_14.37")
    ]
    placed = {place.line.name: place for place in place_lines(spectrum, lines, 1200.0)}
    assert not placed["NeV_14.32"].displaced
    assert np.isnan(placed["NeV_14.32"].velocity_km_s)


@pytest.mark.parametrize(
    ("velocities", "suspect"),
    [
        ([-600.0, -550.0, np.nan], True),
        ([610.0], True),
        ([-600.0, 500.0], False),  # one of them is a chance
        ([-600.0, -200.0], False),
        ([np.nan], False),
        ([], False),
    ],
)
def test_a_redshift_is_suspect_if_all_clusters_are_displaced_alike(velocities, suspect):
    assert is_redshift_suspect(np.array(velocities, dtype=float)) is suspect
