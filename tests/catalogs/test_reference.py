"""The reference tables: complete, consistent, and refused when they are not."""

import pickle
from importlib.resources import files

import numpy as np
import pytest
from astropy.table import Table

from catalogs.errors import CatalogError
from catalogs.reference import blend_groups, load_gatos_sample, packaged_reference, read_reference

LIGHT_KM_S = 299792.458
LINES = {line.name: line for line in packaged_reference().lines}


def test_every_published_mid_infrared_line_is_there(shared_reference):
    published = Table.read(shared_reference / "lines_mrs.csv", format="ascii.csv")
    ours = np.array([line.wavelength_um for line in packaged_reference().lines_of("mir")])
    assert len(ours) == len(published) == 69
    np.testing.assert_allclose(ours, np.sort(published["adopted_vac_um"]), rtol=1e-9)


def test_bpt_lines_are_there_in_vacuum():
    for name, air_angstrom in [
        ("Hbeta_4861", 4861.33),
        ("OIII_5007", 5006.84),
        ("OI_6300", 6300.30),
        ("Halpha_6563", 6562.80),
        ("NII_6583", 6583.45),
        ("SII_6716", 6716.44),
        ("SII_6731", 6730.82),
    ]:
        refraction = LINES[name].wavelength_um * 1e4 / air_angstrom
        assert refraction == pytest.approx(1.000277, abs=4e-6)


def test_names_say_where_the_line_is():
    for line in packaged_reference().lines:
        number = float(line.name.rsplit("_", 1)[1])
        assert line.name.isascii()
        if line.set == "mir":
            assert number == pytest.approx(line.wavelength_um, abs=0.0051)
        else:
            assert number == pytest.approx(line.wavelength_um * 1e4, abs=2.5)


def test_lines_come_in_order_with_a_source():
    wavelengths = [line.wavelength_um for line in packaged_reference().lines]
    assert wavelengths == sorted(wavelengths)
    assert all(line.source for line in packaged_reference().lines)
    assert all(band.source for band in packaged_reference().bands)


def test_blends_are_mutual_and_close():
    assert LINES["NeV_14.32"].blend == ("ClII_14.37",)
    assert LINES["OIV_25.89"].blend == ("FeII_25.99",)
    assert LINES["HI_11-8_12.39"].blend == ("HI_7-6_12.37",)
    for line in packaged_reference().lines:
        for name in line.blend:
            other = LINES[name]
            assert line.name in other.blend
            apart = abs(other.wavelength_um / line.wavelength_um - 1) * LIGHT_KM_S
            assert apart < 1200


def test_groups_of_blends_are_complete_and_in_order():
    lines = packaged_reference().lines
    groups = [tuple(lines[place].name for place in group) for group in blend_groups(lines)]
    assert ("NII_6548", "Halpha_6563", "NII_6583") in groups
    assert ("NeV_14.32", "ClII_14.37", "NaVI_14.40") in groups
    assert ("HI_7-6_12.37", "HI_11-8_12.39") in groups
    grouped = [name for group in groups for name in group]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {line.name for line in lines if line.blend}
    # A neighbour that is not in the list groups nothing.
    assert blend_groups([LINES["NeV_14.32"], LINES["NaVI_14.40"]]) == ()


def test_every_channel_has_bright_lines_to_tell_velocities_by():
    for low, high in map(packaged_reference().window, ("ch1", "ch2", "ch3", "ch4")):
        inside = [
            line for line in packaged_reference().lines_of("mir") if low < line.wavelength_um < high
        ]
        assert sum(line.bright for line in inside) >= 3
    assert all(line.common for line in packaged_reference().lines if line.bright)


def test_bands_carry_their_windows_and_profiles():
    band = next(band for band in packaged_reference().bands if band.name == "PAH_12.7")
    assert band.integration_um == (12.20, 13.05)
    assert band.continuum_red_um == (13.13, 13.25)
    assert band.subtract == ("NeII_12.81",)
    assert "H2_S2_12.28" in band.mask
    assert band.drudes == ((12.62, 0.530), (12.69, 0.165))


def test_resolution_follows_the_published_laws():
    assert packaged_reference().resolving_power("MIRI/MRS", [5.0, 25.0]) == pytest.approx(
        [3963, 1403]
    )
    assert packaged_reference().psf_fwhm_arcsec("MIRI/MRS", 10.0) == pytest.approx(0.436)
    assert packaged_reference().resolving_power("MUSE", 0.70) == pytest.approx(2819, abs=1)
    assert packaged_reference().resolving_power(
        "MaNGA", [0.37, 0.5999, 0.6001, 0.90]
    ) == pytest.approx([1560, 2270, 1850, 2650], abs=2)
    assert packaged_reference().resolving_power("SAMI", [0.48, 0.685]) == pytest.approx(
        [1805, 4308], abs=1
    )
    assert all(instrument.source for instrument in packaged_reference().instruments.values())


def test_resolution_of_unknown_instruments_is_not_invented():
    assert packaged_reference().resolving_power("GMOS", 0.5) is None
    assert packaged_reference().psf_fwhm_arcsec("GMOS", 0.5) is None
    assert packaged_reference().psf_fwhm_arcsec("MUSE", 0.5) is None


def test_windows_have_names():
    assert packaged_reference().window("ch3-short") == (11.55, 13.47)
    assert packaged_reference().window("ch3") == (11.55, 17.98)
    with pytest.raises(CatalogError, match="ch3-short") as caught:
        packaged_reference().window("ch5")
    assert caught.value.advice


def test_slope_windows_avoid_the_bands():
    windows = packaged_reference().slope()
    assert windows[0][0] >= 12
    assert windows[-1][1] <= 17
    narrow = [
        band for band in packaged_reference().bands if band.name not in ("PAH_17.0", "PAH_12.0")
    ]
    for low, high in windows[1:]:
        for band in narrow:
            assert high <= band.integration_um[0] or low >= band.integration_um[1]


def test_every_set_of_ratios_named_after_a_range_has_predictors_with_and_without_widths():
    reference = packaged_reference()
    assert {"ch3", "ch3-short", "ch4", "mrs", "bpt"} <= set(reference.predictor_sets)
    for name in ("ch3", "ch3-short"):
        lines = reference.predictor_sets[f"{name}-lines"]
        assert all(row.denominator != "continuum" for row in lines)
        assert any(row.denominator == "continuum" for row in reference.predictor_sets[name])
    six = [f"{row.numerator}/{row.denominator}" for row in reference.predictor_sets["ch3"]]
    assert len(six) == 6
    for rows in reference.predictor_sets.values():
        assert all(row.offset > 0 or row.numerator == "slope_alpha" for row in rows)


def test_sample_of_the_paper_is_complete(shared_reference):
    published = Table.read(shared_reference / "table1.csv", format="ascii.csv")
    sample = load_gatos_sample()
    assert [row.galaxy for row in sample] == list(published["galaxy"])
    assert [row.program for row in sample] == list(published["prop_id"])
    assert sum(row.type == "Starburst" for row in sample) == 2


def test_redshifts_of_the_sample_agree_with_the_distances_of_the_paper():
    sample = load_gatos_sample()
    hubble = np.array([LIGHT_KM_S * row.redshift / 70 for row in sample])
    distance = np.array([row.distance_mpc for row in sample])
    in_the_flow = distance > 20  # nearer ones have distances of other kinds
    assert in_the_flow.sum() == 9
    np.testing.assert_allclose(hubble[in_the_flow], distance[in_the_flow], rtol=0.05)
    assert [row.galaxy for row in sample if row.held_out] == ["NGC 3227", "NGC 4051", "NGC 7582"]


def lines_of(path):
    """The lines of a file, in place of the packaged ones."""
    return read_reference({"lines": [path]}, ["lines"]).lines


def _packaged(name):
    return files("catalogs") / "data" / name


@pytest.fixture
def edited(tmp_path):
    """Write a packaged table with one cell changed."""

    def write(name, row, column, value):
        table = Table.read(_packaged(name), format="ascii.ecsv")
        values = list(table[column])
        values[row] = value
        table[column] = values
        path = tmp_path / name
        table.write(path, format="ascii.ecsv")
        return path

    return write


def test_an_untouched_copy_reads_the_same(edited):
    first = packaged_reference().lines[0]
    table = Table.read(_packaged("lines.ecsv"), format="ascii.ecsv")
    position = list(table["name"]).index(first.name)
    copy = edited("lines.ecsv", position, "name", first.name)
    assert [line.name for line in lines_of(copy)] == [
        line.name for line in packaged_reference().lines
    ]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("name", "NeII_12.81", "NeII_12.81 occurs more than once"),
        ("wavelength", -1.0, "no positive wavelength"),
        ("wavelength", np.nan, "no positive wavelength"),
        ("blend", "Nowhere_1.00", "unknown names"),
    ],
)
def test_damaged_line_lists_are_refused(edited, column, value, message):
    path = edited("lines.ecsv", 0, column, value)
    with pytest.raises(CatalogError, match=message) as caught:
        lines_of(path)
    assert caught.value.file.startswith(f"{path}:")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("high", 10.0, "out of order"),
        ("blue_high", 11.5, "out of order"),
        ("subtract", "Nowhere_1.00", "unknown names"),
        ("name", "PAH_12.7", "more than once"),
    ],
)
def test_damaged_band_lists_are_refused(edited, column, value, message):
    with pytest.raises(CatalogError, match=message):
        read_reference({"bands": [edited("pah_bands.ecsv", 0, column, value)]}, ["bands"])


def test_files_that_are_no_tables_are_refused(tmp_path):
    path = tmp_path / "lines.ecsv"
    path.write_text("nothing")
    with pytest.raises(CatalogError, match="ECSV"):
        lines_of(path)
    with pytest.raises(CatalogError, match="ECSV"):
        lines_of(tmp_path / "absent.ecsv")


def test_a_missing_column_is_named(tmp_path):
    table = Table.read(_packaged("lines.ecsv"), format="ascii.ecsv")
    table.remove_column("wavelength")
    table.write(tmp_path / "lines.ecsv", format="ascii.ecsv")
    with pytest.raises(CatalogError, match="no column 'wavelength'"):
        lines_of(tmp_path / "lines.ecsv")


def test_errors_survive_the_journey_between_processes():
    error = CatalogError("broken", file="a", expected="b", found="c", advice="d")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "a: broken; expected b; found c. d"
