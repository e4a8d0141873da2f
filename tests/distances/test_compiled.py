"""Compiled functions: kept where they can be, and compiled anyway where they cannot."""

import subprocess
import sys

import pytest
from numba.core import caching

from survey.distances.compiled import compiled

ADD = """
from survey.distances.compiled import compiled

@compiled(nogil=True)
def add(a, b):
    return a + b
"""
RUN = "import sys; sys.path.insert(0, sys.argv[1]); import added; print(added.add(2, 3)); "
HITS = RUN + "print(sum(added.add.stats.cache_hits.values()))"


def test_a_second_process_compiles_nothing(tmp_path):
    (tmp_path / "added.py").write_text(ADD)
    hits = []
    for _ in range(2):
        command = [sys.executable, "-c", HITS, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.split()[0] == "5"
        hits.append(int(done.stdout.split()[1]))
    assert hits == [0, 1]


def test_where_nothing_can_be_kept_functions_work(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])

    @compiled()
    def add(a, b):
        return a + b

    assert add(2, 3) == 5
    assert not add.stats.cache_path


def test_other_faults_of_the_compiler_are_not_hidden(monkeypatch):
    def broken(self):
        raise RuntimeError("broken")

    monkeypatch.setattr("numba.core.dispatcher.Dispatcher.enable_caching", broken)
    with pytest.raises(RuntimeError, match="broken"):
        compiled()(lambda a: a)
