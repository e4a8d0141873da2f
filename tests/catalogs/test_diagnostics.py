"""Ratios, demarcation lines and rules for labels are data that can be relied upon."""

import pytest

from catalogs import CatalogError
from catalogs.reference import packaged_reference
from catalogs.schema import arrow_schema


def test_a_row_without_denominator_is_every_pair() -> None:
    names = [ratio.name for ratio in packaged_reference().ratios("ch3-pairs")]
    assert len(names) == 66
    assert names[:2] == ["MgV_13.52/NeV_14.32", "MgV_13.52/ArV_13.10"]


def test_every_named_ratio_has_its_columns() -> None:
    names = set(arrow_schema("clusters").names)
    for ratio in packaged_reference().ratio_names:
        assert {f"log_{ratio}", f"logerr_{ratio}", f"loglimit_{ratio}"} <= names
    assert len(set(packaged_reference().ratio_names)) == len(packaged_reference().ratio_names)


def test_demarcation_lines_are_of_ratios_that_are_measured() -> None:
    bpt = {ratio.name for ratio in packaged_reference().ratio_sets["bpt"]}
    for line in packaged_reference().demarcations:
        assert {line.x, line.y} <= bpt
        assert line.source
        assert isinstance(line.a, float)


def test_rules_label_nuclei_and_discs() -> None:
    assert {rule.place for rule in packaged_reference().place_classes} == {"nucleus", "disc"}


def test_an_unknown_set_is_an_error_that_lists_the_sets() -> None:
    with pytest.raises(CatalogError, match=r"no set of ratios is called 'ch5'.*ch3-short"):
        packaged_reference().ratios("ch5")
