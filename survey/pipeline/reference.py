"""The reference tables of a run: the packaged ones with those that its settings name."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from catalogs.durable import hash_file, write_text
from catalogs.reference import Reference, packaged_reference, read_reference
from catalogs.vocabulary import Vocabulary
from survey.config import WHOLE_WINDOW, Settings, TableSettings, load_settings
from survey.errors import ConfigError

TABLES_FOLDER = "tables"
"""Folder in the run directory with copies of your own tables."""

SETTINGS_FILE = "survey.toml"
"""The record of a run in its directory."""


def reference_of(tables: TableSettings) -> Reference:
    """The reference tables of settings whose paths are absolute.

    Raises
    ------
    ConfigError
        If a file does not exist.
    CatalogError
        If a file cannot be read; the message names the line.
    """
    files = {name: Path(file) for name, file in tables.files().items()}
    if not files:
        return packaged_reference()
    for name, file in files.items():
        if not file.is_file():
            raise ConfigError(f"tables.{name}: no such file", file=file)
    content = tuple((name, file, hash_file(file)) for name, file in files.items())
    return _read(content, tables.replace)


@lru_cache(maxsize=4)
def _read(content: tuple[tuple[str, Path, str], ...], replaced: tuple[str, ...]) -> Reference:
    return read_reference({name: [file] for name, file, _ in content}, replaced)


def reference_of_run(root: Path) -> Reference:
    """The tables that a run was made with, from its record; the packaged ones if it has none."""
    record = root / SETTINGS_FILE
    if not record.is_file():
        return packaged_reference()
    tables = load_settings(record).tables
    return reference_of(absolute_tables(tables, root))


def run_window_um(reference: Reference, settings: Settings) -> tuple[float, float] | None:
    """The rest-frame window in micron that a run compares, None for all that its cubes have."""
    window = settings.prepare.window
    if window == WHOLE_WINDOW:
        return None
    return reference.window(window) if isinstance(window, str) else window


def run_vocabulary(reference: Reference, settings: Settings) -> Vocabulary:
    """The lines, bands and ratios that the columns of a run are named after."""
    return Vocabulary.of(reference, run_window_um(reference, settings))


def vocabulary_of_run(root: Path) -> Vocabulary:
    """The same from the record of a run."""
    record = root / SETTINGS_FILE
    settings = load_settings(record) if record.is_file() else Settings()
    return run_vocabulary(reference_of_run(root), settings)


def keep_tables(tables: TableSettings, root: Path) -> TableSettings:
    """Copy the tables into the run directory, and return settings that name the copies.

    So a run keeps its own tables. A file that is the copy already is left unchanged.
    """
    copies = {}
    for name, file in tables.files().items():
        source = Path(file)
        copy = root / TABLES_FOLDER / f"{name}{source.suffix}"
        if source != copy:
            content = source.read_text(encoding="utf-8")
            write_text(copy, content)
        copies[name] = str(copy)
    return tables.model_copy(update=copies)


def relative_tables(tables: TableSettings, folder: Path) -> TableSettings:
    """The settings with paths below `folder` relative to it."""
    paths = {
        name: str(Path(file).relative_to(folder) if Path(file).is_relative_to(folder) else file)
        for name, file in tables.files().items()
    }
    return tables.model_copy(update=paths)


def absolute_tables(tables: TableSettings, folder: Path) -> TableSettings:
    """The settings with paths that are relative to `folder` made absolute."""
    paths = {name: str((folder / file).resolve()) for name, file in tables.files().items()}
    return tables.model_copy(update=paths)
