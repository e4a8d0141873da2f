"""Settings written as TOML are the settings that are read again."""

import string

from hypothesis import given
from hypothesis import strategies as st

from survey.config import build_settings, load_settings
from survey.pipeline.run.settings_file import write_settings, write_template

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(labels=TEXT, instrument=TEXT, comment=st.text(string.ascii_letters + "'#", max_size=9))
def test_any_text_in_a_setting_comes_back_as_it_was(tmp_path_factory, labels, instrument, comment):
    path = tmp_path_factory.mktemp("settings") / "survey.toml"
    values = {"classes": {"labels": labels}, "read": {"generic": {"instrument": instrument}}}
    settings = build_settings(values)
    write_settings(settings, path, comments=[comment])
    assert load_settings(path) == settings


def test_a_path_with_a_character_above_the_basic_plane_can_be_read_again(tmp_path):
    path = tmp_path / "survey.toml"
    settings = build_settings({"targets": "\U00020bb7.fits"})
    write_settings(settings, path, comments=[])
    assert load_settings(path).targets == "\U00020bb7.fits"


def test_every_setting_of_the_template_has_its_default(tmp_path):
    write_template(tmp_path)
    assert load_settings(tmp_path / "survey.toml") == build_settings({"targets": "targets.csv"})
