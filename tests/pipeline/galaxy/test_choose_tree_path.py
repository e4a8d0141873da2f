from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogs.schema import arrow_schema
from survey.config import build_settings
from survey.engine.worker_memory import memory_here_bytes, parse_memory
from survey.errors import ConfigError, MemoryNeeded, ResourceError
from survey.pipeline.galaxy.choose_tree_path import (
    USABLE_FRACTION,
    check_tree_path,
    is_streamed,
    paths_table,
    project_cost,
)
from survey.pipeline.galaxy.costs import Work
from survey.pipeline.galaxy.stage_list import STAGES
from survey.pipeline.galaxy.tree_paths import TREE_PATHS

GIB = 2**30
ROOT = Path(__file__).resolve().parents[3]

PATHS = list(TREE_PATHS)

SIZES = st.builds(Work, n_spaxel=st.integers(10, 120_000), n_plane=st.integers(100, 4000))


def paths_by_memory(work, limits_gib):
    return [project_cost(work, memory_bytes=limit * GIB).path for limit in limits_gib]


@given(work=SIZES, limit=st.floats(1.5, 64))
def test_what_is_chosen_fits_and_what_is_better_would_not(work, limit):
    chosen = project_cost(work, memory_bytes=limit * GIB)
    assert chosen.peak_bytes <= USABLE_FRACTION * limit * GIB
    for better in PATHS[: PATHS.index(chosen.path)]:
        with suppress(ResourceError):  # too large even where it is asked for
            forced = project_cost(work, path=better, memory_bytes=limit * GIB)
            assert forced.peak_bytes > USABLE_FRACTION * limit * GIB


@given(work=SIZES, path=st.sampled_from(PATHS))
def test_more_memory_changes_no_path_that_was_asked_for(work, path):
    assert project_cost(work, path=path).path == path


def test_the_better_paths_want_more_memory():
    assert paths_by_memory(Work(30_000, 1000), (16, 4, 2)) == ["fastcluster", "chain", "rounds"]
    assert paths_by_memory(Work(90_000, 400), (64, 24, 4)) == ["fastcluster", "chain", "rounds"]
    assert paths_by_memory(Work(2000, 2400), (2, 64)) == ["fastcluster", "fastcluster"]


def test_a_muse_cube_by_a_chain_needs_less_than_18_gib_and_in_two_stages_less_than_4():
    whole = Work(90_000, 3681)
    assert project_cost(whole, path="chain").peak_bytes < 18 * GIB
    assert project_cost(whole, path="two-stage", memory_bytes=4 * GIB).peak_bytes < 4 * GIB


def test_the_square_of_the_spaxels_is_what_counts():
    once, twice = (project_cost(Work(n, 1000), path="chain") for n in (30_000, 60_000))
    assert twice.peak_bytes / once.peak_bytes == pytest.approx(4.0, rel=0.3)
    assert twice.seconds / once.seconds == pytest.approx(4.0, rel=0.15)


def test_shifts_cost_time():
    without, with_shifts = (project_cost(Work(8000, 2000, shift)) for shift in (0, 12))
    assert with_shifts.seconds > 1.1 * without.seconds


def test_what_fits_no_worker_is_refused_with_its_size():
    with pytest.raises(ResourceError, match=r"expected .* GiB for 90000 spaxels.*memory_limit"):
        project_cost(Work(90_000, 3681), path="chain", memory_bytes=8 * GIB)
    with pytest.raises(ResourceError, match="does not fit"):
        project_cost(Work(1000, 100), memory_bytes=0.2 * GIB)


def test_without_room_on_the_disk_or_for_a_method_without_sums_less_is_possible():
    large = Work(90_000, 400)
    assert project_cost(large, memory_bytes=4 * GIB, disk_bytes=10 * GIB).path == "two-stage"
    complete = Work(90_000, 400, method="complete")
    with pytest.raises(ResourceError, match="on the disk"):
        project_cost(complete, memory_bytes=4 * GIB, disk_bytes=10 * GIB)


def test_spectra_go_to_disk_when_they_would_fill_a_worker():
    assert not is_streamed((5000, 4563), 4 * GIB)
    assert is_streamed((5000, 4563), 1 * GIB)
    assert is_streamed((90_000, 3681), None), "where other workers can read them"


def test_outside_a_cluster_all_memory_of_the_machine_may_be_used():
    assert memory_here_bytes() > GIB


def test_memory_is_given_as_people_write_it():
    assert parse_memory("4GiB") == 4 * GIB
    with pytest.raises(ConfigError, match="not a memory size"):
        parse_memory("much")


def test_what_does_not_fit_says_which_worker_it_needs():
    work = Work(90_000, 3_681)
    with pytest.raises(MemoryNeeded) as caught:
        project_cost(work, path="fastcluster", memory_bytes=4 * 2**30)
    needed = caught.value.needed_bytes
    assert project_cost(work, path="fastcluster", memory_bytes=needed).path == "fastcluster"


def test_a_path_that_cannot_make_the_linkage_is_refused():
    with pytest.raises(ConfigError, match=r"linkage\.method = ward or average; found complete"):
        check_tree_path(
            build_settings({"linkage": {"path": "two-stage", "method": "complete"}}).linkage
        )
    with pytest.raises(ConfigError, match="expected auto, fastcluster, chain, rounds, two-stage"):
        check_tree_path(build_settings({"linkage": {"path": "magic"}}).linkage)


def test_the_documentation_has_the_table_of_paths():
    assert paths_table() in (ROOT / "docs" / "method.md").read_text()


def test_every_stage_has_its_time_in_the_catalog():
    columns = {name for name in arrow_schema("galaxies").names if name.startswith("seconds_")}
    before_commit = {f"seconds_{stage.name}" for stage in STAGES[:-1]}
    assert columns == before_commit | {"seconds_total"}


def test_correcting_the_point_spread_function_holds_the_spectra_once_more():
    usual, subtracted = (
        project_cost(
            Work.of(4000, 2000, build_settings({"prepare": {"psf": psf}}), read=(5000, 2000))
        )
        for psf in ("none", "subtract")
    )
    more = {
        first.name: second.bytes - first.bytes
        for first, second in zip(usual.stages, subtracted.stages, strict=True)
    }
    assert more == {"read": 0, "prepare": 4 * 5000 * 2000, "distances": 0, "tree": 0, "profiles": 0}
