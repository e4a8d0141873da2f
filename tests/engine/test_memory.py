import pytest

from survey.engine.memory import project_clustering


def test_the_projection_grows_with_the_square_of_the_spaxels():
    small, large = project_clustering(20_000, 2000), project_clustering(40_000, 2000)
    assert large.condensed_bytes / small.condensed_bytes == pytest.approx(4.0, rel=1e-3)
    assert 3.5 < large.seconds / small.seconds < 4.5


def test_a_manga_cube_takes_seconds_and_a_muse_cube_more_than_a_small_worker_has():
    assert 1 < project_clustering(5_001, 4_563).seconds < 20
    assert project_clustering(90_000, 3_681).peak_bytes > 40 * 2**30


def test_shifts_cost_time_and_no_memory():
    without, with_shifts = (project_clustering(8_000, 2_000, shift) for shift in (0, 12))
    assert with_shifts.distance_seconds > without.distance_seconds
    assert with_shifts.peak_bytes == without.peak_bytes
