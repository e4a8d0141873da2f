"""What somebody may have meant by a setting or a file that does not exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MOST = 3
ALIKE = 0.6


def setting_names(settings: type[BaseModel], before: str = "") -> Iterator[str]:
    """The dotted names of all settings, of tables and of what is in them."""
    for name, field in settings.model_fields.items():
        yield before + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from setting_names(field.annotation, f"{before}{name}.")


def nearest_settings(unknown: str, settings: type[BaseModel]) -> list[str]:
    """The settings that an unknown one may stand for; none if no name is like it.

    Those of its own name in another table (``k`` means ``cut.k``), else that with the likest name.
    """
    known = list(setting_names(settings))
    last = unknown.rpartition(".")[2]
    same = [name for name in known if name.rpartition(".")[2] == last and name != unknown]
    table = [name for name in known if name.rpartition(".")[0] == unknown.rpartition(".")[0]]
    # In its own table names are short, and a letter more or less is half of them.
    near = get_close_matches(unknown, table, n=1, cutoff=ALIKE)
    far = get_close_matches(unknown, known, n=1, cutoff=ALIKE)
    return same[:MOST] or near or far


def nearest_names(unknown: str, known: Iterable[str]) -> list[str]:
    """The known names that are most like an unknown one; none if no name is like it."""
    return get_close_matches(unknown, list(known), n=2, cutoff=ALIKE)


def problem_of(item: ErrorDetails, settings: type[BaseModel]) -> str:
    """What is wrong with one setting, and what may have been meant."""
    name = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden":
        text = item["msg"].removeprefix("Value error, ")
        return f"{name or 'settings'}: {text}"
    near = nearest_settings(name, settings)
    return f"{name}: no such setting" + (f" (did you mean {' or '.join(near)}?)" if near else "")


def advice_for_missing(file: Path) -> str | None:
    """What to say of a file that is not there: the name beside it that is most like its own."""
    try:
        names = [path.name for path in file.parent.iterdir()]
    except OSError:
        return f"There is no folder {file.parent}."
    near = get_close_matches(file.name, names, n=1, cutoff=0.7)
    return f"Did you mean {file.parent / near[0]}?" if near else None
