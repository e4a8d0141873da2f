"""Directives that write the reference from the declarations in the code, when the site is built.

`survey-commands` from the application of the command line, `survey-settings` from the models of the
settings, `survey-tables` and `survey-columns` from the schema of the catalog, `survey-flags` from
the enumerations of quality bits, `survey-features` from the packaged reference tables. Every entry
has an anchor: `#clusters.ra`, `#cut.k`, `#survey-run`, `#flag-clusters-low_snr`, `#NeII_12.81`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import typer
from docutils import nodes
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from catalogs.columns import Column
from catalogs.documentation.column_families import column_families
from catalogs.flags import FLAGS
from catalogs.reference import packaged_reference
from catalogs.schema import declared_tables
from survey.cli import app as application
from survey.config import PRESETS, Settings

Cell = str | nodes.Node
Row = tuple[str, Sequence[Cell]]
"""An anchor ("" for none), and the cells."""


def code(text: object) -> nodes.literal:
    """Text as code."""
    return nodes.literal(text=str(text))


def table(head: Sequence[str], rows: Iterable[Row], widths: Sequence[int]) -> nodes.table:
    """A table, each row of which can be linked to."""
    made = nodes.table(classes=["reference-table"])
    group = nodes.tgroup(cols=len(head))
    made += group
    group += [nodes.colspec(colwidth=width) for width in widths]
    top, body = nodes.thead(), nodes.tbody()
    top += _row(head)
    body += [_row(cells, anchor) for anchor, cells in rows]
    group += [top, body]
    return made


def _row(cells: Sequence[Cell], anchor: str = "") -> nodes.row:
    row = nodes.row(ids=[anchor] if anchor else [])
    for cell in cells:
        entry, line = nodes.entry(), nodes.paragraph()
        line += nodes.Text(cell) if isinstance(cell, str) else cell
        entry += line
        row += entry
    return row


def section(title: Cell, anchor: str, *children: nodes.Node) -> nodes.section:
    """A section with a title and an anchor."""
    made = nodes.section(ids=[anchor], names=[])
    head = nodes.title()
    head += nodes.Text(title) if isinstance(title, str) else title
    made += [head, *children]
    return made


FAMILIES_TEXT = """
And for every `FEATURE` (a common line, or a band), `RATIO` (as `NeIII_15.56/NeII_12.81`) and
`CLASS` (of the settings `classes.classes`, once the survey is classified):
"""


class Reference(SphinxDirective):
    """A directive whose text is Markdown from docstrings."""

    def text(self, markdown: str) -> list[nodes.Node]:
        """Paragraphs of a docstring."""
        return self.parse_text_to_nodes(inspect.cleandoc(markdown))

    def line(self, markdown: str) -> nodes.Node:
        """A line with code in it."""
        found, _ = self.parse_inline(markdown)
        return nodes.inline("", "", *found)


class Commands(Reference):
    """All commands with their arguments and options."""

    def run(self) -> list[nodes.Node]:
        """One section for each command, groups with their commands inside."""
        root = typer.main.get_command(application)
        return list(self._commands(root, "survey"))

    def _commands(self, group: Any, path: str) -> Iterator[nodes.Node]:
        for name, command in group.commands.items():
            full = f"{path} {name}"
            inner = list(self._commands(command, full)) if hasattr(command, "commands") else []
            yield section(
                code(full), full.replace(" ", "-"),
                *self.text(command.help or ""), *([] if inner else self._usage(command, full)),
                *inner,
            )  # fmt: skip

    def _usage(self, command: Any, full: str) -> Iterator[nodes.Node]:
        shown = [each for each in command.params if not getattr(each, "hidden", False)]
        arguments = [each for each in shown if each.param_type_name == "argument"]
        options = [each for each in shown if each.param_type_name == "option"]
        words = [_name(each) if each.required else f"[{_name(each)}]" for each in arguments]
        usage = " ".join([full, *(["[OPTIONS]"] if options else []), *words])
        yield nodes.literal_block(usage, usage, language="text")
        hints = get_type_hints(inspect.unwrap(command.callback))
        rows: list[Row] = [
            (
                f"{full.replace(' ', '-')}.{each.name}",
                (
                    code(_name(each)),
                    _kind(hints[each.name]),
                    _default(each),
                    self.line(each.help or ""),
                ),
            )
            for each in (*arguments, *options)
        ]
        if rows:
            yield table(("", "value", "default", ""), rows, (25, 15, 10, 50))


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = parameter.metavar or parameter.name.upper()
        return f"{name} ..." if parameter.nargs == -1 else str(name)
    return ", ".join([*parameter.opts, *parameter.secondary_opts])


KINDS = {str: "text", int: "number", float: "number", Path: "path", bool: ""}


def _kind(hint: Any) -> str:
    kinds = [kind for kind in (*get_args(hint), hint) if kind is not type(None)]
    repeated = next((kind for kind in kinds if get_origin(kind) is list), None)
    if repeated is not None:
        return f"{_kind(get_args(repeated)[0])}, repeatable"
    return KINDS.get(kinds[0], str(getattr(kinds[0], "__name__", kinds[0])))


def _default(parameter: Any) -> str:
    value = parameter.default
    if callable(value) or value in (None, False, True, "", (), []) or value != value:
        return ""
    return "." if value == Path() else str(value)


class SettingsReference(Reference):
    """All settings, table by table."""

    def run(self) -> list[nodes.Node]:
        """The presets, then one section for each table of the settings file."""
        return [*self._tables(Settings, ""), self._presets()]

    def _tables(self, model: type[BaseModel], place: str) -> Iterator[nodes.Node]:
        inner: list[tuple[str, type[BaseModel]]] = []
        rows: list[Row] = []
        for name, field in model.model_fields.items():
            if (table_model := _model_of(field)) is not None:
                inner.append((f"{place}{name}", table_model))
            else:
                full = f"{place}{name}"
                rows.append((full, (code(full), _type(field), code(_toml(field)), _range(field))))
        columns = ("setting", "type", "default", "allowed")
        title = code(f"[{place.removesuffix('.')}]") if place else "At the top of the file"
        about = list(self.text(model.__doc__ or ""))
        yield section(title, place.removesuffix(".") or "top",
                      *about, table(columns, rows, (30, 30, 20, 20)))  # fmt: skip
        for name, table_model in inner:
            yield from self._tables(table_model, f"{name}.")

    def _presets(self) -> nodes.Node:
        rows: list[Row] = [
            ("", (code(preset), code(f"{name}.{key} = {value!r}")))
            for preset, tables in PRESETS.items()
            for name, values in tables.items()
            for key, value in values.items()
        ]
        text = self.text(
            "What `preset` sets. A setting that is in the file stands above its preset; "
            "`default` sets nothing."
        )
        return section("Presets", "presets", *text, table(("preset", "sets"), rows, (20, 80)))


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _type(field: FieldInfo) -> str:
    kinds = get_args(field.annotation) or (field.annotation,)
    if field.annotation is not None and "Literal" in str(field.annotation):
        return " or ".join(f'"{each}"' for each in kinds)
    text = str(field.annotation if get_args(field.annotation) else field.annotation.__name__)
    return text.replace("typing.", "").replace(" | None", " (optional)").replace(", ...", " ...")


def _toml(field: FieldInfo) -> str:
    value = field.default
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return str(list(value)).replace("'", '"')
    return f'"{value}"' if isinstance(value, str) else str(value)


def _range(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [
        f"{sign} {getattr(limit, name)}"
        for limit in field.metadata
        for name, sign in signs.items()
        if getattr(limit, name, None) is not None
    ]
    return ", ".join(found)


def _columns(columns: Iterable[Column], place: str) -> nodes.table:
    rows: list[Row] = [
        (
            f"{place}.{column.name}",
            (code(column.name), str(column.type), column.unit, column.ucd, column.description),
        )
        for column in columns
    ]
    return table(("column", "type", "unit", "UCD", "meaning"), rows, (25, 8, 12, 15, 40))


class Tables(Reference):
    """All tables of the catalog; of families of columns their pattern."""

    def run(self) -> list[nodes.Node]:
        """One section for each table."""
        made = []
        for name, declared in declared_tables().items():
            families = column_families(name)
            key = ", ".join(f"`{column}`" for column in declared.key)
            about = self.text(
                f"{declared.description}. A row is identified by {key}."
                + (" Published as a folder of files." if declared.large else "")
            )
            parts: list[nodes.Node] = [*about, _columns(families.own, name)]
            if families.templates:
                parts += self.text(FAMILIES_TEXT)
                parts.append(_columns(families.templates, name))
            made.append(section(code(name), name, *parts))
        return made


class Columns(Reference):
    """The columns of `clusters` for the packaged lines, bands and ratios, one by one."""

    def run(self) -> list[nodes.Node]:
        """One table."""
        return [_columns(column_families("clusters").expanded, "clusters")]


class Flags(Reference):
    """All quality bits."""

    def run(self) -> list[nodes.Node]:
        """One section for each enumeration."""
        return [
            section(
                code(name if name in declared_tables() else "quality_..., quality"),
                f"flags-{name}",
                *self.text((kind.__doc__ or "").splitlines()[0]),
                table(
                    ("flag", "value", "meaning"),
                    [
                        (
                            f"flag-{name}-{str(flag.name).lower()}",
                            (code(str(flag.name).lower()), str(int(flag)), flag.meaning),
                        )
                        for flag in kind
                    ],
                    (25, 10, 65),
                ),
            )
            for name, kind in FLAGS.items()
        ]


class Features(Reference):
    """The packaged lines, bands, ratios, windows and instruments, with their sources."""

    def run(self) -> list[nodes.Node]:
        """One section for each."""
        found = packaged_reference()
        lines: list[Row] = [
            (
                line.name,
                (code(line.name), line.label, f"{line.wavelength_um:.5g}",
                 "yes" if line.common else "", line.source),
            )
            for line in found.lines
        ]  # fmt: skip
        bands: list[Row] = [
            (
                band.name,
                (code(band.name), band.label, "{:g} to {:g}".format(*band.integration_um),
                 band.source),
            )
            for band in found.bands
        ]  # fmt: skip
        ratios: list[Row] = [("", (code(name),)) for name in found.ratio_names]
        windows: list[Row] = [
            ("", (code(name), f"{low:g} to {high:g}"))
            for name, (low, high) in found.windows.items()
        ]
        instruments: list[Row] = [
            ("", (name, _reach(each), _resolution(each), each.source))
            for name, each in found.instruments.items()
        ]
        return [
            section("Lines", "lines", *self.text(
                "Wavelengths are in vacuum. Common lines have columns in `clusters`; all are in "
                "`measurements`."
            ), table(("name", "line", "µm", "common", "source"), lines, (20, 20, 10, 10, 40))),
            section("Bands", "bands",
                    table(("name", "band", "integrated (µm)", "source"), bands, (20, 20, 20, 40))),
            section("Ratios", "ratios", *self.text(
                "Of two fluxes or sums of fluxes; columns `log_RATIO`, `logerr_RATIO`, "
                "`loglimit_RATIO`."
            ), table(("ratio",), ratios, (100,))),
            section("Windows", "windows", *self.text(
                "Names for `prepare.window`, in micron of the rest frame."
            ), table(("name", "µm"), windows, (50, 50))),
            section("Instruments", "instruments", table(
                ("name", "observed range (µm)", "resolving power", "source"), instruments,
                (20, 20, 20, 40))),
        ]  # fmt: skip


def _reach(instrument: Any) -> str:
    return ", ".join("{:g} to {:g}".format(*each.range_um) for each in instrument.segments)


def _resolution(instrument: Any) -> str:
    import numpy as np

    ends = np.array([each.range_um for each in instrument.segments]).ravel()
    powers = instrument.resolving_power(ends)
    return f"{powers.min():.0f} to {powers.max():.0f}"


def outdated(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Pages of the reference, which the code changes and not their sources."""
    return [name for name in env.found_docs if name.startswith("reference/")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    for name, directive in {
        "survey-commands": Commands,
        "survey-settings": SettingsReference,
        "survey-tables": Tables,
        "survey-columns": Columns,
        "survey-flags": Flags,
        "survey-features": Features,
    }.items():
        app.add_directive(name, directive)
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
