"""The catalog of a run that is under way: published now and then, beside the work."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from catalogs import open_catalog
from catalogs.errors import CatalogError
from catalogs.publish import publish
from catalogs.survey_parts import current_products
from catalogs.vocabulary import Vocabulary

PUBLISH_EVERY_S = 30.0
PUBLISH_SHARE = 0.05
"""Publishing takes no more than this share of the time of an unfinished run.

A catalog takes as long as it is large, so that the next one comes when the survey has grown by
a fraction of itself: all of them together take a few times as long as the last.
"""


class PeriodicPublisher:
    """Publishes now and then while a run goes on, and never a catalog smaller than the last.

    A thread of its own publishes, so that new galaxies are started meanwhile.

    Parameters
    ----------
    root : Path
        The run directory.
    metadata : dict of str
        See `catalogs.publish.publish`.
    vocabulary : Vocabulary
        Of the lines, bands and ratios of the run.
    """

    def __init__(self, root: Path, metadata: dict[str, str], vocabulary: Vocabulary) -> None:
        self.root = root
        self.vocabulary = vocabulary
        self.metadata = metadata
        self.published = _catalog_size(root)
        self.next_time = time.monotonic() + PUBLISH_EVERY_S
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="publisher")
        self._under_way: Future[None] | None = None

    @property
    def is_due(self) -> bool:
        """Whether it is time to publish, and nothing is being published."""
        idle = self._under_way is None or self._under_way.done()
        return idle and time.monotonic() >= self.next_time

    def grow(self, parts: Sequence[Path], failures: Sequence[dict[str, Any]]) -> None:
        """Begin to publish the parts there are, if they are more than before.

        Raises
        ------
        CatalogError
            If the catalog before this one could not be published.
        """
        if self._under_way is not None:
            self._under_way.result()
        if len(parts) > self.published:
            self._under_way = self._thread.submit(self._publish, list(parts), list(failures))

    def finish(
        self, parts: Sequence[Path], failures: Sequence[dict[str, Any]], *, complete: bool
    ) -> None:
        """Publish at the end of a run; of one that is not complete, if there is more than before.

        Raises
        ------
        CatalogError
            If the catalog cannot be published.
        """
        self._thread.shutdown()
        if complete or len(parts) > self.published:
            self._publish(parts, failures)

    def _publish(self, parts: Sequence[Path], failures: Sequence[dict[str, Any]]) -> None:
        start = time.monotonic()
        publish(
            self.root,
            parts,
            failures,
            metadata=self.metadata,
            vocabulary=self.vocabulary,
            products=current_products(self.root).values(),
        )
        self.published = len(parts)
        now = time.monotonic()
        self.next_time = now + max(PUBLISH_EVERY_S, (now - start) / PUBLISH_SHARE)


def _catalog_size(root: Path) -> int:
    try:
        return len(open_catalog(root).galaxies)
    except CatalogError:
        return 0
