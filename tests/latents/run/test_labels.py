"""Labels of any table: by declared columns, by name or position, with where they are from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from survey.errors import ConfigError
from survey.latents.run.labels import match_labels, plain_name, read_labels
from survey.latents.run.provenance import judged, known_references, provenance_rows
from survey.latents.run.settings import LabelColumns, load_source_settings

NOWHERE = np.full(9, np.nan)


def table_of(folder: Path, **columns: list) -> Path:
    pd.DataFrame(columns).to_csv(folder / "labels.csv", index=False)
    return folder / "labels.csv"


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("file", "rows", "with_reference"),
    [
        ("muwclass_TD", 2941, 2941),
        ("CSCv2_TD_ave", 3012, 3012),
        ("muwclass_TD_CSC_1", 2940, 2940),
        ("umlcaxs_uniquely_classified", 8271, 0),
    ],
)
def test_published_tables_are_read_with_their_references(
    shared_data: Path, file: str, rows: int, with_reference: int
) -> None:
    table = read_labels(shared_data / "csc" / f"{file}.csv.gz")
    assert len(table.labels) == rows
    assert sum(bool(one.reference) for one in table.labels) == with_reference
    assert np.isfinite(table.ra_deg + table.dec_deg).all()


@pytest.mark.real_data
def test_a_table_of_the_family_with_other_columns_is_read_as_declared(
    shared_data: Path, tmp_path: Path
) -> None:
    whole = pd.read_csv(shared_data / "csc" / "muwclass_TD.csv.gz", dtype=str)
    other = whole.rename(columns={"CSCv2_name": "Obj", "True_Class": "Kind", "Class_ref": "Bib"})
    other[["Obj", "Kind", "Bib"]].to_csv(tmp_path / "other.csv.gz", index=False)
    columns = LabelColumns.model_validate({"id": "Obj", "class": "Kind", "reference": "Bib"})
    table = read_labels(tmp_path / "other.csv.gz", columns)
    assert [one.source_class for one in table.labels] == whole["True_Class"].tolist()
    assert [one.reference for one in table.labels] == whole["Class_ref"].tolist()


@pytest.mark.real_data
def test_most_labels_of_the_training_set_are_known_to_have_used_x_rays_or_not(
    shared_data: Path,
) -> None:
    table = read_labels(shared_data / "csc" / "muwclass_TD.csv.gz")
    uses = [one.used_xray for one in table.labels]
    assert uses.count("unknown") < 0.15 * len(uses)
    assert {"yes", "no", "partly"} <= set(uses)


def test_names_match_with_and_without_prefix_space_and_case(tmp_path: Path) -> None:
    path = table_of(
        tmp_path, id=["J004231.1+411621", "2cxo J140312.5+542056X", "3C 186"],
        **{"class": ["XB", "AGN", "AGN"]},
    )  # fmt: skip
    names = [["2CXO J004231.1+411621"], ["2CXOJ140312.5+542056x"], ["2CXO J140312.5+542056"],
             ["nothing", "3c186"]]  # fmt: skip
    found = match_labels(names, NOWHERE[:4], NOWHERE[:4], read_labels(path), 1.0)
    assert [one and one.source_class for one in found] == ["XB", "AGN", None, "AGN"]
    assert plain_name("2CXO J1") == plain_name("j1")


def test_what_has_no_name_in_common_is_matched_by_the_nearest_position(tmp_path: Path) -> None:
    path = table_of(
        tmp_path, ra=[10.0, 10.0, 200.0], dec=[41.0, 41.0003, -10.0],
        **{"class": ["near", "nearer", "far"]},
    )  # fmt: skip
    ra, dec = np.array([10.0, 50.0, np.nan]), np.array([41.0002, 0.0, 0.0])
    found = match_labels([["a"], ["b"], ["c"]], ra, dec, read_labels(path), 1.0)
    assert found[0] is not None
    assert (found[0].source_class, found[0].matched) == ("nearer", "position")
    assert found[1:] == [None, None]
    assert match_labels([["a"]], ra[:1], dec[:1], read_labels(path), 0.2) == [None]


def test_a_source_of_two_classes_has_none_and_is_told(tmp_path: Path) -> None:
    path = table_of(tmp_path, id=["a", "a", "b", "b"], **{"class": ["X", "Y", "Z", "Z"]})
    with pytest.warns(UserWarning, match="1 sources have rows of different classes"):
        found = match_labels([["a"], ["b"]], NOWHERE[:2], NOWHERE[:2], read_labels(path), 1.0)
    assert [one and one.source_class for one in found] == [None, "Z"]


def test_what_a_table_or_the_user_says_goes_before_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "refs.csv").write_text("reference,used_xray\nmine,no\n2012AJ....144..192M,yes\n")
    path = table_of(
        tmp_path, id=list("abcd"), ref=["mine", "2012AJ....144..192M", "mine", "1950AJ"],
        used_xray=["", "", "true", ""], **{"class": list("XXYY")},
    )  # fmt: skip
    table = read_labels(path, LabelColumns(references="refs.csv"))
    assert [one.used_xray for one in table.labels] == ["no", "yes", "yes", "no"]


def test_old_bibcodes_are_from_before_x_ray_catalogues_and_others_unknown() -> None:
    known = known_references()
    assert judged("1956ApJ...124..530S", known).used_xray == "no"
    assert judged("1999ApJ...124..530S", known).used_xray == "unknown"
    assert judged("arXiv:2011.14483", known).used_xray == "unknown"


def test_provenance_counts_every_class_and_reference() -> None:
    references = ["r", "r", "2006A&A...455.1165L", "r"]
    uses = ["unknown", "unknown", "yes", "unknown"]
    rows = provenance_rows("XXXY", references, uses, known_references())
    assert [(r["class"], r["reference"], r["n_source"]) for r in rows] == [
        ("X", "2006A&A...455.1165L", 1), ("X", "r", 2), ("Y", "r", 1),
    ]  # fmt: skip
    assert "Liu" in rows[0]["catalogue"]


@pytest.mark.parametrize(
    ("columns", "declared", "message"),
    [
        ({"id": ["a"]}, {}, "no column for the class"),
        ({"class": ["a"]}, {}, "neither names nor positions"),
        ({"id": ["a"], "class": ["x"]}, {"class": "Kind"}, "no column 'Kind'"),
    ],
)
def test_what_is_wrong_with_a_table_of_labels_is_said(
    tmp_path: Path, columns: dict, declared: dict, message: str
) -> None:
    path = table_of(tmp_path, **columns)
    with pytest.raises(ConfigError, match=message):
        read_labels(path, LabelColumns.model_validate(declared))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[labels]\nklass = 'x'", "labels.klass"),
        ("[model]\nlatents = 0", "model.latents"),
        ("[labels", "not a TOML file"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_source_settings(tmp_path / "s.toml")
