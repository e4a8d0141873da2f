"""The floor plan, drawn from the imports: who may import whom, and what each floor knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

FLOORS = (
    "catalogs",
    "survey.errors",
    "survey.machine_faults",
    "survey.loading",
    "survey.earlier_settings",
    "survey.config",
    "survey.terminal",
    "survey.bounded_zip",
    "survey.spectra",
    "survey.distances",
    "survey.linkage",
    "survey.clustering",
    "survey.features",
    "survey.classes",
    "survey.validation",
    "survey.cubes",
    "survey.archives",
    "survey.simulate",
    "survey.engine",
    "survey.pipeline",
    "survey.pipeline.galaxy",
    "survey.pipeline.run",
    "survey.pipeline.classification",
    "survey.pipeline.validation",
    "survey.report",
    "survey.export",
    "survey.dashboard",
    "survey.latents",
    "survey.api",
    "survey.cli",
    "survey",
)
"""From the ground up. A module imports from its own floor and from those above it in this list."""

GROUND = {
    "catalogs",
    "survey.bounded_zip",
    "survey.config",
    "survey.earlier_settings",
    "survey.errors",
    "survey.loading",
    "survey.machine_faults",
}
KNOWS_ONLY = {
    "survey.spectra": set(),
    "survey.distances": {"survey.spectra"},
    "survey.linkage": {"survey.spectra", "survey.distances"},
    "survey.clustering": {"survey.spectra", "survey.distances", "survey.linkage"},
    "survey.features": {"survey.spectra"},
    "survey.classes": set(),
    "survey.validation": {
        "survey.spectra",
        "survey.distances",
        "survey.linkage",
        "survey.clustering",
    },
    "survey.cubes": {"survey.spectra"},
    "survey.simulate": {"survey.spectra", "survey.cubes"},
    "survey.engine": {"survey.cubes"},
}
"""Neighbours on the data path: which floors each may know besides itself and the ground."""

SCIENCE = (
    *(f"survey.{name}" for name in ("spectra", "distances", "linkage", "clustering")),
    *(f"survey.{name}" for name in ("features", "classes", "validation")),
    *(
        f"survey.latents.{name}"
        for name in (
            "models",
            "evaluation",
            "grid",
            "spectra",
            "thinning",
            "uncertainty",
            "anomaly",
        )
    ),
)
SCIENCE_KNOWS_NOTHING_OF = {"dask", "distributed", "zarr", "xarray", "pyarrow", "pandas"}
LIGHT_NUMBER = re.compile(r"299.?792|speed_of_light|constants import .*\bc\b|constants\.c\b")
MOST_FILES = 21
MOST_LINES = 450


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("survey", "catalogs"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


PATHS = dict(modules())


def imports_of(module: str) -> Iterator[str]:
    """Every name that a module imports, also inside functions; of ours, the module it is in."""
    for node in ast.walk(ast.parse(PATHS[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in PATHS else str(node.module)


IMPORTS = {module: set(imports_of(module)) for module in PATHS}


def floor_of(module: str) -> str:
    """The entry of `FLOORS` that a module belongs to."""
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next(name for name in names if name in FLOORS)


def arrows() -> Iterator[tuple[str, str]]:
    """Every import of a module of ours by another: who, and whom."""
    for module, names in IMPORTS.items():
        yield from ((module, name) for name in sorted(names) if name in PATHS and name != module)


def test_every_module_imports_only_from_its_floor_and_the_floors_below() -> None:
    level = {name: number for number, name in enumerate(FLOORS)}
    wrong = [
        f"{user} imports {used}"
        for user, used in arrows()
        if used != "survey" and level[floor_of(used)] > level[floor_of(user)]
    ]
    assert not wrong, "\n".join(wrong)


def test_neighbours_on_the_data_path_know_only_what_they_build_on() -> None:
    wrong = [
        f"{user} imports {used}"
        for user, used in arrows()
        if floor_of(user) in KNOWS_ONLY
        and floor_of(used) not in KNOWS_ONLY[floor_of(user)] | GROUND | {floor_of(user), "survey"}
    ]
    assert not wrong, "\n".join(wrong)


def test_no_imports_run_in_a_circle() -> None:
    packages = {module for module, path in PATHS.items() if path.name == "__init__.py"}
    graph: dict[str, set[str]] = {module: set() for module in PATHS}
    for user, used in arrows():
        # To import a module runs the faces of the packages around it, but for one's own.
        parts = used.split(".")
        around = (".".join(parts[:length]) for length in range(1, len(parts)))
        names = {used, *(name for name in around if name in packages)}
        graph[user] |= {name for name in names if not f"{user}.".startswith(f"{name}.")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError("circle: " + " <- ".join(error.args[1])) from None


def test_only_the_engine_imports_distributed() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, names in IMPORTS.items()
        for name in names
        if name.startswith(("distributed", "dask.distributed"))
        and floor_of(module) != "survey.engine"
    ]
    assert not wrong, "\n".join(wrong)


def test_science_modules_know_no_dask_and_no_files() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, names in IMPORTS.items()
        for name in names
        if module.startswith(SCIENCE) and name.split(".")[0] in SCIENCE_KNOWS_NOTHING_OF
    ]
    assert not wrong, "\n".join(wrong)


def test_the_speed_of_light_is_declared_once() -> None:
    users = [module for module, path in PATHS.items() if LIGHT_NUMBER.search(path.read_text())]
    assert users == ["survey.spectra.constants"]


def test_files_and_folders_hold_one_idea() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in [*PATHS.values(), *(ROOT / "tests").rglob("*.py")]
        if (lines := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert not long, f"files above {MOST_LINES} lines: {long}"
    folders = {path.parent for path in PATHS.values()}
    crowded = {
        str(folder.relative_to(ROOT)): count
        for folder in folders
        if (count := sum(1 for _ in folder.glob("*.py"))) > MOST_FILES
    }
    assert not crowded, f"folders above {MOST_FILES} files: {crowded}"


def test_no_two_classes_of_one_package_have_one_name() -> None:
    places: dict[tuple[str, str], list[str]] = {}
    for module, path in PATHS.items():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault((floor_of(module), node.name), []).append(module)
    twice = {name: where for name, where in places.items() if len(where) > 1}
    assert not twice, twice
