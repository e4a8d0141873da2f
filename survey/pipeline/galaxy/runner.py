"""Runs the stages of one galaxy: results on disk are found, missing ones are computed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from catalogs.parts import PartStore, Receipt, safe_name
from survey.config import ReadSettings, Settings
from survey.cubes.files.cube_file import CubeFile
from survey.cubes.files.unpack import check_cube_file
from survey.cubes.readers.places import companion_files
from survey.cubes.scratch import Scratch
from survey.errors import IntegrityError
from survey.loading import loading
from survey.pipeline.galaxy.input_files import InputFile, content_hash, read_inputs
from survey.pipeline.galaxy.peak_memory import reset_peak_memory
from survey.pipeline.galaxy.stage import GalaxyContext, Kept, Part, Stage
from survey.pipeline.galaxy.stage_list import STAGES
from survey.pipeline.galaxy.target import Target
from survey.pipeline.leftovers import sweep_once
from survey.pipeline.reference import reference_of

if TYPE_CHECKING:
    import xarray as xr

BY_NAME = {stage.name: stage for stage in STAGES}
LAST = STAGES[-1].name

LASTING_ABOVE_S = 10.0
"""Work of a stage that a power failure must not cost; less is flushed with the last part."""

WITH_LAST_BELOW_S, WITH_LAST_BYTES = 10.0, 4 << 20
"""Work since the last part, and bytes, of a result that waits for the last part to contain it."""


class GalaxyRunner:
    """The stages of one galaxy in one run directory.

    The key of a stage is the fingerprint of everything it depends on, so that a changed setting
    affects exactly the stages that depend on it.

    Parameters
    ----------
    target : Target
    settings : Settings
    root : Path
        The run directory.
    memory_bytes : float, optional
        What this process may use. It decides what is kept on disk and how the tree is made.
    content_hash : str, optional
        Hash of a cube that is in memory, and is stored before it is processed. By default that of
        the files of the target.
    on_stage : callable
        Called with the name of every stage that starts to be computed.
    known : sequence of InputFile
        Files that were hashed before; they are not read again if they have not changed.

    Attributes
    ----------
    inputs : tuple of InputFile
        The files as they were hashed; empty before.
    stage : str
        The current stage, for error messages.
    computed : list of str
        Stages that were computed, not found on disk.
    notes : list of str
        Messages for the user.
    """

    def __init__(
        self,
        target: Target,
        settings: Settings,
        root: Path,
        memory_bytes: float | None = None,
        on_stage: Callable[[str], None] = lambda stage: None,
        *,
        known: Sequence[InputFile] = (),
        content_hash: str | None = None,
    ) -> None:
        self.target = target
        self.settings = settings
        self.root = root
        self.memory_bytes = memory_bytes
        self.content_hash = content_hash
        self.on_stage = on_stage
        self.known = known
        self.inputs: tuple[InputFile, ...] = ()
        self.parts = PartStore(root)
        self.stage = STAGES[0].name
        self.computed: list[str] = []
        self.notes: list[str] = []
        self._context: GalaxyContext | None = None
        self._results: dict[str, Any] = {}
        self._waiting: list[Receipt] = []
        self._unsaved_s = 0.0
        self._goes_to_last = False

    def result(self) -> Receipt:
        """The committed part that the catalog is made of.

        Raises
        ------
        SurveyError
            If the galaxy cannot be processed; `stage` is the stage that failed.
        """
        sweep_once(self.root)
        reset_peak_memory()
        self.stage = STAGES[0].name
        self._results.clear()
        if any(file.change() for file in self.inputs):
            self._context = None  # They changed during an earlier attempt: hash them again.
        self._goes_to_last, self._unsaved_s = True, 0.0
        try:
            _ = self.context  # reads the files, before any later stage is named
            receipt: Receipt = self.get(LAST)
            return receipt
        finally:
            self.release()

    def release(self) -> None:
        """Forget results in memory, save those that wait, and remove temporary files."""
        self._goes_to_last = False
        self._results.clear()
        while self._waiting:
            # The stages after it failed: it is kept, unless the disk is what failed.
            with suppress(OSError):
                self.parts.move_into_place(self._waiting.pop(), lasting=False)
        if self._context is not None:
            self._context.scratch.remove()

    @property
    def context(self) -> GalaxyContext:
        """What the stages know about the galaxy; made once, since it may hash all files."""
        if self._context is None:
            if self.content_hash is None:
                self.inputs = _read_inputs(self.target, self.settings.read, self.known)
            context = GalaxyContext(
                self.target,
                self.settings,
                self.root,
                self.content_hash or content_hash(self.inputs),
                reference_of(self.settings.tables),
                self.memory_bytes,
                Scratch(self.root, safe_name(self.target.galaxy), self.settings.engine.scratch),
            )
            for stage in STAGES:
                context.keys[stage.name] = stage.key(context)
            self._context = context
        return self._context

    @property
    def keys(self) -> dict[str, str]:
        """The key of every stage."""
        return self.context.keys

    @property
    def known_hash(self) -> str | None:
        """The hash of the content of its files, or None if they were not read yet."""
        return self._context.content_hash if self._context else None

    @property
    def stage_seconds(self) -> dict[str, float]:
        """The seconds of the stages that were computed, in order."""
        seconds = self._context.seconds if self._context else {}
        return {name: seconds[name] for name in self.computed}

    def get(self, name: str) -> Any:
        """The result of a stage, computed if it does not exist yet."""
        if name in self._results:
            return self._results[name]
        stage = BY_NAME[name]
        result = self._found(stage)
        if result is None:
            result = self._made(stage)
            self.computed.append(name)
        if stage.kept is not Kept.NOWHERE:
            self._results[name] = result
        return result

    @property
    def is_finished(self) -> bool:
        """Whether its last part exists and is undamaged; nothing is changed."""
        return self._is_there(BY_NAME[LAST])

    def missing(self) -> list[str]:
        """Stages that `result` would compute, in order, by the same keys; nothing is changed.

        The last part is read and compared with its receipt. Of earlier parts and of the converted
        cube, which may be large, sizes are compared.
        """
        missing: set[str] = set()

        def need(name: str) -> None:
            if name not in missing and not self._is_there(BY_NAME[name]):
                missing.add(name)
                for before in BY_NAME[name].inputs:
                    need(before)

        need(LAST)
        return [stage.name for stage in STAGES if stage.name in missing]

    def _is_there(self, stage: Stage) -> bool:
        if stage.kept.is_part:
            place = self.target.galaxy, stage.name, self.keys[stage.name]
            return isinstance(self.parts.check(*place, full=stage.name == LAST), Receipt)
        if stage.kept is Kept.STORE and (path := self.context.store_path(stage.name)).exists():
            try:
                _opened(path)
            except IntegrityError:
                return False
            return True
        return False

    def drop_stores(self) -> None:
        """Remove the converted cube."""
        for stage in STAGES:
            if stage.kept is Kept.STORE:
                self._results.pop(stage.name, None)
                shutil.rmtree(self.context.store_path(stage.name), ignore_errors=True)

    def _found(self, stage: Stage) -> Any:
        """The result of a stage on disk, or None if it is missing or damaged."""
        name = self.stage = stage.name
        if stage.kept.is_part:
            # The hashes are checked: a part is small compared with its cube, and may be years old.
            found = self.parts.find(self.target.galaxy, name, self.keys[name], full=True)
            if found is not None:
                self.context.seconds.update(found.summary["seconds"])
            return found
        if stage.kept is Kept.STORE and (path := self.context.store_path(name)).exists():
            try:
                return _opened(path)
            except IntegrityError as error:
                self._drop_damaged(error)
        return None

    def _made(self, stage: Stage) -> Any:
        try:
            return self._make(stage)
        except IntegrityError as error:
            # Damage inside a store shows only when it is read. If it fails again after
            # conversion, the store is not the cause.
            if not any(BY_NAME[name].kept is Kept.STORE for name in stage.inputs):
                raise
            self._drop_damaged(error)
            return self._make(stage)

    def _drop_damaged(self, error: IntegrityError) -> None:
        if self.content_hash is not None:
            raise error  # There are no files to convert again.
        found = f"{error.file}: {error.message}" if error.file else error.message
        self.notes.append(f"{found}; the cube is converted again")
        self.drop_stores()

    def _make(self, stage: Stage) -> Any:
        inputs = [self.get(name) for name in stage.inputs]
        self.stage = stage.name
        self.on_stage(stage.name)
        # It has one if it was made before and could not be written.
        self.context.seconds.pop(stage.name, None)
        start = time.perf_counter()
        made = _function(stage)(self.context, *inputs)
        self.context.seconds[stage.name] = time.perf_counter() - start
        self._unsaved_s += self.context.seconds[stage.name]
        if stage.kept.is_part:
            return self._committed(stage, made)
        if stage.kept is Kept.STORE:
            self._refuse_changed_files()
            self._unsaved_s = 0.0
            return _opened(self.context.store_path(stage.name))
        return made

    def _refuse_changed_files(self) -> None:
        """Keep no cube of files that have changed since they were hashed."""
        try:
            for file in self.inputs:
                file.refuse_change()
        except IntegrityError:
            self.drop_stores()
            raise

    def _committed(self, stage: Stage, part: Part) -> Receipt:
        self.notes += part.notes
        summary = part.summary | {"seconds": dict(self.context.seconds), "keys": dict(self.keys)}
        if stage.name == LAST:
            summary["made_from"] = {one.name: one.made_from(self.context) for one in STAGES}
        place = self.target.galaxy, stage.name, self.keys[stage.name]
        lasting = stage.name == LAST or self.context.seconds[stage.name] > LASTING_ABOVE_S
        if stage.kept is Kept.WITH_LAST and self._goes_to_last and part.packed:
            receipt = self.parts.prepare(*place, part.write, summary)
            if self._unsaved_s <= WITH_LAST_BELOW_S and receipt.n_bytes <= WITH_LAST_BYTES:
                self._waiting.append(receipt)
                return receipt
            receipt = self.parts.move_into_place(receipt, lasting=lasting)
        else:
            contained = self._to_be_contained() if stage.name == LAST else ()
            receipt = self.parts.commit(
                *place,
                part.write,
                summary,
                packed=part.packed,
                lasting=lasting,
                contained=contained,
            )
        self._unsaved_s = 0.0
        if stage.name == LAST:
            while self._waiting:
                self.parts.forget(self._waiting.pop())
        return receipt

    def _to_be_contained(self) -> list[Receipt]:
        """Results without a part of their own, which the last part is to contain."""
        results = [self._results.get(one.name) for one in STAGES if one.kept is Kept.WITH_LAST]
        return [one for one in results if one is not None and not one.is_alone]


# What computes and what opens cubes is loaded when it is used: many runs find everything finished.


def _function(stage: Stage) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(_stage_functions(), stage.function)
    return function


@cache
def _stage_functions() -> ModuleType:
    with loading():
        from survey.pipeline.galaxy import stages

    return stages


def _opened(path: Path) -> xr.Dataset:
    from survey.cubes.store import open_store

    return open_store(path)


def _read_inputs(
    target: Target, settings: ReadSettings, known: Sequence[InputFile]
) -> tuple[InputFile, ...]:
    """The input files, and those that the settings name beside them, with their hashes."""
    # Checked before gigabytes of them are read.
    return read_inputs(input_paths(target, settings), known, check=_check_if_here)


def input_paths(target: Target, settings: ReadSettings) -> list[CubeFile]:
    """The files of a target, and those that exist of what the settings name beside them."""
    companions = [other for file in target.files for other in companion_files(file, settings)]
    # Those that are not there are an error when the cube is read, if its reader needs them.
    return [*target.files, *(file for file in companions if file.is_file())]


def _check_if_here(file: CubeFile) -> None:
    if file.local is not None:  # Of others these are requests, and made when they are read.
        check_cube_file(file)
