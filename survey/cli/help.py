"""How `--help` shows commands and options: in groups, the steps of a survey first."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import typer
from typer.core import TyperCommand, TyperGroup

PANELS = {
    "A survey, step by step": (
        "init", "fetch", "inspect", "plan", "run", "status", "dashboard", "validate", "classify",
        "report",
    ),
    "Its results": ("catalog", "export"),
    "To try it out": ("demo", "simulate"),
    "More": ("cluster", "latent"),
}  # fmt: skip
"""The groups of `survey --help`, and what is in each, in order."""


WORDS = {str: "TEXT", Path: "PATH", int: "N", float: "NUMBER"}
"""How help names the values of options, by their type."""


def _named_for_people(params: list[Any]) -> list[Any]:
    """Name the values of options; a flag takes none."""
    for param in params:
        if param.metavar is None and param.param_type_name == "option":
            kind: Any = getattr(getattr(param, "type_descriptor", None), "annotation", None)
            kind = next(iter(get_args(kind)), kind)
            param.metavar = "" if getattr(param, "is_flag", False) else WORDS.get(kind)
    return params


class Command(TyperCommand):
    """A command with readable help."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters, that of `--help` too."""
        return _named_for_people(super().get_params(ctx))


class Group(TyperGroup):
    """A group of commands with readable help."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters, that of `--help` too."""
        return _named_for_people(super().get_params(ctx))


def arrange(app: typer.Typer) -> None:
    """Put all commands of the application into their groups and order."""
    place = {name: (panel, i) for panel, names in PANELS.items() for i, name in enumerate(names)}
    order = list(PANELS)

    def rank(command: Any) -> tuple[int, int]:
        panel, position = place.get(name_of(command), ("More", len(place)))
        return order.index(panel), position

    app.registered_commands.sort(key=rank)
    app.registered_groups.sort(key=rank)
    commands: list[Any] = [*app.registered_commands, *app.registered_groups]
    for command in commands:
        command.rich_help_panel = place.get(name_of(command), ("More", 0))[0]
    _dress(app)


def name_of(command: Any) -> str:
    """The name by which a command or a group is called."""
    return command.name or command.callback.__name__.replace("_", "-")


def _dress(app: typer.Typer) -> None:
    app.info.cls = Group
    for command in app.registered_commands:
        command.cls = Command
    for group in app.registered_groups:
        group.cls = Group
        if group.typer_instance is not None:
            _dress(group.typer_instance)
