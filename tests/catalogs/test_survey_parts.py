"""Classes are joined into the clusters they were made of, and into no others."""

from pathlib import Path

import numpy as np
import pytest

from catalogs import CatalogError, open_catalog
from catalogs.flags import ClusterFlag
from catalogs.part_tables import write_part_table
from catalogs.parts import Receipt
from catalogs.publish import publish, publish_again
from catalogs.schema import to_arrow
from catalogs.survey_parts import CLASSES, SurveyPart, commit_survey_part, current_survey_parts
from catalogs.verify import verify
from catalogs.vocabulary import packaged_vocabulary

NAMES = ("AGN", "SF")


def rows_of(galaxy: str) -> list[dict]:
    """Rows of two clusters, not in order."""
    overruled = int(ClusterFlag.LABEL_OVERRULED)
    return [
        {"galaxy": galaxy, "cluster": 2, "class": "SF", "p_AGN": 0.25, "p_SF": 0.75,
         "flags": overruled},
        {"galaxy": galaxy, "cluster": 1, "class": "AGN", "p_AGN": 0.75, "p_SF": 0.25, "flags": 0},
    ]  # fmt: skip


def classified(
    root: Path, parts: list[Path], key: str = "c1", more: dict[int, dict] | None = None
) -> SurveyPart:
    receipts = [Receipt.read(part) for part in parts]
    rows = [
        row | (more or {}).get(row["cluster"], {})
        for receipt in receipts
        for row in rows_of(receipt.galaxy)
    ]

    def write(folder: Path) -> None:
        write_part_table(
            folder, "classes", to_arrow("classes", rows, packaged_vocabulary().with_classes(NAMES))
        )
        for name in CLASSES.tables:
            write_part_table(folder, name, to_arrow(name, []))

    keys = {receipt.galaxy: receipt.key for receipt in receipts}
    summary = {"classes": list(NAMES), "sample_key": "s1"}
    return commit_survey_part(CLASSES, root, key, galaxies=keys, write=write, summary=summary)


@pytest.fixture
def parts(make_part) -> list[Path]:
    return [make_part(name) for name in ("NGC 2", "NGC 1")]


def test_every_cluster_gets_its_own_class(tmp_path, parts):
    publish(tmp_path, parts, survey_parts=[classified(tmp_path, parts)])
    catalog = open_catalog(tmp_path)
    clusters = catalog.clusters.set_index(["galaxy", "cluster"])
    assert clusters["class"].tolist() == ["AGN", "SF"] * 2
    assert clusters.loc[("NGC 1", 2), "p_SF"] == 0.75
    assert clusters["flags"].tolist() == [0, ClusterFlag.LABEL_OVERRULED] * 2
    assert catalog.classes == NAMES
    assert all(check.ok for check in verify(tmp_path))


SHARES = {
    1: {"light": 30.0, "share_AGN": 0.75, "share_SF": 0.25},
    2: {"light": 10.0, "share_AGN": 0.5, "share_SF": 0.5},
}


def mixed(tables: dict) -> None:
    """Spaxels that are mixtures, but for the first."""
    tables["spaxels"]["fractions"] = [
        None if k == 0 else [0.75, 0.25] if number == 1 else [0.5, 0.5]
        for k, number in enumerate(tables["spaxels"]["cluster"])
    ]


def test_shares_of_spaxels_and_galaxies_follow_from_probabilities_fractions_and_light(
    tmp_path, make_part
):
    part = make_part("NGC 1", edit=mixed)
    publish(tmp_path, [part], survey_parts=[classified(tmp_path, [part], more=SHARES)])
    catalog = open_catalog(tmp_path)
    assert catalog.clusters["share_AGN"].tolist() == [0.75, 0.5]
    assert "light" not in catalog.clusters
    # (30 x 0.75 + 10 x 0.5) / 40
    assert catalog.galaxies.loc[0, ["share_AGN", "share_SF"]].tolist() == [0.6875, 0.3125]
    spaxels = catalog.spaxels("NGC 1")
    assert np.isnan(spaxels["share_AGN"][0])
    # 0.75 x p of the first + 0.25 x p of the second: 0.75 x 0.75 + 0.25 x 0.25, or half of each
    expected = np.where(spaxels["cluster"] == 1, 0.625, 0.5)
    np.testing.assert_array_equal(spaxels["share_AGN"][1:], expected[1:])
    np.testing.assert_array_equal(spaxels["share_SF"][1:], 1 - expected[1:])
    assert all(check.ok for check in verify(tmp_path))


def test_without_fractions_and_in_a_galaxy_that_changed_there_are_no_shares(tmp_path, make_part):
    parts = [make_part("NGC 1"), make_part("NGC 2", edit=mixed)]
    classification = classified(tmp_path, parts, more=SHARES)
    changed = make_part("NGC 2", 2.0, edit=mixed)
    publish(tmp_path, [parts[0], changed], survey_parts=[classification])
    catalog = open_catalog(tmp_path)
    assert catalog.galaxies.set_index("galaxy")["share_AGN"].notna().to_dict() == {
        "NGC 1": True, "NGC 2": False,
    }  # fmt: skip
    for galaxy in ("NGC 1", "NGC 2"):
        assert catalog.spaxels(galaxy)["share_AGN"].isna().all()


def test_without_a_classification_there_is_a_class_for_nobody(tmp_path, parts):
    publish(tmp_path, parts)
    clusters = open_catalog(tmp_path).clusters
    assert (clusters["class"] == "").all()
    assert not any(name.startswith("p_") for name in clusters)
    assert current_survey_parts(tmp_path) == {}


def test_clusters_that_changed_have_no_class_but_a_flag(tmp_path, parts, make_part):
    classification = classified(tmp_path, parts)
    changed = [make_part("NGC 1", 2.0), parts[0]]
    publish(tmp_path, changed, survey_parts=[classification])
    clusters = open_catalog(tmp_path).clusters.set_index("galaxy")
    assert (clusters.loc["NGC 1", "class"] == "").all()
    assert clusters.loc["NGC 1", "p_AGN"].isna().all()
    assert (clusters.loc["NGC 1", "flags"] == int(ClusterFlag.CLASS_OUTDATED)).all()
    assert clusters.loc["NGC 2", "class"].tolist() == ["AGN", "SF"]
    assert all(check.ok for check in verify(tmp_path))


def test_publishing_again_changes_classes_and_nothing_else(tmp_path, parts):
    publish(tmp_path, parts, metadata={"survey_version": "0"})
    before = open_catalog(tmp_path)
    first = publish_again(tmp_path, classified(tmp_path, parts))
    assert publish_again(tmp_path, classified(tmp_path, parts)) == first
    after = open_catalog(tmp_path)
    assert after.galaxies[before.galaxies.columns].equals(before.galaxies)
    assert after.galaxies.columns.difference(before.galaxies.columns).tolist() == [
        "share_AGN", "share_SF"
    ]  # fmt: skip
    assert after.clusters["flux"].equals(before.clusters["flux"])
    assert {name: part.key for name, part in current_survey_parts(tmp_path).items()} == {
        "classes": "c1"
    }


def test_a_damaged_classification_is_none(tmp_path, parts):
    classification = classified(tmp_path, parts)
    publish(tmp_path, parts, survey_parts=[classification])
    (classification.receipt.path / "classes.arrow").write_bytes(b"")
    with pytest.warns(UserWarning, match="discarded"):
        assert current_survey_parts(tmp_path) == {}


def test_a_classification_of_other_clusters_is_refused(tmp_path, make_part):
    def one_more(tables):
        tables["clusters"] |= {"cluster": [1, 3]}

    part = make_part("NGC 1", edit=one_more)
    with pytest.raises(CatalogError, match="other clusters of galaxy 'NGC 1'"):
        publish(tmp_path, [part], survey_parts=[classified(tmp_path, [part])])
