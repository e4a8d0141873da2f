"""One declaration makes the schema, the documentation and the tables, and nothing else fits."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy.io.votable.ucd import check_ucd
from astropy.units import Unit
from hypothesis import given
from hypothesis import strategies as st

from catalogs import CatalogError
from catalogs.reference import packaged_reference
from catalogs.schema import (
    arrow_schema,
    declared_table,
    declared_tables,
    describe,
    source_declarations,
    to_arrow,
)
from catalogs.vocabulary import Vocabulary

COLUMNS = [
    pytest.param(column, id=f"{table.name}.{column.name}")
    for table in (*declared_tables().values(), *source_declarations(("AGN",)).values())
    for column in table.columns
    if not column.name.startswith(("err_", "detected_", "limit_", "quality_", "ewerr_", "region_"))
]
TABLES = sorted({*declared_tables(), *source_declarations()})


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_has_a_valid_unit_and_ucd_and_a_description(column):
    Unit(column.unit, format="vounit")
    assert check_ucd(column.ucd, check_controlled_vocabulary=True)
    assert column.description
    assert "{" not in column.name + column.description


@pytest.mark.parametrize("name", TABLES)
def test_column_names_are_unique_and_keys_are_required(name):
    table = declared_table(name)
    columns = {column.name: column for column in table.columns}
    assert len(columns) == len(table.columns)
    assert all(columns[key].required and not columns[key].volatile for key in table.key)


@pytest.mark.parametrize("name", TABLES)
def test_tables_fit_the_largest_number_of_columns_of_fits(name):
    assert len(declared_table(name).columns) <= 999


FAMILY = (
    "flux", "err", "detected", "limit", "quality", "ew", "ewerr", "region_flux", "region_err",
)  # fmt: skip


def test_every_common_line_and_band_has_the_whole_family_of_columns_and_rare_lines_have_none():
    names = set(arrow_schema("clusters").names)
    for feature in (*packaged_reference().lines, *packaged_reference().bands):
        is_wide = getattr(feature, "common", True)
        assert {f"{prefix}_{feature.name}" in names for prefix in FAMILY} == {is_wide}


def test_columns_are_those_of_the_window_of_the_run():
    reference = packaged_reference()
    vocabulary = Vocabulary.of(reference, reference.window("ch3-short"))
    names = {feature.name for feature in vocabulary.features}
    assert {"NeII_12.81", "PAH_12.7"} <= names
    assert not {"NeIII_15.56", "SIII_18.71", "Halpha_6563", "PAH_11.3"} & names
    assert all(names.issuperset(ratio.replace("/", "+").split("+")) for ratio in vocabulary.ratios)
    assert set(vocabulary.ratios) < set(reference.ratio_names)


def test_all_columns_of_a_whole_cube_leave_room_for_those_of_classes():
    vocabulary = Vocabulary.of(packaged_reference()).with_classes(tuple("ABCDEFGH"))
    assert len(arrow_schema("clusters", vocabulary=vocabulary).names) < 900


def test_lines_that_are_looked_for_one_by_one_have_a_velocity_and_no_others():
    names = {name for name in arrow_schema("clusters").names if name.startswith("velocity_")}
    of_spectrum = {f"velocity_{name}" for name in ("km_s", "err_km_s", "significance", "n_line")}
    bright = {f"velocity_{line.name}" for line in packaged_reference().lines if line.bright}
    assert names == of_spectrum | bright
    field = arrow_schema("clusters").field("velocity_NeII_12.81")
    assert field.metadata[b"unit"] == b"km s-1"


def test_fields_carry_unit_ucd_and_description():
    field = arrow_schema("clusters").field("flux_NeII_12.81")
    assert field.type == pa.float64()
    assert field.metadata[b"unit"] == b"W m-2 arcsec-2"
    assert field.metadata[b"ucd"] == b"phot.flux.sb;em.line"
    assert b"[Ne II] 12.8" in field.metadata[b"description"]


def test_timings_and_memory_are_the_volatile_columns():
    table = declared_tables()["galaxies"]
    volatile = {column.name for column in table.columns if column.volatile}
    of_memory = {"peak_memory_bytes", "projected_memory_bytes"}
    assert of_memory <= volatile
    assert volatile - of_memory == {
        column.name for column in table.columns if column.name.startswith("seconds_")
    }


@pytest.mark.parametrize("name", TABLES)
def test_the_documentation_lists_every_column(name):
    text = describe(name)
    assert all(f"| `{column.name}` |" in text for column in declared_table(name).columns)


SPAXEL = {"galaxy": "NGC 1", "y": 1, "x": 2, "cluster": 1, "flags": 0}


def test_columns_frames_and_rows_make_the_same_table():
    columns = {name: [value, value] for name, value in SPAXEL.items()}
    table = to_arrow("spaxels", columns)
    assert table.schema.equals(arrow_schema("spaxels"), check_metadata=True)
    assert table.equals(to_arrow("spaxels", pd.DataFrame(columns)))
    assert table.equals(to_arrow("spaxels", [SPAXEL, SPAXEL]))
    assert table.equals(to_arrow("spaxels", SPAXEL | {"x": np.array([2, 2])}))


def test_no_rows_make_an_empty_table_of_the_same_schema():
    table = to_arrow("quarantine", [])
    assert len(table) == 0
    assert table.schema.equals(arrow_schema("quarantine"), check_metadata=True)


@given(st.lists(st.floats(width=32) | st.none(), min_size=1))
def test_numbers_come_back_as_they_went_in_and_nan_as_missing(values):
    table = to_arrow("spaxels", [SPAXEL | {"snr": value} for value in values])
    expected = [None if value is None or math.isnan(value) else value for value in values]
    assert table["snr"].to_pylist() == expected


def test_nan_inside_a_spectrum_stays_nan():
    spectra = to_arrow(
        "spectra",
        {
            "galaxy": "NGC 1",
            "cluster": [1, 2],
            "wavelength_um": [[1.0, 2.0], [1.0]],
            "median": [np.array([np.nan, 2.0]), np.array([3.0])],
            "flux_unit": "Jy",
        },
    )
    np.testing.assert_array_equal(spectra["median"].to_pandas()[0], [np.nan, 2.0])
    assert spectra["std"].null_count == 2


def test_a_detection_that_is_not_given_is_false():
    row = {"galaxy": "a", "cluster": 1, "n_spaxel": 3, "nuclear": True, "low_snr": False}
    clusters = to_arrow("clusters", [row | {"flags": 0}]).to_pandas()
    assert clusters["detected_NeII_12.81"].dtype == bool
    assert not clusters["detected_NeII_12.81"].any()
    assert clusters["flux_NeII_12.81"].isna().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clutser": 1}, "no column 'clutser'.*Did you mean cluster"),
        ({"cluster": None}, "'cluster' of table 'spaxels' is required.*1 missing"),
        ({"galaxy": 123}, "'galaxy'.*do not fit.*string"),
        ({"x": 1.5}, "'x'.*do not fit.*int32"),
        ({"x": [1, 2], "y": [1]}, "'y'.*too short.*2 rows.*found 1"),
        ({"x": 2**40}, "'x'.*do not fit.*int32"),
        ({"snr": "bright"}, "'snr'.*do not fit.*float"),
        ({"snr": np.ones((1, 2))}, "'snr'.*do not fit.*float"),
    ],
)
def test_what_was_not_declared_is_an_error_that_names_the_column(change, message):
    with pytest.raises(CatalogError, match=message):
        to_arrow("spaxels", SPAXEL | change)


def test_floats_in_a_list_are_not_cut_to_integers():
    with pytest.raises(CatalogError, match="do not fit"):
        to_arrow("spaxels", [SPAXEL | {"x": 1.7}])


def test_a_list_of_text_is_no_text(part_tables):
    row = part_tables("NGC 1")["galaxies"][0]
    with pytest.raises(CatalogError, match=r"'files'.*do not fit"):
        to_arrow("galaxies", [row | {"files": ["a.fits"]}])


def test_a_required_column_cannot_be_left_out():
    with pytest.raises(CatalogError, match="'nuclear' of table 'clusters' is required"):
        to_arrow(
            "clusters", [{"galaxy": "a", "cluster": 1, "n_spaxel": 3, "low_snr": True, "flags": 0}]
        )


def test_an_unknown_table_is_an_error_that_lists_the_tables():
    with pytest.raises(CatalogError, match="no table 'planets'; expected galaxies or clusters"):
        arrow_schema("planets")
