"""The house rule: a module imports only from lower floors; only the engine knows the cluster."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FLOOR = {
    "catalogs": 0,
    "survey": 0,  # the version
    "survey.errors": 0,
    "survey.config": 0,
    "survey.spectra": 1,
    "survey.clustering": 1,
    "survey.features": 1,
    "survey.classes": 1,
    "survey.latent": 1,
    "survey.cubes": 2,
    "survey.simulate": 2,
    "survey.xray": 2,
    "survey.engine": 3,
    "survey.pipeline": 4,
    "survey.validation": 5,
    "survey.report": 5,
    "survey.dashboard": 5,
    "survey.cli": 6,
}

MAY_USE_ITS_NEIGHBOUR = {
    ("survey.clustering", "survey.spectra"),
    ("survey.features", "survey.spectra"),
    ("survey.xray", "survey.cubes"),  # files that are damaged are found in one place
    ("survey.simulate", "survey.xray"),  # counts are what a response makes of photons
    ("survey.config", "survey.errors"),
}

SCIENCE_KNOWS_NOTHING_OF = {"dask", "distributed", "zarr", "xarray", "pyarrow", "pandas"}


def unit_of(module: str) -> str:
    """The part of the house a dotted module name belongs to."""
    parts = module.split(".")
    return module if len(parts) == 1 and module in FLOOR else ".".join(parts[:2])


def house_of(module: str) -> str:
    return "catalogs" if module.split(".")[0] == "catalogs" else unit_of(module)


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("survey", "catalogs"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports_of(path: Path) -> Iterator[str]:
    """Every absolute name a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


ALL = list(modules())


@pytest.mark.parametrize(("module", "path"), ALL, ids=[name for name, _ in ALL])
def test_a_module_imports_only_from_lower_floors(module: str, path: Path) -> None:
    own = house_of(module)
    assert own in FLOOR, f"{module} stands on no floor"
    for name in imports_of(path):
        if name.split(".")[0] not in ("survey", "catalogs"):
            continue
        other = house_of(name)
        if other not in FLOOR:  # `from survey import __version__`
            other = "survey"
        allowed = (
            other == own
            or FLOOR[other] < FLOOR[own]
            or (own, other) in MAY_USE_ITS_NEIGHBOUR
            or other == "survey"
        )
        assert allowed, f"{module} (floor {FLOOR[own]}) imports {name} (floor {FLOOR[other]})"


@pytest.mark.parametrize(("module", "path"), ALL, ids=[name for name, _ in ALL])
def test_only_the_engine_imports_distributed(module: str, path: Path) -> None:
    users = [
        name for name in imports_of(path) if name.startswith(("distributed", "dask.distributed"))
    ]
    assert not users or house_of(module) == "survey.engine", f"{module} imports {users}"


@pytest.mark.parametrize(("module", "path"), ALL, ids=[name for name, _ in ALL])
def test_science_modules_know_no_dask_and_no_files(module: str, path: Path) -> None:
    if FLOOR[house_of(module)] == 1:
        foreign = {name.split(".")[0] for name in imports_of(path)} & SCIENCE_KNOWS_NOTHING_OF
        assert not foreign, f"{module} imports {foreign}"


def test_catalogs_stands_alone() -> None:
    for module, path in ALL:
        if house_of(module) == "catalogs":
            assert not any(name.split(".")[0] == "survey" for name in imports_of(path)), module


def test_the_speed_of_light_is_declared_once() -> None:
    number = re.compile(r"299.?792|speed_of_light|constants import .*\bc\b|constants\.c\b")
    users = [module for module, path in ALL if number.search(path.read_text())]
    assert users == ["survey.spectra.light"]


def test_files_hold_one_idea() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in [*(p for _, p in ALL), *(ROOT / "tests").rglob("*.py")]
        if (lines := len(path.read_text().splitlines())) > 450
    }
    assert not long, f"files above 450 lines: {long}"
