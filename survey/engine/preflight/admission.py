"""Which workers may get galaxies: those that have what a survey needs (see `needs`).

All workers are asked before the first galaxy, and those that join later when they are noticed.
Until then their first galaxy asks (`needs.lacking_here`). One that lacks something is named,
gets no galaxies, and is asked again from time to time.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dask.utils import format_bytes
from distributed import Client, LocalCluster

from survey.engine.attempt import Place
from survey.engine.periodic import every
from survey.engine.preflight.needs import (
    PREFLIGHT,
    Facts,
    Needs,
    examine,
    lacking,
    sample_of,
    seen_by_somebody,
    size_of_readable,
    write_token,
)
from survey.errors import ConfigError, InfrastructureError, SurveyError

logger = logging.getLogger(__name__)

LOOK_S = 5.0
ASK_AGAIN_S = 60.0
"""A worker that lacked something is asked again after so long: somebody may have mounted it."""

APPEARS_S = 5.0
"""How long a file that a worker wrote may take to appear here."""

STALE_S = 86_400.0
SHOWN = 10


class Admission:
    """The workers of a cluster, and what those lack that get no galaxies.

    Parameters
    ----------
    client : Client
    needs : Needs
    warn : callable
        Called with one line about every worker that lacks something.
    longest_s : float
        Projected time of the longest galaxy on one core.
    """

    def __init__(
        self, client: Client, needs: Needs, warn: Callable[[str], None], longest_s: float = 0.0
    ) -> None:
        self.client = client
        self.needs = needs
        self.warn = warn
        self.longest_s = longest_s
        self.refused: dict[str, str] = {}
        self.passed: dict[str, Facts] = {}
        self.any_passed = False
        self._asked: dict[str, float] = {}

    def refuse(self, place: Place, fault: str) -> None:
        """A worker lacks something; it is named once."""
        if place.address not in self.refused:
            self.warn(f"{_name(place)} gets no galaxies: it {fault}")
        self.passed.pop(place.address, None)
        self.refused[place.address] = fault
        self._asked[place.address] = time.monotonic()

    def ask_all(self) -> None:
        """Ask all workers, before the first galaxy.

        Raises
        ------
        ConfigError
            If there are workers, and none has what is needed.
        """
        here = {path: size_of_readable(path) for path, _ in self.needs.files}
        sizes = {path: size for path, size in here.items() if size is not None}
        answers = self._answers(list(self._workers()))
        facts = [answer for answer in answers.values() if isinstance(answer, Facts)]
        # A file that is being written has no size yet that a worker could be measured by.
        stable = {path: size for path, size in sizes.items() if size_of_readable(path) == size}
        growing = set(sizes) - set(stable)
        self.needs = seen_by_somebody(self.needs, stable, growing, facts)
        self._judge(answers)
        if self.refused and not self.passed:
            raise self.nobody()
        passed = list(self.passed.values())
        for line in (*crowded(passed), *short_lived(passed, self.longest_s), *self._little_room()):
            self.warn(line)

    def nobody(self) -> SurveyError:
        """The error that no worker has what is needed: of the settings, if none ever had it."""
        lines = [f"{_name(place)} {self.refused[place.address]}" for place in self._refused()]
        more = [f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        kind = InfrastructureError if self.any_passed else ConfigError
        return kind(
            "no worker can work on this survey",
            file=self.needs.folder.parent,
            expected="workers that see the run directory and the cubes under the same paths as "
            "this command, and can write there",
            found=f"{len(lines)} workers that do not",
            advice="Mount the folders on the machines of the workers, or put the survey where all "
            "see it. Then run the same command again.\n" + "\n".join(lines[:SHOWN] + more),
        )

    def look(self) -> None:
        """Ask the workers that have joined, and again those that lacked something."""
        workers = self._workers()
        for gone in set(self._asked) - set(workers):
            for known in (self._asked, self.refused, self.passed):
                known.pop(gone, None)
        due = time.monotonic() - ASK_AGAIN_S
        to_ask = [
            address
            for address in workers
            if address not in self._asked
            or (address in self.refused and self._asked[address] < due)
        ]
        if to_ask:
            self._judge(self._answers(to_ask))

    def _little_room(self) -> Iterator[str]:
        """One line for every machine with less room for scratch files than memory."""
        if self.needs.scratch is None:
            return
        hosts: set[str] = set()
        for facts in self.passed.values():
            free = facts.scratch_free_bytes
            if free is not None and free < facts.limit_bytes and facts.host not in hosts:
                hosts.add(facts.host)
                yield (
                    f"{facts.host}: {self.needs.scratch} has {format_bytes(free)} free, less than "
                    "the memory of a worker; large galaxies will not find room for their files"
                )

    def _workers(self) -> dict[str, str]:
        found = self.client.scheduler_info(n_workers=-1).get("workers", {})
        return {address: str(worker["name"]) for address, worker in found.items()}

    def _refused(self) -> list[Place]:
        names = self._workers()
        return [Place(address, names.get(address, "")) for address in self.refused]

    def _answers(self, addresses: Sequence[str]) -> dict[str, Facts | BaseException]:
        if not addresses:
            return {}
        answers = self.client.run(examine, self.needs, workers=list(addresses), on_error="return")
        return dict(answers)

    def _judge(self, answers: dict[str, Facts | BaseException]) -> None:
        names, now = self._workers(), time.monotonic()
        for address, answer in answers.items():
            if address not in names:
                continue  # It has left meanwhile.
            self._asked[address] = now
            if isinstance(answer, Facts):
                fault = lacking(answer, self.needs) or self._unseen(answer)
                place = Place(address, names[address], answer.host)
            else:
                fault = _failure(answer)
                place = Place(address, names[address])
            if fault:
                self.refuse(place, fault)
                continue
            if self.refused.pop(address, None) is not None:
                self.warn(f"{_name(place)} has now what it lacked, and gets galaxies")
            assert isinstance(answer, Facts)
            self.passed[address] = answer
            self.any_passed = True

    def _unseen(self, facts: Facts) -> str:
        """Whether a file that a worker wrote cannot be read here, and is removed here."""
        if not facts.written:
            return ""
        file, deadline = self.needs.folder / facts.written, time.monotonic() + APPEARS_S
        while True:
            try:
                found = file.read_text()
                file.unlink()
            except OSError:
                if time.monotonic() < deadline:
                    time.sleep(0.2)
                    continue
                return (
                    f"writes to a folder {self.needs.folder.parent} that this command does not see"
                )
            return "" if found == facts.written else "writes other content than it should"


def crowded(workers: Sequence[Facts]) -> Iterator[str]:
    """One line for every machine (or job) whose workers use more than it has."""
    groups: dict[str, list[Facts]] = defaultdict(list)
    for facts in workers:
        groups[facts.group].append(facts)
    for members in groups.values():
        first = members[0]
        used = sum(one.n_thread * one.blas_threads for one in members)
        if used > first.n_cpu:
            blas = max(one.blas_threads for one in members)
            yield (
                f"{first.host}: {len(members)} workers use {used} threads ({blas} of the numerical "
                f"libraries each) on {first.n_cpu} processors"
                + ("; set OMP_NUM_THREADS=1" if blas > 1 else "")
            )
        limits = sum(one.limit_bytes for one in members)
        if limits > 1.02 * first.memory_bytes:
            yield (
                f"{first.host}: the memory limits of {len(members)} workers are "
                f"{format_bytes(limits)} together, but it has {format_bytes(first.memory_bytes)}"
            )


def short_lived(workers: Sequence[Facts], longest_s: float) -> Iterator[str]:
    """A line if workers end before they could have computed the longest galaxy."""
    lives = [facts.lifetime_s for facts in workers if facts.lifetime_s]
    if lives and min(lives) < longest_s:
        yield (
            f"the longest galaxy is projected to take {longest_s / 3600:.2g} h on one core, but "
            f"workers end after {min(lives) / 3600:.2g} h (--lifetime, walltime). If it does not "
            "end in time it starts again from its last stage that was finished"
        )


def _failure(answer: object) -> str:
    if isinstance(answer, TimeoutError):
        return "does not answer: a file system seems to hang"
    return f"cannot be asked ({type(answer).__name__}: {answer})"


def _name(place: Place) -> str:
    return f"worker {place.worker or place.address} on {place.host or place.machine}"


@contextmanager
def admission(
    client: Client,
    root: Path,
    files: Sequence[Path],
    warn: Callable[[str], None],
    *,
    scratch: str | None = None,
    longest_s: float = 0.0,
) -> Iterator[Admission | None]:
    """Ask all workers what they have, and those that join while the block runs.

    None where nothing can be missing: the workers are processes of this machine.

    Parameters
    ----------
    client : Client
    root : Path
        The run directory, absolute.
    files : sequence of Path
        The cubes of the survey.
    warn : callable
    scratch : str, optional
        See `Needs`.
    longest_s : float
        See `Admission`.

    Raises
    ------
    ConfigError
        If there are workers, and none has what is needed.
    """
    if isinstance(client.cluster, LocalCluster):
        yield None
        return
    folder, token = root / PREFLIGHT, uuid.uuid4().hex
    needs = Needs(folder, token, tuple((path, -1) for path in sample_of(files)), scratch)
    write_token(needs)
    try:
        admitted = Admission(client, needs, warn, longest_s)
        admitted.ask_all()
        with every(LOOK_S, admitted.look, "admitting new workers"):
            yield admitted
    finally:
        _remove(folder, token)


def _remove(folder: Path, token: str) -> None:
    """Remove the files of a preflight, and those that others have left long ago."""
    try:
        for file in folder.iterdir():
            old = time.time() - file.stat().st_mtime > STALE_S
            if old or file.name.startswith(token):
                file.unlink(missing_ok=True)
        folder.rmdir()  # if nobody else uses it
    except OSError as error:
        logger.debug("%s stays: %s", folder, error)
