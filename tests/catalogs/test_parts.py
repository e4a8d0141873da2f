"""A part is there whole and sound, or it is not there."""

import pickle
import re
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catalogs import CatalogError
from catalogs.owners import remove_abandoned
from catalogs.parts import DamagedPartWarning, PartStore, Receipt, safe_name

PART = ("NGC 7469", "features", "abc")


def write_text(text):
    def write(folder):
        (folder / "deep").mkdir()
        (folder / "deep" / "data.txt").write_text(text)

    return write


@pytest.fixture
def store(tmp_path):
    return PartStore(tmp_path)


@pytest.fixture
def part(store):
    return store.commit(*PART, write_text("hello"), {"n_cluster": 6})


names = st.text(min_size=1) | st.text("./_~%a", min_size=1) | st.text(min_size=100)


@given(names, names)
@example("NGC 1", "NGC_1")
@example("a/b", "a%2Fb")
@example("..", "%2E.")
@example("x" * 300, "x" * 301)
def test_different_names_have_different_safe_names(one, other):
    assert (safe_name(one) == safe_name(other)) == (one == other)


@given(names)
def test_a_safe_name_is_one_visible_component_of_a_path(name):
    safe = safe_name(name)
    assert re.fullmatch(r"[A-Za-z0-9%+-][A-Za-z0-9%+._~-]{0,119}", safe)


def test_ordinary_names_stay_readable():
    assert safe_name("NGC7469") == "NGC7469"
    assert safe_name("2MASS_J12+34") == "2MASS_J12+34"
    assert safe_name("NGC 1068") == "NGC%201068"


def test_a_galaxy_needs_a_name():
    with pytest.raises(CatalogError, match="has no name"):
        safe_name("")


def test_a_committed_part_is_found_with_its_receipt(store, part):
    found = store.find(*PART, full=True)
    assert found == part
    assert found.summary == {"n_cluster": 6}
    assert [record.path for record in found.files] == ["deep/data.txt"]
    assert (found.path / "deep/data.txt").read_text() == "hello"
    assert found.path.parent.parent == store.root / "parts"


def test_a_part_that_was_never_committed_is_not_found(store, part):
    assert store.find("NGC 7469", "features", "other key") is None
    assert store.find("NGC 7469", "linkage", "abc") is None


def test_a_summary_may_hold_whatever_json_can(store):
    summary = {"redshift": float("nan"), "k": {2: 0.5, 10: None}, "shape": (3, 4)}
    store.commit(*PART, write_text("x"), summary)
    found = store.find(*PART).summary
    assert found["k"] == {"2": 0.5, "10": None}
    assert found["shape"] == [3, 4]
    assert found["redshift"] != found["redshift"]


def test_receipts_travel_between_processes(part):
    assert pickle.loads(pickle.dumps(part)) == part


def test_a_run_can_be_moved(store, part, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "run"
    shutil.move(store.root, elsewhere)
    moved = PartStore(elsewhere).find(*PART, full=True)
    assert moved.path.is_relative_to(elsewhere)
    assert moved.files == part.files


def test_the_first_of_two_equal_tasks_wins(store, part):
    again = store.commit(*PART, write_text("hullo"), {"n_cluster": 7})
    assert again == part
    assert (part.path / "deep/data.txt").read_text() == "hello"
    assert not list((store.root / ".inflight").iterdir())


def test_a_task_that_fails_leaves_nothing(store):
    def fail(folder):
        write_text("half")(folder)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.commit(*PART, fail)
    assert store.find(*PART) is None
    assert not list((store.root / ".inflight").iterdir())


def test_a_parquet_file_without_its_end_is_not_committed(store):
    def forget_to_close(folder):
        pq.write_table(pa.table({"x": [1]}), folder / "x.parquet")
        with (folder / "x.parquet").open("r+b") as file:
            file.truncate(20)

    with pytest.raises(CatalogError, match=r"x\.parquet: a file just written cannot be read back"):
        store.commit(*PART, forget_to_close)
    assert store.find(*PART) is None


def damage_by_truncation(part):
    (part.path / "deep/data.txt").write_text("hell")


def damage_by_deletion(part):
    (part.path / "deep/data.txt").unlink()


def damage_in_the_receipt(part):
    receipt = part.path / "receipt.json"
    receipt.write_text(receipt.read_text().replace('"n_cluster": 6', '"n_cluster": 5'))


def damage_without_a_receipt(part):
    (part.path / "receipt.json").unlink()


def damage_by_exchange(part):
    other = PartStore(part.path.parents[2]).commit("NGC 1", "features", "abc", write_text("x"))
    shutil.copy(other.path / "receipt.json", part.path)
    (part.path / "deep/data.txt").write_text("x")


@pytest.mark.parametrize(
    "damage",
    [
        damage_by_truncation,
        damage_by_deletion,
        damage_in_the_receipt,
        damage_without_a_receipt,
        damage_by_exchange,
    ],
)
def test_a_damaged_part_is_discarded_with_a_warning(store, part, damage):
    damage(part)
    with pytest.warns(DamagedPartWarning, match="discarded"):
        assert store.find(*PART) is None
    assert not part.path.exists()
    assert not list((store.root / ".inflight").iterdir())


def test_a_flipped_byte_is_found_by_the_full_verification(store, part):
    (part.path / "deep/data.txt").write_text("jello")
    with pytest.warns(DamagedPartWarning, match=r"content of deep/data\.txt has changed"):
        assert store.find(*PART, full=True) is None


def test_committing_again_replaces_a_damaged_part(store, part):
    damage_by_truncation(part)
    with pytest.warns(DamagedPartWarning):
        store.commit(*PART, write_text("hello"))
    assert store.find(*PART, full=True) is not None


@pytest.mark.parametrize(
    "function", ["catalogs.parts.flush_tree", "catalogs.parts.write_json", "pathlib.Path.rename"]
)
def test_a_process_killed_while_committing_leaves_no_part(store, killed_at, function):
    write = "lambda folder: (folder / 'x').touch()"
    killed_at(function, f"PartStore({str(store.root)!r}).commit(*{PART}, {write})")
    assert store.find(*PART) is None
    left = list((store.root / ".inflight").iterdir())
    assert remove_abandoned(left, store.root) == left
    assert len(left) == 1
    assert not left[0].exists()


def test_a_folder_without_a_receipt_is_no_part(tmp_path):
    with pytest.raises(CatalogError, match="no receipt"):
        Receipt.read(tmp_path)
