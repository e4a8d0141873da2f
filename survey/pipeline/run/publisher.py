"""Publishes the catalog at intervals while a run goes on."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from catalogs import open_catalog
from catalogs.errors import CatalogError
from catalogs.publish import publish
from catalogs.repair import Repair, repair_catalog
from catalogs.survey_parts import current_survey_parts
from catalogs.versions import Manifest, current_version
from catalogs.vocabulary import Vocabulary
from survey.errors import SurveyWarning
from survey.pipeline.run.lock import Ownership, exclusive

PUBLISH_EVERY_S = 30.0
PUBLISH_SHARE = 0.05
"""Publishing takes at most this share of the time of an unfinished run.

Publishing time grows with catalog size, so the interval grows too.
"""


class PeriodicPublisher:
    """Publishes at intervals while a run goes on, and only a catalog larger than the last.

    It publishes in a thread of its own, so that new galaxies are started meanwhile, and that an
    interruption of the run never breaks a publication off.

    Parameters
    ----------
    root : Path
        The run directory.
    metadata : dict of str
        See `catalogs.publish.publish`.
    vocabulary : Vocabulary
        Of the lines, bands and ratios of the run.
    damaged : bool
        Whether the published catalog is damaged, so that any other is better.
    """

    def __init__(
        self,
        root: Path,
        metadata: dict[str, str],
        vocabulary: Vocabulary,
        *,
        damaged: bool = False,
    ) -> None:
        self.root = root
        self.damaged = damaged
        self.vocabulary = vocabulary
        self.metadata = metadata
        self.published = 0 if damaged else _catalog_size(root)
        self.next_time = time.monotonic() + PUBLISH_EVERY_S
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="publisher")
        self._under_way: Future[None] | None = None
        self._one_at_a_time = threading.Lock()

    @property
    def is_due(self) -> bool:
        """Whether it is time to publish, and no publication is running."""
        idle = self._under_way is None or self._under_way.done()
        return idle and time.monotonic() >= self.next_time

    def grow(self, parts: Sequence[Path], failures: Sequence[dict[str, Any]]) -> None:
        """Publish these parts in the thread, if there are more than before.

        Raises
        ------
        CatalogError
            If the previous publication failed.
        """
        before, self._under_way = self._under_way, None
        if before is not None:
            # If it failed, the next attempt comes after the usual interval.
            self.next_time = max(self.next_time, time.monotonic() + PUBLISH_EVERY_S)
            before.result()
        self._under_way = self._thread.submit(self._publish_larger, list(parts), list(failures))

    def finish(
        self, parts: Sequence[Path], failures: Sequence[dict[str, Any]], *, complete: bool
    ) -> None:
        """Publish at the end of a run; an incomplete run only if it has more parts than before.

        Raises
        ------
        CatalogError
            If the catalog cannot be published.
        """
        self._thread.submit(self._publish_larger, parts, failures, or_smaller=complete).result()
        self._thread.shutdown()

    def _publish_larger(
        self,
        parts: Sequence[Path],
        failures: Sequence[dict[str, Any]],
        *,
        or_smaller: bool = False,
    ) -> None:
        with self._one_at_a_time:  # The pool has a second thread if its start was interrupted.
            if or_smaller or len(parts) > self.published:
                self._publish(parts, failures)

    def _publish(self, parts: Sequence[Path], failures: Sequence[dict[str, Any]]) -> None:
        start = time.monotonic()
        publish(
            self.root,
            parts,
            failures,
            metadata=self.metadata,
            vocabulary=self.vocabulary,
            survey_parts=current_survey_parts(self.root).values(),
            anew=self.damaged,
        )
        self.damaged = False
        self.published = len(parts)
        now = time.monotonic()
        self.next_time = now + max(PUBLISH_EVERY_S, (now - start) / PUBLISH_SHARE)


def repaired(root: Path) -> Repair | None:
    """Publish the catalog of a run anew if it is damaged, and warn; None if it is not."""
    repair = repair_catalog(root)
    if repair is not None:
        warnings.warn(f"{root}: {repair}", SurveyWarning, stacklevel=3)
    return repair


@contextmanager
def working_in(root: Path) -> Iterator[Ownership]:
    """Work alone in the directory of a published run; a damaged catalog is published anew first.

    Raises
    ------
    CatalogError
        If nothing was published there.
    ConfigError
        If another process works in it.
    """
    open_catalog(root)  # First: the lock would create a folder of a mistyped name.
    with exclusive(root) as ownership:
        repaired(root)
        yield ownership


def _catalog_size(root: Path) -> int:
    version = current_version(root)
    try:
        return len(Manifest.read(version).parts) if version else 0
    except CatalogError:
        return 0
