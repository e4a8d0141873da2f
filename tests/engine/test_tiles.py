import os
import signal
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from distributed import Client

from survey.cubes.scratch import FileRows
from survey.engine import attempt, tiles
from survey.engine.tiles import n_slots, tile_runner
from survey.errors import DataError, WorkersLost


def scaled(shared, tile):
    time.sleep(0.1)
    return os.getpid(), shared["factor"] * tile


def total_here(numbers, folder):
    results = []
    with tile_runner(folder) as run:
        run(scaled, {"factor": 10}, numbers, results.append)
    return results, n_slots()


def write_rows(table: FileRows, start: int) -> None:
    table[start : start + 5] = np.full((5, 8), start, np.float32)


def fill(table):
    with tile_runner(table.path.parent) as run:
        run(write_rows, table, range(0, 40, 5))
    return len(table[:])


def end_the_others(shared: tuple[Path, int], tile):
    """In the process of the task: when the others have computed the rest, end them."""
    folder, home = shared
    if os.getpid() == home and tile == 0:
        while len(list(folder.iterdir())) < 5:
            time.sleep(0.1)
        time.sleep(0.5)  # Their results are where they were computed.
        for pid in {int(path.suffix[1:]) for path in folder.iterdir()}:
            os.kill(pid, signal.SIGKILL)
    elif os.getpid() != home:
        (folder / f"{tile}.{os.getpid()}").touch()
    return tile


def slowly(shared, tile):
    time.sleep(0.5)
    return tile


def refuse(shared, tile):
    raise DataError("bad tile", found=str(tile))


def all_refused(folder):
    with tile_runner(folder) as run:
        run(refuse, None, range(4))


def die_elsewhere_once(shared: tuple[Path, int], tile):
    """Waits in the process of the task until one has died in another."""
    folder, home = shared
    if os.getpid() == home:
        while not any(folder.iterdir()):
            time.sleep(0.1)
        return tile
    try:
        (folder / "tomb").touch(exist_ok=False)
    except FileExistsError:
        return tile
    os._exit(1)


def fail_elsewhere(home: int, tile):
    if os.getpid() != home:
        raise FileNotFoundError(2, "not mounted here", "/data")
    time.sleep(0.1)
    return tile


def all_that_fail_elsewhere(folder):
    results = []
    with tile_runner(folder) as run:
        run(fail_elsewhere, os.getpid(), range(12), results.append)
    return results


def busy(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def test_outside_a_cluster_the_tiles_run_here_and_in_order(tmp_path):
    results, slots = total_here([3, 1, 2], tmp_path)
    assert results == [(os.getpid(), 30), (os.getpid(), 10), (os.getpid(), 20)]
    assert slots == 0


def test_tiles_of_one_task_run_on_all_workers(client: Client, tmp_path):
    results, slots = client.submit(total_here, list(range(12)), tmp_path, pure=False).result()
    assert slots == 2
    assert sorted(value for _, value in results) == [10 * tile for tile in range(12)]
    assert len({pid for pid, _ in results}) == 2


def test_every_piece_writes_its_own_rows_of_one_file(client: Client, tmp_path):
    table = FileRows.create(tmp_path / "table", (40, 8), np.float32)
    assert client.submit(fill, table, pure=False).result() == 40
    np.testing.assert_array_equal(table[:][:, 0], np.repeat(np.arange(0, 40, 5), 5))


def test_an_error_of_a_piece_is_that_of_the_whole(client: Client, tmp_path):
    with pytest.raises(DataError, match="bad tile"):
        client.submit(all_refused, tmp_path, pure=False).result()


def test_while_tasks_wait_a_large_one_keeps_its_slot_and_its_tiles(client: Client, tmp_path):
    """And no worker begins another task while the first waits for its tiles."""
    others = [client.submit(busy, 0.3, pure=False) for _ in range(30)]
    results, _ = client.submit(
        total_here, list(range(6)), tmp_path, pure=False, priority=9
    ).result()
    assert any(not other.done() for other in others), "there was work to the end"
    assert len({pid for pid, _ in results}) == 1
    assert {future.result() for future in others} >= {pid for pid, _ in results}


def test_a_tile_that_fails_elsewhere_is_computed_by_its_task(client: Client, tmp_path):
    results = client.submit(all_that_fail_elsewhere, tmp_path, pure=False).result()
    assert sorted(results) == list(range(12))


@pytest.mark.parametrize("attempts", [2, 1])
def test_a_tile_lost_with_its_worker_is_tried_again_but_not_for_ever(
    client: Client, tmp_path, monkeypatch, attempts
):
    # From here and not from a task, which might be on the worker that dies.
    monkeypatch.setattr(tiles, "ATTEMPTS", attempts)
    found: list[int] = []
    tombs = tmp_path / "tombs"
    tombs.mkdir()
    shared = (tombs, os.getpid())
    lost = pytest.raises(WorkersLost, match="with its worker 1 time")
    with nullcontext() if attempts > 1 else lost:
        tiles.run_on_cluster(client, tmp_path, die_elsewhere_once, shared, range(6), found.append)
    assert not list(tmp_path.glob("shared-*"))
    assert len(list(tombs.iterdir())) == 1
    assert sorted(found) == list(range(6)) if attempts > 1 else len(found) < 6


def test_a_tile_that_was_sent_to_a_worker_that_is_gone_comes_back(client, tmp_path, monkeypatch):
    """It died after it was seen to be idle, before the tile arrived."""
    asked = tiles.slots

    def one_is_gone(dask_scheduler, host=None):
        idle, alive = asked(dask_scheduler, host)
        return ["tls://127.0.0.1:9", *idle], alive

    monkeypatch.setattr(tiles, "slots", one_is_gone)
    found: list[int] = []
    tiles.run_on_cluster(client, tmp_path, slowly, None, range(4), found.append)
    assert sorted(found) == [0, 1, 2, 3]


def test_results_that_are_lost_with_their_workers_are_computed_again(client, tmp_path, monkeypatch):
    monkeypatch.setattr(attempt, "FETCH_S", 1.0)
    found: list[int] = []
    (tmp_path / "done").mkdir()
    shared = (tmp_path / "done", os.getpid())
    tiles.run_on_cluster(client, tmp_path, end_the_others, shared, range(6), found.append)
    assert sorted(found) == list(range(6))


def test_a_tile_that_is_being_given_out_is_not_taken_for_done() -> None:
    """Between its place in the queue and that among the given ones it is in neither."""
    submitting, submitted = threading.Event(), threading.Event()

    class Submitted:
        def add_done_callback(self, call):
            """It is never done."""

    class Slow:
        """A client that takes its time to submit."""

        def submit(self, *arguments, **options):
            submitting.set()
            submitted.wait(10)
            return Submitted()

    given = tiles._Helpers(Slow(), len, Path(), [[0]], None)
    giving = threading.Thread(target=given._give, args=("tcp://worker",))
    giving.start()
    assert submitting.wait(10)
    threading.Timer(0.2, submitted.set).start()
    assert given.collect(lambda result: None) is True
    giving.join()
