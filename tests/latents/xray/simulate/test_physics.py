"""The physics of simulated X-ray sources against what is known of it otherwise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from survey.errors import ConfigError
from survey.latents.grid import Grid
from survey.latents.xray.simulate import class_names
from survey.latents.xray.simulate.absorption import cross_section_cm2, transmission
from survey.latents.xray.simulate.emission import (
    blackbody,
    bremsstrahlung,
    comptonised,
    cutoff_power_law,
    disc,
    gaunt_factor,
    line,
)
from survey.latents.xray.simulate.plasma import plasma
from survey.latents.xray.simulate.sources import at_epoch, draw_source

ENERGIES = Grid(np.linspace(0.3, 9.3, 901), "keV")
KEV = ENERGIES.centres


@pytest.mark.parametrize(
    ("energy_kev", "expected_1e24_cm2"),
    # Worked by hand from table 2 of Morrison & McCammon 1983.
    [(1.0, 242.2), (0.5, 735.2), (2.0, 42.9), (5.0, 3.53), (7.2, 2.28)],
)
def test_cross_sections_are_the_published_ones(energy_kev: float, expected_1e24_cm2: float) -> None:
    found = cross_section_cm2(np.array([energy_kev]))[0] / 1e-24
    assert found == pytest.approx(expected_1e24_cm2, rel=0.02)


def test_the_cross_section_jumps_at_edges_and_nowhere_else() -> None:
    energy = np.geomspace(0.1, 12.0, 20_000)
    jump = np.diff(np.log(cross_section_cm2(energy)))
    where = energy[1:][jump > 0.02]
    edges = [0.284, 0.4, 0.532, 0.707, 0.867, 1.303, 1.84, 2.471, 3.21, 4.038, 7.111, 8.331]
    assert where.size > 0
    assert all(np.abs(edge / where - 1).min() < 0.01 for edge in (0.284, 0.532, 1.84, 2.471, 7.111))
    assert all(np.abs(np.array(edges) / one - 1).min() < 0.01 for one in where)
    assert jump.min() > -0.02


@given(st.floats(0.01, 100.0), st.floats(0.01, 100.0), st.floats(0.0, 3.0))
def test_columns_add_up(first: float, second: float, redshift: float) -> None:
    both = transmission(KEV, first + second, redshift)
    one_by_one = transmission(KEV, first, redshift) * transmission(KEV, second, redshift)
    np.testing.assert_allclose(both, one_by_one, rtol=1e-9, atol=1e-300)
    assert ((both >= 0) & (both <= 1)).all()


def test_gas_at_a_redshift_absorbs_at_the_energy_it_sees() -> None:
    np.testing.assert_allclose(transmission(KEV, 1.0, 1.0), transmission(2 * KEV, 1.0))


def test_the_gaunt_factor_is_near_one_and_logarithmic_at_low_energy() -> None:
    assert gaunt_factor(np.array([1.0]))[0] == pytest.approx(0.84, abs=0.01)
    # sqrt(3)/pi (ln(4/x) - 0.577) for small x (Rybicki & Lightman, figure 5.3).
    small = np.array([1e-3])
    expected = np.sqrt(3) / np.pi * (np.log(4 / small) - 0.5772)
    np.testing.assert_allclose(gaunt_factor(small), expected, rtol=1e-2)


def test_a_black_body_holds_the_photons_and_energy_of_planck() -> None:
    kt = 0.7
    photons = quad(lambda e: blackbody(np.array([e]), kt_kev=kt)[0], 0, 60)[0]
    energy = quad(lambda e: e * blackbody(np.array([e]), kt_kev=kt)[0], 0, 60)[0]
    assert photons == pytest.approx(2.404 * kt**3, rel=1e-3)
    assert energy == pytest.approx(np.pi**4 / 15 * kt**4, rel=1e-3)


def test_a_disc_is_cooler_than_its_inner_edge_and_flat_below() -> None:
    mean = [
        (spectrum @ KEV) / spectrum.sum()
        for spectrum in (disc(KEV, kt_kev=1.0), blackbody(KEV, kt_kev=1.0))
    ]
    assert mean[0] < mean[1]
    # Far below the inner temperature the energy flux goes as E^(1/3): photons as E^(-2/3).
    low = np.array([0.15, 0.3])
    slope = np.diff(np.log(disc(low, kt_kev=4.0))) / np.diff(np.log(low))
    assert slope[0] == pytest.approx(-2 / 3, abs=0.1)


def test_comptonised_photons_join_the_power_law_above_and_the_seeds_below() -> None:
    far = np.array([8.0])
    law = {"index": 1.7, "cutoff_kev": 50.0}
    np.testing.assert_allclose(
        comptonised(far, seed_kev=0.2, **law), cutoff_power_law(far, **law), rtol=1e-3
    )
    low = np.array([0.01, 0.02])
    slope = np.diff(np.log(comptonised(low, seed_kev=0.5, **law))) / np.log(2)
    assert slope[0] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("sigma_kev", [0.0, 0.05])
def test_a_line_holds_one_photon(sigma_kev: float) -> None:
    profile = line(ENERGIES, energy_kev=6.4, sigma_kev=sigma_kev)
    assert profile @ ENERGIES.widths == pytest.approx(1.0, rel=1e-6)
    assert (profile * ENERGIES.widths) @ KEV == pytest.approx(6.4, abs=0.006)


def test_a_line_off_the_grid_leaves_nothing_on_it() -> None:
    assert line(ENERGIES, energy_kev=12.0).sum() == 0


def equivalent_width_kev(kt_kev: float, low: float, high: float) -> float:
    with_lines = plasma(ENERGIES, kt_kev=kt_kev, abundance=1.0)
    continuum = plasma(ENERGIES, kt_kev=kt_kev, abundance=0.0)
    bins = ENERGIES.within(low, high)
    lines = (with_lines - continuum)[bins] @ ENERGIES.widths[bins]
    return lines / continuum[bins].mean()


def test_the_iron_line_of_hot_plasma_is_as_strong_as_detailed_models_have_it() -> None:
    # Rothenflug & Arnaud 1985 (A&A 144, 431): about 1 keV at 5 keV, half of it at 8 keV.
    assert equivalent_width_kev(5.0, 6.5, 7.1) == pytest.approx(1.0, rel=0.3)
    assert equivalent_width_kev(8.0, 6.5, 7.1) == pytest.approx(0.55, rel=0.3)


@pytest.mark.parametrize(
    ("kt_kev", "share"),
    # Share of lines in the energy from 0.5 to 2 keV, solar abundance: shape of the curves of
    # Sarazin 1986 (RvMP 58, 1) and later codes, which agree to about 0.1.
    [(0.3, 0.95), (0.6, 0.90), (1.0, 0.7), (2.0, 0.2), (5.0, 0.0)],
)
def test_cool_plasma_shines_in_lines_and_hot_plasma_in_continuum(
    kt_kev: float, share: float
) -> None:
    bins = ENERGIES.within(0.5, 2.0)
    lit, bare = (
        (plasma(ENERGIES, kt_kev=kt_kev, abundance=one) * KEV)[bins].sum() for one in (1.0, 0.0)
    )
    assert 1 - bare / lit == pytest.approx(share, abs=0.1)


def test_plasma_without_metals_is_bremsstrahlung() -> None:
    ratio = plasma(ENERGIES, kt_kev=3.0, abundance=0.0) / bremsstrahlung(KEV, kt_kev=3.0)
    np.testing.assert_allclose(ratio, ratio[0])


def test_there_are_the_eight_classes_of_the_catalog() -> None:
    assert set(class_names()) == {
        "AGN",
        "CV",
        "HM-STAR",
        "HMXB",
        "LM-STAR",
        "LMXB",
        "NS",
        "YSO",
    }
    with pytest.raises(ConfigError, match="QSO"):
        draw_source("QSO", np.random.default_rng(0))


@pytest.mark.parametrize("source_class", class_names())
def test_every_source_shines_at_every_energy(source_class: str) -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        source = at_epoch(draw_source(source_class, rng), 1.5, rng)
        photons = source.photons(ENERGIES)
        assert np.isfinite(photons).all()
        assert (photons >= 0).all()
        assert photons.sum() > 0


def test_more_gas_in_front_makes_a_source_harder() -> None:
    rng = np.random.default_rng(2)
    sources = [draw_source("AGN", rng) for _ in range(60)]
    column = np.array([source.n_h_seen for source in sources])
    spectra = np.array([source.photons(ENERGIES) for source in sources])
    hard = spectra[:, ENERGIES.within(2.0, 8.0)].sum(axis=1) / spectra.sum(axis=1)
    assert np.corrcoef(np.log10(column), hard)[0, 1] > 0.8


def test_a_flare_is_hotter_only_where_it_should_be() -> None:
    rng = np.random.default_rng(3)
    star, neutron_star = draw_source("YSO", rng), draw_source("NS", rng)
    assert at_epoch(star, 4.0, rng).components[0].parameters["kt_kev"] == pytest.approx(
        4.0**0.2 * star.components[0].parameters["kt_kev"]
    )
    assert at_epoch(neutron_star, 4.0, rng).components == neutron_star.components
