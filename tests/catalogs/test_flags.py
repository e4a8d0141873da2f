"""Quality bits are declared once, distinct, and can be read back."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogs import CatalogError
from catalogs.flags import FEATURES, FLAGS, ClusterFlag, describe_flags, flag_names, has_flag
from catalogs.schema import declared_tables

TABLES = sorted(FLAGS)


@pytest.mark.parametrize("table", TABLES)
def test_every_bit_is_one_bit_with_a_meaning(table):
    bits = [flag.value for flag in FLAGS[table]]
    assert bits == [1 << number for number in range(len(bits))]
    assert all(flag.meaning for flag in FLAGS[table])


def test_every_table_with_flags_has_declared_bits():
    with_flags = {
        name
        for name, table in declared_tables().items()
        if any(column.name == "flags" for column in table.columns)
    }
    assert with_flags == set(FLAGS) - {FEATURES}


def test_the_columns_of_a_feature_explain_its_bits():
    (column,) = (c for c in declared_tables()["clusters"].columns if c.name == "quality_PAH_12.7")
    assert describe_flags(FEATURES) in column.description


@given(st.data())
def test_names_of_a_set_of_bits_give_the_set_back(data):
    kind = FLAGS[table := data.draw(st.sampled_from(TABLES))]
    chosen = data.draw(st.sets(st.sampled_from(list(kind))))
    value = sum(chosen)
    assert {kind[name.upper()] for name in flag_names(table, value)} == chosen


def test_bits_combine_and_can_be_tested_by_name():
    flags = ClusterFlag.NUCLEAR | ClusterFlag.TOUCHES_EDGE
    assert ClusterFlag.NUCLEAR in flags
    assert ClusterFlag.LOW_SNR not in flags
    assert flag_names("clusters", flags) == ["nuclear", "touches_edge"]


@pytest.mark.parametrize("value", [1 << 30, -1])
def test_an_undeclared_bit_is_an_error(value):
    with pytest.raises(CatalogError, match="undeclared quality bit"):
        flag_names("clusters", value)


def test_a_table_without_flags_is_an_error():
    with pytest.raises(CatalogError, match="no quality flags"):
        flag_names("spectra", 1)


@pytest.mark.parametrize("table", TABLES)
def test_the_description_explains_every_bit(table):
    text = describe_flags(table)
    for flag in FLAGS[table]:
        assert f"{flag.value} = {flag.name.lower()} ({flag.meaning})" in text


def test_rows_are_selected_by_the_name_of_a_flag():
    flags = pd.Series([0, 1, 2, 3])
    assert has_flag("clusters", flags, "nuclear").to_list() == [False, False, True, True]
    assert has_flag("clusters", 2, "nuclear") is True
    for table, kind in FLAGS.items():
        for flag in kind:
            name = str(flag.name).lower()
            assert has_flag(table, int(flag), name)
            assert not has_flag(table, ~int(flag), name)


def test_a_flag_that_does_not_exist_is_an_error_with_those_that_do():
    with pytest.raises(CatalogError, match=r"no flag 'bright'.*'low_snr' or 'nuclear'"):
        has_flag("clusters", 0, "bright")
