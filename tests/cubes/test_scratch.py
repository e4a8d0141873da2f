import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from survey.cubes import scratch as module
from survey.cubes.scratch import SCRATCH, FileRows, Scratch, sweep_scratch
from survey.errors import ResourceError

SIZE = st.integers(1, 30)


def filled(folder, shape, panel):
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    table = FileRows.create(folder / "table", shape, np.float32, panel=panel)
    for start in range(0, shape[0], 7):
        table[start : start + 7] = values[start : start + 7]
    return table, values


@given(shape=st.tuples(SIZE, SIZE), panel=st.none() | SIZE, data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_table_in_a_file_is_indexed_like_an_array(tmp_path, shape, panel, data):
    table, values = filled(tmp_path, shape, panel)
    rows = slice(*sorted(data.draw(st.tuples(SIZE, SIZE))))
    columns = slice(*sorted(data.draw(st.tuples(SIZE, SIZE))))
    chosen = np.array(sorted(data.draw(st.sets(st.integers(0, shape[0] - 1)))), dtype=np.intp)
    np.testing.assert_array_equal(table[rows], values[rows])
    np.testing.assert_array_equal(table[rows, columns], values[rows, columns])
    np.testing.assert_array_equal(table[chosen], values[chosen])
    np.testing.assert_array_equal(table[chosen, columns], values[chosen][:, columns])


@given(shape=st.tuples(SIZE, SIZE), panel=st.none() | SIZE, data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_that_are_kept_move_up_and_the_others_are_gone(tmp_path, shape, panel, data):
    table, values = filled(tmp_path, shape, panel)
    kept = np.array(data.draw(st.lists(st.booleans(), max_size=shape[0])), dtype=bool)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_COPY_BYTES", 100)
        remaining = table.keep(kept)
    expected = values[: len(kept)][kept]
    assert remaining.shape == expected.shape
    np.testing.assert_array_equal(remaining[:], expected)


def test_rows_written_by_numbers_that_do_not_follow_one_another_are_refused(tmp_path):
    table, _ = filled(tmp_path, (20, 4), None)
    with pytest.raises(IndexError, match="without a step"):
        table[::2]


def test_a_table_larger_than_the_disk_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ResourceError, match="no room on the disk"):
        Scratch(tmp_path, "NGC 1").table("spectra", (10**9, 10**6), np.float32)


def test_a_disk_that_fills_up_is_named(tmp_path, monkeypatch):
    table, values = filled(tmp_path, (20, 4), 2)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "pwrite", full)
    with pytest.raises(OSError, match=r"No space left.*table"):
        table[:5] = values[:5]


def test_scratch_is_removed_and_that_of_attempts_that_died_is_swept(tmp_path):
    first, second = Scratch(tmp_path, "NGC 1"), Scratch(tmp_path, "NGC 1")
    for scratch in (first, second):
        scratch.table("spectra", (3, 2), np.float32)
    first.remove()
    assert not first.path.exists()
    assert second.path.exists(), "two attempts never share a folder"
    sweep_scratch(tmp_path)
    assert not (tmp_path / SCRATCH).exists()
