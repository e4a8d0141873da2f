import pytest

from survey.engine.memory import AUTOMATIC, PATHS, Work, memory_here_bytes, parse_memory, project
from survey.errors import ConfigError, MemoryNeeded, ResourceError

GIB = 2**30
MUSE = Work(90_000, 3_681)


def test_a_manga_cube_takes_seconds_and_a_muse_cube_more_than_a_small_worker_has():
    distances = {s.name: s for s in project(Work(5_001, 4_563)).stages}["distances"]
    assert 1 < distances.seconds < 20
    assert project(MUSE, path="fastcluster").peak_bytes > 40 * GIB


def test_the_cost_of_distances_grows_with_the_square_of_the_spaxels():
    small, large = (project(Work(n, 2_000), path="chain").seconds for n in (20_000, 40_000))
    assert 3.0 < large / small < 4.3


def test_wider_shifts_cost_time():
    without, within = (project(Work(8_000, 2_000, shift)).seconds for shift in (0, 12))
    assert within > without


@pytest.mark.parametrize("limit_gib", [1.5, 2, 4, 16, 64])
@pytest.mark.parametrize("n_spaxel", [500, 10_000, 30_000, 90_000])
def test_what_is_chosen_fits_the_memory_of_the_worker(n_spaxel, limit_gib):
    chosen = project(Work(n_spaxel, 1_000), memory_bytes=limit_gib * GIB)
    assert chosen.peak_bytes <= limit_gib * GIB


def test_with_less_memory_a_later_path_is_chosen():
    order = [
        AUTOMATIC.index(project(Work(30_000, 1_000), memory_bytes=limit * GIB).path)
        for limit in (64, 8, 4, 2)
    ]
    assert order == sorted(order)
    assert order[0] == 0
    assert order[-1] > 0


def test_without_a_limit_the_tree_is_exact():
    assert project(MUSE).path == "fastcluster"


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_is_asked_for_is_taken(path):
    assert project(Work(2_000, 500), path=path, memory_bytes=8 * GIB).path == path


def test_what_does_not_fit_says_how_much_it_needs():
    with pytest.raises(MemoryNeeded, match="does not fit") as caught:
        project(MUSE, path="fastcluster", memory_bytes=4 * GIB)
    assert isinstance(caught.value, ResourceError)
    needed = caught.value.needed_bytes
    assert project(MUSE, path="fastcluster", memory_bytes=needed).path == "fastcluster"


def test_memory_is_read_as_dask_writes_it():
    assert parse_memory("4GiB") == 4 * GIB
    with pytest.raises(ConfigError, match="no amount of memory"):
        parse_memory("plenty")


def test_outside_a_cluster_a_task_may_use_the_machine():
    assert memory_here_bytes() > GIB
