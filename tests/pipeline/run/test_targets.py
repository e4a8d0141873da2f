import math
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.errors import ConfigError
from survey.pipeline.galaxy.target import Target
from survey.pipeline.run.targets import read_targets, targets_from_cubes, write_targets


def test_files_are_relative_to_the_table(tmp_path):
    table = tmp_path / "targets.csv"
    table.write_text("galaxy,files,redshift\nNGC 1,a.fits;sub/b.fits,0.01\n")
    (target,) = read_targets(table)
    assert target.files == (tmp_path / "a.fits", tmp_path / "sub" / "b.fits")
    assert target.redshift == 0.01


def test_what_is_missing_is_nan(tmp_path):
    table = tmp_path / "targets.csv"
    table.write_text("galaxy,files,redshift,ra\nNGC 1,a.fits,0.01,\nNGC 2,b.fits,,3.5\n")
    first, second = read_targets(table)
    assert math.isnan(first.ra_deg)
    assert math.isnan(first.dec_deg)
    assert math.isnan(second.redshift)
    assert second.ra_deg == 3.5


def test_digits_are_a_name_like_any_other(tmp_path):
    table = tmp_path / "targets.csv"
    table.write_text("galaxy,files\n209807,a.fits\n")
    assert read_targets(table)[0].galaxy == "209807"


@given(
    st.lists(
        st.builds(
            Target,
            galaxy=st.text("abcXYZ 0123456789+-.", min_size=1).map(str.strip).filter(bool),
            files=st.lists(st.sampled_from(["/a.fits", "/b c.fits"]), min_size=1).map(
                lambda names: tuple(map(Path, names))
            ),
            redshift=st.floats(-0.01, 7.0) | st.just(0.0),
            ra_deg=st.floats(0, 360),
            dec_deg=st.floats(-90, 90),
        ),
        min_size=1,
        unique_by=lambda target: target.galaxy,
    )
)
def test_written_targets_are_read_back(tmp_path_factory, targets):
    path = tmp_path_factory.mktemp("targets") / "targets.ecsv"
    write_targets(targets, path)
    assert read_targets(path) == sorted(targets, key=lambda target: target.galaxy)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("galaxy\nNGC 1\n", "no column 'files'"),
        ("galaxy,files\nNGC 1,a.fits\nNGC 1,b.fits\n", "named twice"),
        ("galaxy,files\nNGC 1,;\n", r"targets\.csv: galaxy NGC 1 has no files.*column files"),
        (
            "galaxy,files,redshift\nNGC 1,a.fits,0.01\nNGC 2,b.fits,n/a\n",
            r"targets\.csv: redshift of galaxy NGC 2 is not a number.*found 'n/a'",
        ),
        (
            "galaxy,files,ra,dec\nNGC 1,a.fits,12h30m,5.0\n",
            r"targets\.csv: ra of galaxy NGC 1 is not a number.*found '12h30m'",
        ),
    ],
)
def test_a_bad_table_is_explained(tmp_path, text, words):
    table = tmp_path / "targets.csv"
    table.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_targets(table)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.csv"):
        read_targets(tmp_path / "nowhere.csv")


def test_without_merging_every_cube_is_a_galaxy(targets):
    made = targets_from_cubes([target.files[0] for target in targets], redshift=0.02)
    assert [target.galaxy for target in made] == [
        "SIM-001_ch3-short_s3d",
        "SIM-002_ch3-short_s3d",
    ]
    assert all(target.redshift == 0.02 for target in made)


def test_merging_groups_cubes_by_the_target_of_their_headers(targets, tmp_path):
    twin = tmp_path / "another-band.fits"
    shutil.copyfile(targets[0].files[0], twin)
    cubes = [targets[0].files[0], targets[1].files[0], twin]
    made = {target.galaxy: target.files for target in targets_from_cubes(cubes, merge_bands=True)}
    assert set(made) == {"SIM-001", "SIM-002"}
    assert set(made["SIM-001"]) == {targets[0].files[0], twin}


def test_cubes_of_one_name_in_two_folders_stay_apart(tmp_path):
    made = targets_from_cubes([tmp_path / "day1" / "cube.fits", tmp_path / "day2" / "cube.fits"])
    assert [target.galaxy for target in made] == ["day1-cube", "day2-cube"]


def test_an_unreadable_cube_is_left_for_the_run_to_quarantine(tmp_path):
    (target,) = targets_from_cubes([tmp_path / "absent.fits"], merge_bands=True)
    assert target.galaxy == "absent"
