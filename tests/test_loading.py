"""Garbage is searched for among what a program makes, not among the libraries that it loads."""

import gc
from collections.abc import Iterator

import pytest

from survey import loading as module
from survey.loading import loading, own_process


@pytest.fixture
def own(monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(module, "_is_own_process", False)
    own_process()
    yield
    gc.unfreeze()


def test_no_garbage_is_searched_for_while_libraries_are_loaded():
    with loading():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_search_that_was_off_stays_off():
    gc.disable()
    try:
        with loading():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_a_user_had_in_a_notebook_is_searched_as_before(monkeypatch):
    monkeypatch.setattr(module, "_is_own_process", False)
    mine = [[]]
    with loading():
        pass
    assert any(each is mine for each in gc.get_objects())


def test_what_was_loaded_is_not_searched_again(own):
    with loading():
        loaded = [[]]
    assert not any(each is loaded for each in gc.get_objects())
    made = [[]]
    assert any(each is made for each in gc.get_objects())


def test_a_library_that_cannot_be_loaded_leaves_the_search_on():
    with pytest.raises(ImportError), loading():
        raise ImportError("no such library")
    assert gc.isenabled()
