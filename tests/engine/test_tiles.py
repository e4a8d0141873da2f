import os
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from distributed import Client

from survey.cubes.scratch import FileRows
from survey.engine.tiles import n_slots, run_on_cluster, tile_runner
from survey.errors import DataError, WorkersLost


def scaled(shared, tile):
    time.sleep(0.1)
    return os.getpid(), shared["factor"] * tile


def total_here(tiles, folder):
    results = []
    with tile_runner(folder) as run:
        run(scaled, {"factor": 10}, tiles, results.append)
    return results, n_slots()


def write_rows(table: FileRows, start: int) -> None:
    table[start : start + 5] = np.full((5, 8), start, np.float32)


def fill(table):
    with tile_runner(table.path.parent) as run:
        run(write_rows, table, range(0, 40, 5))
    return len(table[:])


def refuse(shared, tile):
    raise DataError("bad tile", found=str(tile))


def all_refused(folder):
    with tile_runner(folder) as run:
        run(refuse, None, range(4))


def die_the_first_times(shared: tuple[Path, int], tile):
    folder, deaths = shared
    if tile == 2 and len(list(folder.iterdir())) < deaths:
        (folder / f"{os.getpid()}-{time.time()}").touch()
        os._exit(1)
    return tile


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


@pytest.mark.parametrize(("deaths", "survives"), [(1, True), (9, False)])
def test_a_piece_lost_with_its_worker_is_tried_again_but_not_for_ever(
    client: Client, tmp_path, deaths, survives
):
    # From here and not from a task, which might be on the worker that dies.
    found: list[int] = []
    tombs = tmp_path / "tombs"
    tombs.mkdir()
    with nullcontext() if survives else pytest.raises(WorkersLost, match="with its worker 3"):
        run_on_cluster(
            client, tmp_path, die_the_first_times, (tombs, deaths), range(4), found.append
        )
    assert not list(tmp_path.glob("shared-*"))
    assert sorted(found) == [0, 1, 2, 3] if survives else 2 not in found
