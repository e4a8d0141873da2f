"""A damaged catalog is found, whatever the damage, and is published anew as it was."""

import random
import shutil

import pyarrow.parquet as pq
import pytest

from catalogs import open_catalog
from catalogs.publish import publish
from catalogs.repair import find_catalog_damage, repair_catalog
from catalogs.schema import declared_tables
from catalogs.survey_parts import current_survey_parts
from catalogs.verify import verify
from catalogs.versions import MANIFEST, current_version
from tests.catalogs.test_survey_parts import classified

FAILURE = {"galaxy": "NGC 9", "stage": "read", "error": "DataError", "message": "all NaN"}


def content(root):
    catalog = open_catalog(root)
    return {
        name: pq.ParquetDataset(catalog.files(name)).read().to_pylist()
        for name in declared_tables()
    }


@pytest.fixture
def published(tmp_path, make_part):
    """A catalog with classes and a galaxy in quarantine."""
    parts = [make_part(galaxy, 1.0 + i) for i, galaxy in enumerate(("NGC 2", "NGC 1"))]
    classes = classified(tmp_path, parts)
    publish(tmp_path, parts, [FAILURE], metadata={"a": "b"}, survey_parts=[classes])
    return tmp_path


def truncate(file, rng):
    with file.open("r+b") as opened:
        opened.truncate(rng.randrange(file.stat().st_size))


def flip_a_bit(file, rng):
    data = bytearray(file.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    file.write_bytes(data)


def remove(file, rng):
    file.unlink()


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, remove])
def test_damage_of_any_file_is_found_and_mended(published, damage):
    before, rng = content(published), random.Random(12)
    n_file = len(declared_tables()) + 1
    assert len(catalog_files(published)) == n_file
    for number in range(n_file):
        old = current_version(published)
        name = sorted(catalog_files(published))[number]
        damage(name, rng)
        repair = repair_catalog(published)
        assert repair is not None, name
        assert repair.published, name
        assert repair.lost == ()
        assert current_version(published) != old
        assert content(published) == before, name
        assert list(current_survey_parts(published)) == ["classes"]
        assert repair_catalog(published) is None
    assert all(check.ok for check in verify(published))


def catalog_files(root):
    return [path for path in current_version(root).rglob("*") if path.is_file()]


def lose_the_link(root):
    (root / "catalog").unlink()


def lose_the_version(root):
    shutil.rmtree(current_version(root))


def add_a_file(root):
    (file,) = open_catalog(root).files("spaxels")
    shutil.copy(file, file.with_name("part-00009.parquet"))


def lose_manifest_and_a_table(root):
    (root / "catalog" / MANIFEST).unlink()
    (root / "catalog" / "quarantine.parquet").unlink()


def lose_the_copy_and_a_table(root):
    (root / ".versions" / f".{current_version(root).name}.json").unlink()
    (root / "catalog" / "clusters.parquet").unlink()


@pytest.mark.parametrize(
    "damage",
    [
        lose_the_link,
        lose_the_version,
        add_a_file,
        lose_manifest_and_a_table,
        lose_the_copy_and_a_table,
    ],
)
def test_other_damage_is_found_and_mended(published, damage):
    before = content(published)
    damage(published)
    assert repair_catalog(published).published
    assert content(published) == before
    assert repair_catalog(published) is None


def test_hidden_files_that_a_file_system_leaves_are_no_damage(published):
    (published / "catalog/spaxels/.nfs000012").touch()
    assert find_catalog_damage(published.resolve()) is None
    assert all(check.ok for check in verify(published))


def test_galaxies_whose_parts_are_damaged_too_are_named(published):
    (published / "catalog/clusters.parquet").write_bytes(b"PAR1")
    (part,) = (published / "parts/NGC%201").glob("features-*")
    flip_a_bit(part / "clusters.arrow", random.Random(1))
    repair = repair_catalog(published)
    assert repair.lost == ("NGC 1",)
    assert "without 1 galaxies" in str(repair)
    assert open_catalog(published).galaxies["galaxy"].tolist() == ["NGC 2"]
    assert part.exists(), "whoever computes it again says that it was damaged"


def test_without_any_manifest_the_run_has_to_publish(published):
    (published / ".versions" / ".v0001.json").unlink()
    (published / "catalog" / MANIFEST).unlink()
    repair = repair_catalog(published)
    assert not repair.published
    assert "this run publishes it anew" in str(repair)


def test_nothing_is_published_where_nothing_was(tmp_path):
    assert repair_catalog(tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_a_catalog_of_another_schema_is_not_called_damaged(published, monkeypatch):
    monkeypatch.setattr("catalogs.versions.SCHEMA_VERSION", "of tomorrow")
    assert repair_catalog(published) is None


def test_copies_of_manifests_go_with_their_versions(published, make_part, monkeypatch):
    monkeypatch.setattr("catalogs.versions.READER_GRACE_S", 0.0)
    for number in range(3, 8):
        publish(published, [make_part(f"NGC {number}")])
    folder = published / ".versions"
    copies = {path.name.strip(".").removesuffix(".json") for path in folder.glob(".v*.json")}
    assert copies == {path.name for path in folder.glob("v*")}
