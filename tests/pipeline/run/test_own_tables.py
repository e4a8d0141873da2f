"""Lines, windows and instruments that a user brings along."""

import pandas as pd
import pytest

from catalogs import open_catalog
from catalogs.errors import CatalogError
from catalogs.reference import packaged_reference, read_reference
from catalogs.verify import verify
from survey.config import build_settings, load_settings
from survey.errors import ConfigError
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.ratios import named_predictors, named_ratios
from survey.pipeline.reference import reference_of, reference_of_run
from survey.pipeline.run.plan import plan_run
from survey.pipeline.run.survey import run_survey

HEADER = """\
# %ECSV 1.0
# ---
# datatype:
# - {name: name, datatype: string}
# - {name: wavelength, unit: Angstrom, datatype: float64}
# - {name: source, datatype: string}
# schema: astropy-2.0
name wavelength source
"""
PREDICTORS = """\
# %ECSV 1.0
# ---
# datatype:
# - {name: set, datatype: string}
# - {name: numerator, datatype: string}
# - {name: denominator, datatype: string}
# - {name: offset, datatype: float64}
# - {name: source, datatype: string}
# schema: astropy-2.0
set numerator denominator offset source
mine NeIII_15.56 NeII_12.81 0.05 "this test"
"""
OWN_LINE = 'Own_12.90 129000.0 "this test"\n'


def settings_of(tmp_path, **tables):
    common = {"cut": {"criterion": "fixed", "k": 3}, "report": {"figures": False}}
    return build_settings(common | {"tables": {n: str(f) for n, f in tables.items()}})


@pytest.fixture
def own_lines(tmp_path):
    path = tmp_path / "my_lines.ecsv"
    path.write_text(HEADER + OWN_LINE)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, targets, cluster):
    """A run with a line of its own."""
    root = tmp_path_factory.mktemp("own")
    path = root / "my_lines.ecsv"
    path.write_text(HEADER + OWN_LINE)
    run_survey(root / "run", targets[:1], settings_of(root, lines=path), cluster)
    path.unlink()
    return root / "run"


def test_a_line_of_ones_own_is_measured_and_described(run):
    catalog = open_catalog(run)
    assert catalog.clusters["flux_Own_12.90"].notna().all()
    assert catalog.clusters["flux_NeII_12.81"].notna().all()
    field = catalog.arrow_schema("clusters").field("flux_Own_12.90")
    assert b"Own_12.90 12.9 um" in field.metadata[b"description"]
    assert all(check.ok for check in verify(run))
    pd.read_parquet(run / "catalog" / "clusters.parquet", columns=["flux_Own_12.90"])


def test_a_run_keeps_the_tables_it_was_made_with(run, targets, cluster):
    assert (run / "tables" / "lines.ecsv").read_text() == HEADER + OWN_LINE
    assert load_settings(run / "survey.toml").tables.lines == "tables/lines.ecsv"
    assert "Own_12.90" in {line.name for line in reference_of_run(run).lines}
    plan = plan_run([run / "survey.toml"])
    again = run_survey(run, plan.targets, plan.settings, cluster)
    assert again.count("reused") == 1


def test_tables_change_the_key_of_what_is_measured_and_of_nothing_else(
    targets, tmp_path, own_lines
):
    plain, own = (
        GalaxyRunner(targets[0], settings, tmp_path).keys
        for settings in (settings_of(tmp_path), settings_of(tmp_path, lines=own_lines))
    )
    changed = {stage for stage in plain if plain[stage] != own[stage]}
    assert changed == {"features", "commit"}


def test_rows_of_the_same_name_take_the_place_of_the_packaged_ones(own_lines):
    own_lines.write_text(HEADER + 'NeII_12.81 128150.0 "this test"\n')
    reference = read_reference({"lines": [own_lines]})
    (line,) = (line for line in reference.lines if line.name == "NeII_12.81")
    assert line.wavelength_um == pytest.approx(12.815)
    assert len(reference.lines) == len(packaged_reference().lines)


def test_a_list_can_take_the_place_of_all_packaged_rows(own_lines):
    reference = read_reference({"lines": [own_lines]}, replaced=["lines"])
    assert [line.name for line in reference.lines] == ["Own_12.90"]
    assert all(not band.subtract for band in reference.bands)
    known = {"Own_12.90"} | {band.name for band in reference.bands}
    ratios = [ratio for ratios in reference.ratio_sets.values() for ratio in ratios]
    assert all(known.issuperset(ratio.features) for ratio in ratios)


@pytest.mark.parametrize(
    ("table", "name", "text", "words"),
    [
        ("lines", "a.ecsv", HEADER + OWN_LINE + "Bad -1.0 x\n", r"a\.ecsv:10: Bad has no positive"),
        ("lines", "a.ecsv", HEADER + OWN_LINE + OWN_LINE, r"a\.ecsv:10: Own_12\.90 occurs more"),
        ("lines", "a.ecsv", HEADER + '"a/b" 1.0 x\n', r"a\.ecsv:9: a name has characters"),
        ("lines", "a.ecsv", "name\n", "cannot be read as an ECSV table"),
        (
            "windows",
            "a.toml",
            "[windows]\nmine = [3, 2]\n",
            r"a\.toml:2: window 'mine' is not a range",
        ),
        (
            "windows",
            "a.toml",
            "[windows]\nmine = 3 4\n",
            r"a\.toml: cannot be read as TOML .*line 2",
        ),
        ("windows", "a.toml", "[lines]\n", r"a\.toml:1: unknown section 'lines'"),
        ("predictors", "a.ecsv", PREDICTORS + "mine X_1 NeII_12.81 0 x\n", "unknown .* X_1"),
        ("predictors", "a.ecsv", PREDICTORS + 'mine PAH_12.7 "" 0 x\n', "has no denominator"),
        ("predictors", "a.ecsv", PREDICTORS + "mine PAH_12.7 continuum -1 x\n", "negative"),
        (
            "predictors",
            "a.ecsv",
            PREDICTORS + "mine NeIII_15.56 NeII_12.81 0 x\n",
            "more than once in set mine",
        ),
        ("instruments", "a.toml", "[X]\n[Mine]\nsource = 'a'\n", r"a\.toml:1: instrument 'X'"),
    ],
)
def test_a_bad_table_is_refused_with_its_file_and_line(tmp_path, table, name, text, words):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(CatalogError, match=words):
        reference_of(settings_of(tmp_path, **{table: path}).tables)


def test_predictors_of_ones_own_are_used_and_change_no_measurement(tmp_path):
    path = tmp_path / "predictors.ecsv"
    path.write_text(PREDICTORS)
    own = reference_of(settings_of(tmp_path, predictors=path).tables)
    (predictor,) = named_predictors("mine", own)
    assert (predictor.name, predictor.offset) == ("NeIII_15.56/NeII_12.81", 0.05)
    assert own.digest == packaged_reference().digest
    assert named_predictors("ch3", own) == named_predictors("ch3")


def test_a_set_of_ratios_without_predictors_is_used_with_the_slope():
    names = [each.name for each in named_predictors("ch3-pairs")]
    assert names == [*(each.name for each in named_ratios("ch3-pairs")), "slope_alpha"]


def test_a_window_of_ones_own_is_known_to_the_settings(archive, tmp_path):
    path = tmp_path / "windows.toml"
    path.write_text("[windows]\nneon = [12.6, 13.0]\n")
    tables = {"tables": {"windows": str(path)}, "prepare": {"window": "neon"}}
    plan = plan_run([archive / "survey.toml"], overrides=tables)
    assert plan.settings.prepare.window == "neon"


def test_a_table_that_is_not_there_is_refused_before_anything_starts(archive):
    with pytest.raises(ConfigError, match=r"tables\.lines: no such file"):
        plan_run([archive / "survey.toml"], overrides={"tables": {"lines": "nowhere.ecsv"}})
