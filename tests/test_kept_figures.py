"""Benchmarks of hours go on where they stopped."""

from concurrent.futures import Future

import pytest

import survey.classes
from tests.benchmarks import kept

CASES = ["a", "b", "c"]


class Here:
    """Stands in for a pool of processes: executes at once."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def submit(self, measure, case):
        future = Future()
        try:
            future.set_result(measure(case))
        except InterruptedError as error:
            future.set_exception(error)
        return future

    def shutdown(self, **_):
        """Nothing runs."""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "RESULTS", tmp_path)
    monkeypatch.setattr(kept, "ProcessPoolExecutor", lambda *_, **__: Here())
    return tmp_path


def test_an_interrupted_benchmark_measures_what_is_missing_and_nothing_twice():
    figures, measured, broken = kept.Kept("test", "code 1"), [], {"c"}

    def figure(case):
        if case in broken:
            raise InterruptedError(case)
        measured.append(case)
        return ord(case) / 7

    with pytest.raises(InterruptedError):
        list(figures.measured(CASES, str, figure, workers=1))
    assert list(figures.measured(CASES, str, figure, workers=0)) == [
        ("a", ord("a") / 7),
        ("b", ord("b") / 7),
    ]
    broken.clear()
    for _ in range(2):
        found = dict(kept.Kept("test", "code 1").measured(CASES, str, figure, workers=1))
        assert found == {case: ord(case) / 7 for case in CASES}
    assert measured == ["a", "b", "c"]


def test_figures_of_other_code_do_not_count():
    kept.Kept("test", "code 1").put("a", [1.5])
    assert kept.Kept("test", "code 1").get("a") == [1.5]
    assert kept.Kept("test", "code 2").get("a") is None


def test_the_code_of_figures_changes_with_stages_and_with_sources(tmp_path, monkeypatch):
    one = kept.code_of(("prepare", "cut"), 1)
    assert "prepare " in one
    assert one != kept.code_of(("prepare", "cut"), 2)
    with_sources = kept.code_of(("cut",), 1, survey.classes)
    (tmp_path / "new.py").write_text("x = 1")
    monkeypatch.setattr(survey.classes, "__path__", [str(tmp_path)])
    assert kept.code_of(("cut",), 1, survey.classes) != with_sources
