"""Garbage is searched for among what a program makes, not among the libraries that it loads."""

import gc
from collections.abc import Iterator

import pytest

from survey.loading import loading


@pytest.fixture(autouse=True)
def unfrozen() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_no_garbage_is_searched_for_while_libraries_are_loaded():
    with loading():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_was_loaded_is_not_searched_again():
    with loading():
        loaded = [[]]
    assert not any(each is loaded for each in gc.get_objects())
    made = [[]]
    assert any(each is made for each in gc.get_objects())


def test_a_library_that_cannot_be_loaded_leaves_the_search_on():
    with pytest.raises(ImportError), loading():
        raise ImportError("no such library")
    assert gc.isenabled()
