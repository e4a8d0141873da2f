"""What a long benchmark has measured is kept, so that an interrupted one goes on where it stopped.

Figures lie in the folder `bench`, one file for each case. They hold for the code that made them:
each has the versions of the stages (`survey.pipeline.galaxy.stage_list`) and of the benchmark, and
is measured again when one of them has changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from catalogs.durable import write_text
from survey.pipeline.galaxy.stage_list import STAGES

RESULTS = Path("bench")

Case = TypeVar("Case")


def code_of(stages: Sequence[str], benchmark: int, package: ModuleType | None = None) -> str:
    """The versions that figures depend on, such as "prepare 4, cut 2, benchmark 1".

    What has no versions is known by a digest of the sources of its package.
    """
    versions = {stage.name: stage.code for stage in STAGES}
    parts = [*(f"{name} {versions[name]}" for name in stages), f"benchmark {benchmark}"]
    if package is not None:
        digest = hashlib.sha256()
        for file in sorted(Path(package.__path__[0]).rglob("*.py")):
            digest.update(file.read_bytes())
        parts.append(f"{package.__name__} {digest.hexdigest()[:12]}")
    return ", ".join(parts)


class Kept:
    """Figures of one benchmark, a file of JSON for every case.

    Parameters
    ----------
    name : str
        Of the folder in `RESULTS`.
    code : str
        See `code_of`. Figures of other code are as if they were not there.
    """

    def __init__(self, name: str, code: str) -> None:
        self.folder, self.code = RESULTS / name, code

    def get(self, case: str) -> Any:
        """The figures of a case, None if there are none by this code."""
        file = self._file(case)
        if not file.exists():
            return None
        held = json.loads(file.read_text(encoding="utf-8"))
        return held["figures"] if held["code"] == self.code else None

    def put(self, case: str, figures: Any) -> None:
        """Keep the figures of a case; a file is whole or not there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        held = {"code": self.code, "figures": figures}
        write_text(self._file(case), json.dumps(held))

    def measured(
        self,
        cases: Iterable[Case],
        name_of: Callable[[Case], str],
        measure: Callable[[Case], Any],
        workers: int,
    ) -> Iterator[tuple[Case, Any]]:
        """Cases in their order with their figures; those not kept are measured by processes.

        Every figure is kept as soon as it is there, in whatever order processes end. Without
        workers nothing is measured, and the cases are those that are kept.
        """
        cases = list(cases)
        missing = [case for case in cases if self.get(name_of(case)) is None]
        if missing and not workers:
            cases = [case for case in cases if case not in missing]
        elif missing:
            done = len(cases) - len(missing)
            print(f"  {done} of {len(cases)} are kept in {self.folder}", flush=True)
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                running = {pool.submit(measure, case): case for case in missing}
                try:
                    self._keep(running, name_of)
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
        for case in cases:
            yield case, self.get(name_of(case))

    def _keep(self, running: dict[Future[Any], Case], name_of: Callable[[Case], str]) -> None:
        """Keep figures as they come; an error is raised when no other case is being measured."""
        failed: BaseException | None = None
        for future in as_completed(running):
            if future.cancelled():
                continue
            if (error := future.exception()) is None:
                self.put(name_of(running[future]), future.result())
            elif failed is None:
                failed = error
                for other in running:
                    other.cancel()
        if failed is not None:
            raise failed

    def _file(self, case: str) -> Path:
        return self.folder / f"{case}.json"
