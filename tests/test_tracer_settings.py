"""The file of tracers: what it names, and one clear error for what is wrong in it."""

from pathlib import Path

import pytest

from survey.config.tracers import load_tracers
from survey.errors import ConfigError

GOOD = """
[bpt]
kind = "classes"
map = "maps/{galaxy}_bpt.fits"
classes = { 1 = "SF", 2 = "AGN" }

[gas]
kind = "velocity"
maps = { "NGC 1" = "a.fits" }

[sources]
kind = "classes"
table = "sources.ecsv"
galaxies = ["NGC 2"]
elsewhere = "none"
"""


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Path:
        file = tmp_path / "tracers.toml"
        file.write_text(text)
        return file

    return write


def test_a_file_names_maps_for_all_for_each_and_for_some_galaxies(written):
    found = load_tracers(written(GOOD))
    assert list(found) == ["bpt", "gas", "sources"]
    assert found["bpt"].named_galaxies() == ()
    assert found["bpt"].file_of("NGC 7") == "maps/NGC 7_bpt.fits"
    assert found["gas"].named_galaxies() == ("NGC 1",)
    assert found["gas"].file_of("NGC 1") == "a.fits"
    assert found["sources"].named_galaxies() == ("NGC 2",)
    assert found["sources"].column_name == "class"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no tracer"),
        ("kind = 3", "begins with"),
        ('[a]\nkind = "classes"', "one of map, maps and table, and has 0"),
        ('[a]\nkind = "classes"\nmap = "a"\ntable = "b"', "and has 2"),
        ('[a]\nkind = "colour"\nmap = "a"', "continuous"),
        ('[a]\nkind = "velocity"\nmap = "a"\nextensoin = 1', "did you mean extension"),
        ('[a]\nkind = "velocity"\nmap = "a"\nclasses = { 1 = "x" }', 'is for kind = "classes"'),
        ('[a]\nkind = "classes"\nmap = "a"\nclasses = { SF = "x" }', "'SF' is none"),
        ('[a]\nkind = "classes"\nmap = "a"\nresample = "flux-conserving"', "continuous"),
        ('[a]\nkind = "classes"\nmap = "a"\nelsewhere = "no"', "for a table"),
        ('[a]\nkind = "classes"\nmap = "a"\ndraws = 5', "draws"),
        ("[a", "not a TOML file"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(written, text, words):
    file = written(text)
    with pytest.raises(ConfigError) as caught:
        load_tracers(file)
    assert words in str(caught.value)
    assert str(file) in str(caught.value)


def test_all_that_is_wrong_is_in_one_message(written):
    with pytest.raises(ConfigError) as caught:
        load_tracers(written('[a]\nkind = "velocity"\n[b]\nkind = "classes"\nmap = 3'))
    assert "a: needs one of map" in str(caught.value)
    assert "b: map" in str(caught.value)


def test_a_file_that_is_absent_is_named_with_its_neighbour(tmp_path, written):
    written(GOOD)
    with pytest.raises(ConfigError, match=r"Did you mean .*tracers\.toml"):
        load_tracers(tmp_path / "tracer.toml")
