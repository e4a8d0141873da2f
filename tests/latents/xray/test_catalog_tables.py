"""Tables of classified sources, and what hardness ratios tell of real ones."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from survey.errors import DataError
from survey.latents.xray.catalog_tables import agn_or_compact, hardness_ratios, read_catalog_table
from tests.benchmarks.latents.accuracy import balanced_accuracy

FLUX = arrays(np.float64, 5, elements=st.just(0.0) | st.floats(1e-20, 1e-10))

ROWS = """2CXO,Class,HRhm,HRhs,HRms,more
J1,AGN,0.1,0.2,0.3,x
J2,NS_BIN,,0.5,0.6,y
J3,CV-candidate,0.1,0.2,0.3,z
J4,CV,0.1,0.2,0.3,z
J5,YSO,0.1,0.2,0.3,z
"""


def test_classes_go_by_one_name_and_candidates_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(ROWS)
    sources = read_catalog_table(path)
    assert list(sources.classes) == ["AGN", "LMXB", "CV", "YSO"]
    assert list(sources.names) == ["J1", "J2", "J4", "J5"]
    assert np.isnan(sources.hardness[1, 0])
    assert sources.labels == "literature"
    names, either = agn_or_compact(sources)
    assert list(names[either]) == ["AGN", "compact", "compact"]


@given(FLUX, FLUX, FLUX, st.floats(1e-3, 1e3))
def test_ratios_lie_between_their_limits_and_know_no_scale(
    soft: np.ndarray, medium: np.ndarray, hard: np.ndarray, scale: float
) -> None:
    ratios = hardness_ratios(soft, medium, hard)
    assert (np.abs(ratios) <= 1).all()
    scaled = hardness_ratios(scale * soft, scale * medium, scale * hard)
    np.testing.assert_allclose(scaled, ratios, atol=1e-9)


def test_ratios_are_those_of_the_catalog() -> None:
    np.testing.assert_allclose(
        hardness_ratios(np.array([1.0]), np.array([2.0]), np.array([3.0])),
        [[(3 - 2) / 5, (3 - 1) / 4, (2 - 1) / 3]],
    )


def test_missing_fluxes_give_missing_ratios_and_dark_bands_none_or_all() -> None:
    ratios = hardness_ratios(np.array([np.nan, -1.0]), np.array([1.0, 0.0]), np.array([1.0, 4.0]))
    assert np.isnan(ratios[0]).tolist() == [False, True, True]
    np.testing.assert_allclose(ratios[1], [1.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n", "unknown table"),
        (b"", "not a readable CSV"),
        (b"\x1f\x8bnot gzip", "not a readable CSV"),
        (ROWS.replace("0.2", "bright").encode(), "not numbers"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / ("table.csv.gz" if content.startswith(b"\x1f") else "table.csv")
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_catalog_table(path)
    with pytest.raises(DataError, match="does not exist"):
        read_catalog_table(tmp_path / "missing.csv")


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("file", "rows", "labels", "n_classes"),
    [
        ("muwclass_TD", 2941, "literature", 8),
        ("CSCv2_TD_ave", 3012, "literature", 8),
        ("muwclass_TD_CSC_1", 2940, "literature", 7),
        ("umlcaxs_uniquely_classified", 8271, "predicted", 4),
    ],
)
def test_published_tables_are_read(
    shared_data: Path, file: str, rows: int, labels: str, n_classes: int
) -> None:
    sources = read_catalog_table(shared_data / "csc" / f"{file}.csv.gz")
    assert len(sources) == rows
    assert sources.labels == labels
    assert len(set(sources.classes)) == n_classes
    known = sources.hardness[np.isfinite(sources.hardness)]
    assert np.abs(known).max() <= 1


@pytest.mark.real_data
def test_hardness_ratios_of_real_sources_score_what_they_are_known_to(shared_data: Path) -> None:
    """The level that a representation of the same sources has to beat."""
    sources = read_catalog_table(shared_data / "csc" / "muwclass_TD.csv.gz")
    eight = balanced_accuracy(sources.hardness, sources.classes, sources.names, seeds=(0,))
    assert eight.mean == pytest.approx(0.36, abs=0.03)
    names, either = agn_or_compact(sources)
    two = balanced_accuracy(
        sources.hardness[either],
        names[either],
        sources.names[either],
        classifier="forest",
        seeds=(0,),
    )
    assert 0.69 <= two.mean <= 0.73
