import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.config import (
    PRESETS,
    Settings,
    build_settings,
    fingerprint,
    load_settings,
)
from survey.errors import ConfigError, SettingsWarning


def test_all_problems_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        build_settings({"cut": {"kk": 2, "k_max": 0}, "distance": {"shift": "6 miles"}})
    for words in ("cut.kk", "cut.k_max", "distance.shift", "300 km/s"):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [("[cut\nk = 1", "not a TOML file"), ("[cuts]\nk = 1", "cuts"), ("[cut]\nk = -1", "cut.k"),
     ("[prepare]\nsnr_min = inf", "prepare.snr_min: .*finite")],
)  # fmt: skip
def test_a_bad_file_is_named_with_its_fault(tmp_path, text, words):
    path = tmp_path / "survey.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        load_settings(path)
    assert str(path) in str(caught.value)


def test_a_settings_file_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "survey.toml"
    path.write_text("[cut]\nk_max = 7\n", encoding="utf-8-sig")
    assert load_settings(path).cut.k_max == 7


def test_what_the_user_says_stands_above_the_preset():
    settings = build_settings({"preset": "gatos", "linkage": {"method": "average"}})
    assert (settings.linkage.method, settings.distance.noise) == ("average", "keep")


def test_the_preset_of_the_paper_has_its_rule_for_low_snr():
    assert build_settings({"preset": "gatos"}).profiles.low_snr_rule == "scatter"
    assert build_settings({}).profiles.low_snr_rule == "snr"


def test_settings_of_earlier_versions_keep_their_rule_for_low_snr():
    pinned = {"nuclear_radius_arcsec": 0.5, "low_snr_factor": 3.0, "reconstruct": False}
    assert build_settings({"profiles": pinned}).profiles.low_snr_rule == "scatter"
    both = {"low_snr_factor": 3.0, "low_snr_rule": "snr"}
    assert build_settings({"profiles": both}).profiles.low_snr_rule == "snr"


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid(preset):
    assert build_settings({"preset": preset}).preset == preset


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Settings().cut.k = 3


@pytest.mark.parametrize(
    ("shift", "velocity"), [(6, None), (0, None), ("300 km/s", 300.0), ("0.5 km/s", 0.5)]
)
def test_a_shift_is_samples_or_a_velocity(shift, velocity):
    assert build_settings({"distance": {"shift": shift}}).distance.shift_km_s == velocity


def test_the_preset_of_the_paper_spreads_labels_and_grows_forests_in_a_thousand_draws():
    classes = build_settings({"preset": "gatos"}).classes
    assert (classes.method, classes.spread, classes.draws) == ("forest", True, 1000)
    assert not build_settings({}).classes.spread


@pytest.mark.parametrize(
    "classes", [{"spread": True}, {"spread": True, "method": "forest", "predictors": "ch3"}]
)
def test_labels_are_spread_for_forests_of_ratios_alone(classes):
    with pytest.raises(ConfigError, match="spread = true"):
        build_settings({"classes": {"method": "mixture"} | classes})


@pytest.mark.parametrize(
    "classes",
    [["AGN"], ["AGN", "AGN"], ["AGN", "oob_AGN"], ["AGN", "S F"], ["AGN", "rf"], ["err", "SF"]],
)
def test_classes_that_cannot_be_columns_are_refused(classes):
    with pytest.raises(ConfigError, match=r"classes\.classes"):
        build_settings({"classes": {"classes": classes}})


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=6))
def test_a_fingerprint_does_not_depend_on_the_order_of_keys(values):
    assert fingerprint(values) == fingerprint(dict(reversed(values.items())))


def test_a_fingerprint_is_the_same_on_every_machine():
    assert fingerprint({"b": 1, "a": [1.5, "x"]}) == "a279f755d960059e6bb25023f3f2d8a2"


def test_removed_settings_with_their_old_defaults_load_with_a_note(tmp_path):
    path = tmp_path / "survey.toml"
    path.write_text('[distance]\nshift = 4\nrepresentation = "spectrum"\nlatents = 8\n')
    with pytest.warns(SettingsWarning, match=r"distance\.representation, distance\.latents"):
        settings = load_settings(path)
    assert settings == build_settings({"distance": {"shift": 4}})


RECORD_OF_0_1_0 = {
    "cut": {"criterion": "auto", "k_min": 3, "k_max": 12},
    "linkage": {"method": "ward"},
    "profiles": {"low_snr_factor": 3.0},
}


def test_a_record_that_keeps_old_defaults_is_told_the_new_ones_and_keeps_its_own():
    with pytest.warns(SettingsWarning) as caught:
        settings = build_settings(RECORD_OF_0_1_0)
    (warning,) = caught
    for words in (
        "cut.k_min = 3",
        'default is "average" now',
        "the walk now",
        "low_snr_rule",
        "classes.method",
    ):
        assert words in str(warning.message)
    assert (settings.linkage.method, settings.cut.k_min, settings.cut.k_max) == ("ward", 3, 12)
    assert settings.profiles.low_snr_rule == "scatter"


@pytest.mark.parametrize(
    "values", [{}, {"linkage": {"method": "ward"}}, {"cut": {"criterion": "auto", "k_min": 3}}]
)
def test_settings_that_are_chosen_are_not_taken_for_a_record(values, recwarn):
    build_settings(values)
    assert not recwarn.list


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"distance": {"representation": "pca"}}, "docs/method.md"),
        ({"distance": {"latents": 4}}, r"distance\.representation"),
        ({"distance": {"model": "folder"}}, r"distance\.representation"),
        ({"linkage": {"path": "aligned"}}, '"auto"'),
    ],
    ids=str,
)
def test_removed_settings_that_did_something_are_errors_that_say_what_to_do(values, words):
    with pytest.raises(ConfigError, match=rf"was removed.*{words}"):
        build_settings(values)
