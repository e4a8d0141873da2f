import math
import shutil
from pathlib import Path

import pytest
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import given
from hypothesis import strategies as st

from survey.cubes.files.cube_file import CubeFile
from survey.errors import ConfigError, SurveyWarning
from survey.pipeline.galaxy.target import Target
from survey.pipeline.run.targets import read_targets, targets_from_cubes, write_targets


def test_files_are_relative_to_the_table(tmp_path):
    table = tmp_path / "targets.csv"
    table.write_text("galaxy,files,redshift\nNGC 1,a.fits;sub/b.fits,0.01\n")
    (target,) = read_targets(table)
    assert [file.local for file in target.files] == [
        tmp_path / "a.fits",
        tmp_path / "sub" / "b.fits",
    ]
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
            "galaxy,files,redshift\nNGC 1,a.fits,0.01\nNGC 2,b.fits,zero\n",
            r"targets\.csv: line 3: redshift of galaxy NGC 2 is not a number.*found 'zero'",
        ),
        (
            "galaxy,files,ra,dec\nNGC 1,a.fits,12parsec,5.0\n",
            r"targets\.csv: line 2: ra of galaxy NGC 1 is not a number.*found '12parsec'",
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
    assert set(made["SIM-001"]) == {targets[0].files[0], CubeFile.of(twin)}


def test_cubes_of_one_name_in_two_folders_stay_apart(tmp_path):
    made = targets_from_cubes([tmp_path / "day1" / "cube.fits", tmp_path / "day2" / "cube.fits"])
    assert [target.galaxy for target in made] == ["day1-cube", "day2-cube"]


def test_an_unreadable_cube_is_left_for_the_run_to_quarantine(tmp_path):
    (target,) = targets_from_cubes([tmp_path / "absent.fits"], merge_bands=True)
    assert target.galaxy == "absent"


def read(tmp_path, text, name="targets.csv", encoding="utf-8"):
    table = tmp_path / name
    table.write_text(text, encoding=encoding)
    return read_targets(table)


@pytest.mark.parametrize("name", ["0006821", "1E5", "1.10", "7443.10", "+5", "007", "NaN-3"])
def test_names_stay_text(tmp_path, name):
    (target,) = read(tmp_path, f"galaxy,files,redshift\n{name},a.fits,0.01\n")
    assert target.galaxy == name


def test_names_of_files_stay_text(tmp_path):
    (target,) = read(tmp_path, "galaxy,files\nNGC 1,0012\n")
    assert target.files == (CubeFile.of(tmp_path / "0012"),)


@pytest.mark.parametrize("cell", ["", "-", "--", "N/A", "n/a", "nan", "null", " "])
def test_what_stands_for_unknown_is_unknown(tmp_path, cell):
    (target,) = read(tmp_path, f"galaxy,files,redshift,ra,dec\nNGC 1,a.fits,{cell},{cell},{cell}\n")
    assert math.isnan(target.redshift)
    assert math.isnan(target.ra_deg)
    assert math.isnan(target.dec_deg)


@pytest.mark.parametrize(
    ("ra", "dec"),
    [
        ("150.0", "2.0"),
        ("10:00:00.0", "+02:00:00"),
        ("10 00 00", "02 00 00.0"),
        ("10h00m00s", "2d00m00s"),
    ],
)
def test_positions_may_be_sexagesimal(tmp_path, ra, dec):
    (target,) = read(tmp_path, f"galaxy,files,ra,dec\nNGC 1,a.fits,{ra},{dec}\n")
    assert (target.ra_deg, target.dec_deg) == pytest.approx((150.0, 2.0))


@pytest.mark.parametrize(
    ("redshift", "words"),
    [
        ("4891", r"cannot be; expected -0.01 to 20; found 4891.*km/s, the redshift is 0.016314"),
        ("-1500", r"cannot be.*km/s, the redshift is -0.0050034"),
        ("-0.5", "cannot be.*Leave it empty"),
        ("inf", "cannot be.*found inf"),
        ("1e300", "cannot be"),
    ],
)
def test_redshifts_that_cannot_be_are_refused_with_the_reason(tmp_path, redshift, words):
    with pytest.raises(
        ConfigError, match=rf"targets\.csv: line 2: redshift of galaxy NGC 1 {words}"
    ):
        read(tmp_path, f"galaxy,files,redshift\nNGC 1,a.fits,{redshift}\n")


@pytest.mark.parametrize("redshift", ["-0.001", "0", "14.3"])
def test_redshifts_from_andromeda_to_the_farthest_are_read(tmp_path, redshift):
    (target,) = read(tmp_path, f"galaxy,files,redshift\nNGC 1,a.fits,{redshift}\n")
    assert target.redshift == float(redshift)


def test_a_velocity_given_as_redshift_on_the_command_line_is_refused():
    with pytest.raises(ConfigError, match=r"--redshift cannot be.*the redshift is 0.0163"):
        targets_from_cubes(["a.fits"], redshift=4891)


def test_units_of_an_ecsv_table_are_honoured(tmp_path):
    table = Table({"galaxy": ["007"], "files": ["a.fits"], "redshift": [2997.92458]})
    table["ra"], table["dec"] = [10.0], [7200.0]
    table["redshift"].unit, table["ra"].unit, table["dec"].unit = "km/s", "hourangle", "arcsec"
    table.write(tmp_path / "targets.ecsv")
    (target,) = read_targets(tmp_path / "targets.ecsv")
    assert target.galaxy == "007"
    assert target.redshift == pytest.approx(0.01)
    assert (target.ra_deg, target.dec_deg) == pytest.approx((150.0, 2.0))


def test_masked_cells_of_an_ecsv_table_are_unknown(tmp_path):
    table = Table({"galaxy": ["a", "b"], "files": ["a.fits", "b.fits"]}, masked=True)
    table["redshift"] = MaskedColumn([0.01, 0.02], mask=[False, True])
    table.write(tmp_path / "targets.ecsv")
    first, second = read_targets(tmp_path / "targets.ecsv")
    assert first.redshift == 0.01
    assert math.isnan(second.redshift)


def test_a_redshift_in_another_unit_is_refused(tmp_path):
    table = Table({"galaxy": ["a"], "files": ["a.fits"], "redshift": [3.0]})
    table["redshift"].unit = "Mpc"
    table.write(tmp_path / "targets.ecsv")
    with pytest.raises(ConfigError, match="wrong unit; expected none, or km/s; found Mpc"):
        read_targets(tmp_path / "targets.ecsv")


WRITTEN = {
    "byte order mark": "\ufeffgalaxy,files,redshift\nNGC 1,a.fits,0.01\n",
    "remarks": "# my sample\n\ngalaxy,files,redshift\n# the first\nNGC 1,a.fits,0.01\n",
    "names after #": "# galaxy,files,redshift\nNGC 1,a.fits,0.01\n",
    "spaces": "galaxy, files , redshift\nNGC 1 , a.fits, 0.01\n",
    "semicolons, decimal commas": "galaxy;files;redshift\nNGC 1;a.fits;0,01\n",
    "tabs": "galaxy\tfiles\tredshift\nNGC 1\ta.fits\t0.01\n",
    "capitals": "Galaxy,Files,Redshift\nNGC 1,a.fits,0.01\n",
    "lines of Windows": "galaxy,files,redshift\r\nNGC 1,a.fits,0.01\r\n",
    "quotes": 'galaxy,files,redshift\n"NGC 1","a.fits","0.01"\n',
    "an own column": "galaxy,files,redshift,class\nNGC 1,a.fits,0.01,Sy 2\n",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_tables_as_programs_write_them(tmp_path, name):
    assert read(tmp_path, WRITTEN[name]) == [Target("NGC 1", (tmp_path / "a.fits",), 0.01)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_text_in_utf_16_is_read_by_its_byte_order_mark(tmp_path, encoding):
    table = tmp_path / "targets.txt"
    mark = "" if encoding == "utf-16" else "\ufeff"
    table.write_bytes(f"{mark}galaxy\tfiles\tredshift\r\nNGC 1\ta.fits\t0.01\r\n".encode(encoding))
    assert read_targets(table) == [Target("NGC 1", (tmp_path / "a.fits",), 0.01)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "galaxy,files,redshift\nNGC 1,a.fits\n",
            r"line 2 .* number of cells.*expected 3.*found 2",
        ),
        ("galaxy,files\nNGC 1,a.fits,0.01\n", "line 2 .* number of cells"),
        ("galaxy,files,files\nNGC 1,a.fits,b.fits\n", "two columns 'files'"),
        ("galaxy,files,redshfit\nNGC 1,a.fits,0.1\n", "'redshfit'.*Name it 'redshift'"),
        ("galaxy,files,z\nNGC 1,a.fits,0.1\n", "'z'.*Name it 'redshift'"),
        ("galaxy,files\n ,a.fits\n", "line 2 .* has no name of a galaxy"),
        ("", "no column 'galaxy'.*found nothing"),
    ],
)
def test_tables_that_cannot_be_meant_so_are_refused_with_the_row(tmp_path, text, words):
    with pytest.raises(ConfigError, match=rf"targets\.csv: .*{words}"):
        read(tmp_path, text)


@pytest.mark.parametrize("name", ["NGC\x1b[2J", "NGC\u202e1", "NGC\u200b7469", "NGC\u00a07469"])
def test_a_name_with_characters_that_do_not_print_is_refused_with_its_line(tmp_path, name):
    table = tmp_path / "targets.csv"
    table.write_text(f"galaxy,files\ngood,a.fits\n{name},b.fits\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"line 3 .*does not print.*found NGC\\") as caught:
        read_targets(table)
    assert name not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "galaxy"),
    [("a\nb.fits", r"a\nb"), ("a\x1b[2J.fits", r"a\x1b[2J"), ("\u202ea.fits", r"\u202ea")],
)
def test_names_of_files_become_names_that_print_and_their_paths_stay(tmp_path, file, galaxy):
    (tmp_path / file).write_bytes(b"")
    (target,) = targets_from_cubes([tmp_path / file])
    assert target.galaxy == galaxy
    write_targets([target], tmp_path / "targets.ecsv")
    (again,) = read_targets(tmp_path / "targets.ecsv")
    assert (again.galaxy, again.files[0].local) == (galaxy, tmp_path / file)


@pytest.mark.parametrize("file", ["a;b.fits", "a\udcff.fits", "a.fits "])
def test_paths_that_no_table_can_hold_are_refused_before_the_run(tmp_path, file):
    with pytest.raises(ConfigError, match="cannot be kept in a table"):
        targets_from_cubes([tmp_path / file])


@pytest.mark.parametrize(
    ("column", "value", "redshift"),
    [
        ("redshift [km/s]", 4500, 4500 / 299792.458),
        ("redshift (km/s)", 4500, 4500 / 299792.458),
        ("Redshift [m/s]", 4.5e6, 4500 / 299792.458),
        ("redshift [-]", 0.015, 0.015),
    ],
)
def test_units_in_the_names_of_columns_are_honoured(tmp_path, column, value, redshift):
    path = tmp_path / "targets.csv"
    path.write_text(f"galaxy,files,{column},ra [hours],dec (arcmin)\nN1,a.fits,{value},10,-30\n")
    (target,) = read_targets(path)
    assert target.redshift == pytest.approx(redshift)
    assert (target.ra_deg, target.dec_deg) == pytest.approx((150.0, -0.5))


def test_an_unknown_unit_in_the_name_of_a_column_is_refused(tmp_path):
    path = tmp_path / "targets.csv"
    path.write_text("galaxy,files,redshift [furlong]\nN1,a.fits,1\n")
    with pytest.raises(ConfigError, match=r"column redshift has an unknown unit.*found furlong"):
        read_targets(path)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("velocity", r"Name it 'redshift \[km/s\]'"),
        ("cz", r"Name it 'redshift \[km/s\]'"),
        ("V_sys", r"Name it 'redshift \[km/s\]'"),
        ("z_spec", "Name it 'redshift'"),
        ("RAJ2000", "Name it 'ra'"),
        ("GLON", "Convert the position to ra and dec"),
        ("dist", "Name it 'distance'"),
    ],
)
def test_columns_with_a_known_meaning_are_not_left_out_silently(tmp_path, column, words):
    path = tmp_path / "targets.csv"
    path.write_text(f"galaxy,files,{column}\nN1,a.fits,30\n")
    with pytest.raises(ConfigError, match=words):
        read_targets(path)
    path.write_text(f"galaxy,files,redshift,ra,dec,distance,{column}\nN1,a.fits,0.01,1,2,3,30\n")
    assert read_targets(path)[0].redshift == 0.01  # what it says is known already


def test_columns_that_are_not_used_are_named(tmp_path):
    path = tmp_path / "targets.csv"
    path.write_text("galaxy,files,instrument,a,b,c,d,e\nA,a.fits,MUSE,1,2,3,4,5\n")
    with pytest.warns(SurveyWarning, match="not used: instrument, a, b, c, d and 1 more$"):
        read_targets(path)


def test_the_minus_sign_of_typeset_text_is_one(tmp_path):
    path = tmp_path / "targets.csv"
    path.write_text(
        "galaxy,files,redshift,ra,dec\n"
        "a,a.fits,\u22120.001,150,\u22120.5\nb,b.fits,0,10:00:00,\u221200:30:00\n",
        encoding="utf-8",
    )
    for target in read_targets(path):
        assert (target.ra_deg, target.dec_deg) == pytest.approx((150.0, -0.5))
    assert read_targets(path)[0].redshift == -0.001


def test_a_column_of_positions_and_a_cell_of_files(tmp_path):
    path = tmp_path / "targets.ecsv"
    position = SkyCoord([30.0], [0.0], unit="deg", frame="galactic")
    table = QTable({"galaxy": ["007"], "files": [["a.fits", "b.fits"]], "where": position})
    table.write(path)
    (target,) = read_targets(path)
    icrs = position[0].icrs
    assert (target.ra_deg, target.dec_deg) == pytest.approx((icrs.ra.deg, icrs.dec.deg))
    assert [file.name for file in target.files] == ["a.fits", "b.fits"]


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = tmp_path / "targets.csv"
    path.write_text("galaxy,files\nN1,~/a.fits;b.fits\n")
    (target,) = read_targets(path)
    assert [file.address for file in target.files] == [
        str(tmp_path / "home/a.fits"), str(tmp_path / "b.fits")
    ]  # fmt: skip
