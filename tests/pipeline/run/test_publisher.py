"""Catalogs of a run that is under way: beside the work, and not too often."""

import os
import signal
import threading
from types import SimpleNamespace

import pytest

from catalogs.errors import CatalogError
from catalogs.vocabulary import packaged_vocabulary
from survey.pipeline.run import publisher as growing
from survey.pipeline.run.publisher import PeriodicPublisher


@pytest.fixture
def published(monkeypatch):
    """Numbers of parts that were published."""
    sizes = []
    monkeypatch.setattr(growing, "PUBLISH_EVERY_S", 0.0)
    monkeypatch.setattr(
        growing, "publish", lambda root, parts, *args, **kw: sizes.append(len(parts))
    )
    return sizes


def test_galaxies_go_on_while_a_catalog_is_published(tmp_path, monkeypatch):
    begun, may_end = threading.Event(), threading.Event()
    sizes = []

    def slow(root, parts, *args, **kwargs):
        begun.set()
        may_end.wait(10)
        sizes.append(len(parts))

    monkeypatch.setattr(growing, "PUBLISH_EVERY_S", 0.0)
    monkeypatch.setattr(growing, "publish", slow)
    catalog = PeriodicPublisher(tmp_path, {}, packaged_vocabulary())
    parts = [tmp_path / "one"]
    catalog.grow(parts, [])
    assert begun.wait(10), "it is being published, and we are here"
    assert not catalog.is_due
    parts.append(tmp_path / "two")
    may_end.set()
    catalog.finish(parts, [], complete=True)
    assert sizes == [1, 2]


def test_an_interruption_does_not_break_a_publication_off(tmp_path, monkeypatch):
    interrupted, sizes = threading.Event(), []

    def publish_until_interrupted(root, parts, *args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted.wait(10)
        sizes.append(len(parts))

    monkeypatch.setattr(growing, "publish", publish_until_interrupted)
    catalog = PeriodicPublisher(tmp_path, {}, packaged_vocabulary())
    with pytest.raises(KeyboardInterrupt):
        catalog.finish([tmp_path], [], complete=True)
    interrupted.set()
    catalog.finish([tmp_path], [], complete=False)
    assert sizes == [1], "the first one was finished, and it was not made again"


def test_no_catalog_is_smaller_than_the_last(tmp_path, published):
    catalog = PeriodicPublisher(tmp_path, {}, packaged_vocabulary())
    catalog.published = 3
    catalog.grow([tmp_path] * 3, [])
    catalog.finish([tmp_path] * 3, [], complete=False)
    assert published == []


def test_a_complete_run_is_published_however_small(tmp_path, published):
    catalog = PeriodicPublisher(tmp_path, {}, packaged_vocabulary())
    catalog.published = 3
    catalog.finish([tmp_path] * 2, [], complete=True)
    assert published == [2]


def test_publishing_takes_a_small_share_of_the_time(tmp_path, monkeypatch):
    monkeypatch.setattr(growing, "PUBLISH_EVERY_S", 0.0)
    clock = [100.0]

    def publish_for_two_seconds(*args, **kwargs):
        clock[0] += 2.0

    monkeypatch.setattr(growing, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(growing, "publish", publish_for_two_seconds)
    catalog = PeriodicPublisher(tmp_path, {}, packaged_vocabulary())
    catalog.finish([tmp_path], [], complete=True)
    rest_s = catalog.next_time - clock[0]
    assert rest_s == pytest.approx(2.0 / growing.PUBLISH_SHARE, rel=0.06)
    assert not catalog.is_due


def test_a_catalog_that_cannot_be_published_stops_the_run(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise CatalogError("two parts of one galaxy")

    monkeypatch.setattr(growing, "PUBLISH_EVERY_S", 0.0)
    monkeypatch.setattr(growing, "publish", fail)
    catalog = PeriodicPublisher(tmp_path, {}, packaged_vocabulary())
    catalog.grow([tmp_path], [])
    with pytest.raises(CatalogError, match="two parts"):
        catalog.grow([tmp_path], [])
