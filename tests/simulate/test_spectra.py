from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogs.reference import packaged_reference
from survey.errors import ConfigError
from survey.simulate.instruments import MUSE, load_toml
from survey.simulate.spectra import line_profile, load_spectrum
from survey.spectra.constants import LIGHT_UM_S

OPTICAL = load_toml("components_optical.toml")["spectrum"]
KINDS = tuple(load_toml("components.toml")["spectrum"])
REST_UM = np.linspace(11.5, 18.0, 20_001)


@given(centre=st.floats(-0.2, 1.2), sigma=st.floats(1e-3, 0.1))
def test_a_line_shared_among_planes_is_the_integral_of_its_gaussian(centre, sigma):
    edges = np.arange(-100, 102) * 0.02
    shares = line_profile(edges, np.array(centre), np.array(sigma))
    middles = (edges[1:] + edges[:-1]) / 2
    assert shares.sum() == pytest.approx(1, abs=1e-9)
    assert (shares * middles).sum() == pytest.approx(centre, abs=0.01)


def test_a_line_narrower_than_a_plane_keeps_its_flux():
    edges = np.linspace(0, 1, 11)
    shares = line_profile(edges, np.array([0.52]), np.array([1e-5]))
    assert shares[5, 0] == pytest.approx(1)


@pytest.mark.parametrize("kind", KINDS)
def test_continuum_is_one_at_the_pivot_and_every_line_is_catalogued(kind):
    spectrum = load_spectrum(kind)
    catalogued = {line.name: line.wavelength_um for line in packaged_reference().lines_of("mir")}
    assert spectrum.continuum(np.array([15.0]))[0] == pytest.approx(1)
    assert all(catalogued[line.name] == line.wavelength_um for line in spectrum.lines)


@pytest.mark.parametrize("kind", KINDS)
def test_neon_and_pah_have_the_equivalent_widths_of_the_table(kind):
    spectrum = load_spectrum(kind)
    table = load_toml("components.toml")["spectrum"][kind]
    neon_um = next(x.wavelength_um for x in spectrum.lines if x.name == "NeII_12.81")
    to_width_um = neon_um**2 / LIGHT_UM_S / spectrum.continuum(np.array(neon_um))
    neon = spectrum.line_fluxes()[[x.name for x in spectrum.lines].index("NeII_12.81")]
    assert neon * to_width_um == pytest.approx(table["line_ew_um"])

    wide_um = np.geomspace(3.0, 60.0, 200_001)
    total_power = -np.trapezoid(spectrum.bands(wide_um), LIGHT_UM_S / wide_um)
    relative = sum(sum(powers) for powers in load_toml("components.toml")["band_power"].values())
    assert total_power * to_width_um / relative == pytest.approx(table["band_ew_um"], rel=0.02)


def test_coronal_neon_tells_an_ionisation_cone_from_a_star_forming_clump():
    def neon_v(kind):
        spectrum = load_spectrum(kind)
        return sum(line.ratio for line in spectrum.lines if line.name == "NeV_14.32")

    assert neon_v("cone") > neon_v("seyfert") > 10 * neon_v("liner")
    assert neon_v("clump") == 0


def test_dust_of_a_clump_is_colder_than_that_of_a_nucleus():
    ends_um = np.array([12.0, 17.5])
    slopes = {kind: np.diff(np.log(load_spectrum(kind).continuum(ends_um)))[0] for kind in KINDS}
    assert slopes["clump"] > slopes["cone"] > slopes["seyfert"]


def test_variation_is_seeded_and_leaves_the_reference_line_alone():
    spectrum = load_spectrum("clump")
    one, same, other = (spectrum.varied(np.random.default_rng(s), 0.1) for s in (1, 1, 2))
    assert one == same != other
    assert [x.ratio for x in one.lines if x.name == "NeII_12.81"] == [1.0]
    assert one.line_ew_um != spectrum.line_ew_um


@pytest.mark.parametrize("kind", KINDS)
def test_ranges_hold_the_typical_value_and_are_of_what_the_spectrum_has(kind):
    spectrum = load_spectrum(kind)
    ratios = {line.name: line.ratio for line in spectrum.lines}
    for item in spectrum.ranges:
        typical = ratios[item.name] if item.name in ratios else getattr(spectrum, item.name)
        assert item.low < typical < item.high, item.name
        assert item.at(0) == pytest.approx(item.low)
        assert item.at(1) == pytest.approx(item.high)


@pytest.mark.parametrize("kind", KINDS)
def test_a_spectrum_drawn_anywhere_fills_its_ranges_and_leaves_none(kind):
    spectrum = load_spectrum(kind)
    drawn = [spectrum.anywhere(np.random.default_rng(seed)) for seed in range(60)]
    for item in spectrum.ranges:
        values = [
            {**vars(one), **{line.name: line.ratio for line in one.lines}}[item.name]
            for one in drawn
        ]
        assert item.low <= min(values) < item.at(0.2)
        assert item.at(0.8) < max(values) <= item.high


def test_ions_of_high_potential_rise_together_and_others_do_not():
    spectrum = load_spectrum("seyfert")
    drawn = [spectrum.anywhere(np.random.default_rng(seed)) for seed in range(60)]

    def logs(name):
        return np.log([line.ratio for one in drawn for line in one.lines if line.name == name])

    neon = logs("NeIII_15.56")
    assert np.corrcoef(neon, logs("NeV_14.32"))[0, 1] == pytest.approx(1)
    assert abs(np.corrcoef(neon, logs("H2_S1_17.03"))[0, 1]) < 0.4


def test_an_unknown_spectrum_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="seyfert, liner"):
        load_spectrum("quasar")


@pytest.mark.parametrize("kind", KINDS)
def test_a_galaxy_has_the_same_lines_of_channel_3_with_those_of_channel_4_and_without(kind):
    whole = load_spectrum(kind)
    assert whole.added
    without = replace(
        whole,
        lines=tuple(line for line in whole.lines if line.name not in whole.added),
        ranges=tuple(item for item in whole.ranges if item.name not in whole.added),
        added=frozenset(),
    )

    def drawn(spectrum):
        rng = np.random.default_rng(4)
        varied = spectrum.anywhere(rng).varied(rng, 0.1)
        ratios = {line.name: line.ratio for line in varied.lines if line.name not in whole.added}
        return ratios, varied.line_ew_um, varied.band_ew_um, rng.uniform()

    assert drawn(whole) == drawn(without)


def test_the_hard_lines_of_channel_4_follow_those_of_channel_3():
    drawn = [load_spectrum("seyfert").anywhere(np.random.default_rng(seed)) for seed in range(60)]
    ratios = [{line.name: line.ratio for line in one.lines} for one in drawn]
    for one in ratios:
        assert 2.0 < one["OIV_25.89"] / one["NeV_14.32"] < 5.0
        assert 0.7 < one["NeV_24.32"] / one["NeV_14.32"] < 1.6
    sulphur = [one["SIII_18.71"] for one in ratios]
    assert abs(np.corrcoef(sulphur, [one["NeV_14.32"] for one in ratios])[0, 1]) < 0.4


@pytest.mark.parametrize("kind", KINDS)
def test_optical_spectra_lie_where_the_demarcation_lines_have_their_class(kind):
    expected = {"seyfert": "Seyfert", "cone": "Seyfert", "liner": "LINER", "old_disc": "LINER",
                "shock": "LINER", "disc": "SF", "clump": "SF"}[kind]  # fmt: skip
    spectrum = load_spectrum(kind, MUSE)
    lines = {line.name: line.ratio for line in spectrum.lines}
    nitrogen = np.log10(lines["NII_6583"])
    sulphur = np.log10(lines["SII_6716"] + lines["SII_6731"])
    oxygen = np.log10(lines["OIII_5007"] / lines["Hbeta_4861"])
    star_forming = oxygen < 0.61 / (nitrogen - 0.05) + 1.30 if nitrogen < 0.05 else False
    active = nitrogen > 0.47 or oxygen > 0.61 / (nitrogen - 0.47) + 1.19
    seyfert = oxygen > 1.89 * sulphur + 0.76
    assert star_forming == (expected == "SF")
    assert active == (expected != "SF")
    if active:
        assert seyfert == (expected == "Seyfert")


@pytest.mark.parametrize("kind", KINDS)
def test_lines_of_one_ion_have_their_fixed_ratios_and_stars_take_off_the_balmer_lines(kind):
    spectrum = load_spectrum(kind, MUSE)
    lines = {line.name: line for line in spectrum.lines}
    assert lines["OIII_5007"].ratio == pytest.approx(3 * lines["OIII_4959"].ratio, rel=0.05)
    assert lines["NII_6583"].ratio == pytest.approx(3 * lines["NII_6548"].ratio, rel=0.05)

    bare = replace(spectrum, absorption_um=0.0)
    taken = dict(zip(lines, bare.line_fluxes() - spectrum.line_fluxes(), strict=True))
    assert {name for name, flux in taken.items() if flux} == {"Halpha_6563", "Hbeta_4861"}
    for name in ("Halpha_6563", "Hbeta_4861"):
        at_um = lines[name].wavelength_um
        width_um = taken[name] / spectrum.continuum(np.array(at_um)) * at_um**2 / LIGHT_UM_S
        assert width_um == pytest.approx(OPTICAL[kind]["absorption_um"])
