from dataclasses import replace
from pathlib import Path

import pytest

from survey.engine.preflight.admission import crowded, short_lived
from survey.engine.preflight.needs import (
    MOST_FILES,
    PREFLIGHT,
    Facts,
    Needs,
    lacking,
    look_around,
    sample_of,
    seen_by_somebody,
    write_token,
)


@pytest.fixture
def needs(tmp_path: Path) -> Needs:
    run = tmp_path / "run"
    run.mkdir()
    cubes = [tmp_path / f"{name}.fits" for name in "abc"]
    for cube in cubes:
        cube.write_text("cube")
    needs = Needs(run / PREFLIGHT, "token", tuple((cube, 4) for cube in cubes))
    write_token(needs)
    return needs


def test_who_sees_everything_lacks_nothing_and_leaves_a_file_for_the_driver(needs: Needs) -> None:
    facts = look_around(needs)
    assert lacking(facts, needs) == ""
    assert (needs.folder / facts.written).read_text() == facts.written
    assert facts.n_cpu >= 1
    assert facts.memory_bytes > 2**20
    assert facts.blas_threads >= 1
    assert facts.scratch_free_bytes > 0


def test_what_is_lacking_is_said_with_its_path(needs: Needs, tmp_path: Path) -> None:
    first, second, third = (path for path, _ in needs.files)
    first.unlink()
    second.write_text("another cube")
    said = lacking(look_around(needs), needs)
    assert f"cannot read 1 of 3 cubes ({first})" in said
    assert f"{second} has 12 bytes instead of 4" in said
    assert str(third) not in said

    (needs.folder / needs.token).write_text("of another run")
    assert "sees another run directory" in lacking(look_around(needs), needs)
    (needs.folder / needs.token).unlink()
    assert f"does not see the run directory {tmp_path / 'run'}" in lacking(
        look_around(needs), needs
    )


@pytest.mark.parametrize(
    ("scratch", "said"),
    [
        ("$NO_SUCH_VARIABLE/x", "engine.scratch = '$NO_SUCH_VARIABLE/x' is no folder here"),
        ("relative", "is no folder here"),
        ("/proc/survey", "cannot write to its scratch folder"),
    ],
)
def test_a_scratch_folder_that_cannot_be_used_is_said(needs: Needs, scratch, said) -> None:
    assert said in lacking(look_around(replace(needs, scratch=scratch)), needs)


def test_a_cube_that_nobody_sees_is_no_workers_fault(needs: Needs) -> None:
    gone, grows, only_there = (path for path, _ in needs.files)
    blind = Facts("b", "b", 1, 1, 1, 1, sizes=(None, 7, None))
    sees = Facts("s", "s", 1, 1, 1, 1, sizes=(None, 9, 4))
    asked = seen_by_somebody(needs, {grows: 7}, [grows], [blind, sees])
    assert dict(asked.files) == {gone: -1, grows: -1, only_there: 4}
    assert lacking(sees, asked) == ""
    assert f"cannot read 1 of 3 cubes ({only_there})" in lacking(blind, asked)


def test_the_sample_is_small_and_from_all_of_the_survey() -> None:
    paths = [Path(str(number)) for number in range(10_000)]
    sample = sample_of(paths)
    assert len(sample) == MOST_FILES
    assert int(sample[-1].name) >= 9_000
    assert sample_of(paths[:3]) == tuple(paths[:3])


def test_machines_that_are_used_beyond_what_they_have_are_named() -> None:
    one = Facts("node1", "g", 4, 8 * 2**30, 1, 1, n_thread=1, limit_bytes=2 * 2**30)
    assert list(crowded([one] * 4)) == []
    (line,) = crowded([replace(one, blas_threads=2)] * 4)
    assert "node1: 4 workers use 8 threads" in line
    assert "OMP_NUM_THREADS=1" in line
    (line,) = crowded([replace(one, n_cpu=64)] * 5)
    assert "10.00 GiB together, but it has 8.00 GiB" in line
    assert list(crowded([replace(one, group=str(job)) for job in range(9)])) == []


def test_work_that_is_longer_than_the_life_of_workers_is_said() -> None:
    forever = Facts("a", "a", 1, 1, 1, 1)
    (line,) = short_lived([forever, replace(forever, lifetime_s=3600.0)], 2 * 3600.0)
    assert "projected to take 2 h on one core, but workers end after 1 h" in line
    assert list(short_lived([replace(forever, lifetime_s=3600.0)], 3000.0)) == []
    assert list(short_lived([forever], 1e9)) == []
