"""The table of costs in `deploy/README.md` is what the growth law says."""

import re

import pytest

from survey.engine.worker_memory import parse_memory
from survey.pipeline.galaxy.choose_tree_path import project_cost
from survey.pipeline.galaxy.costs import Work
from tests.deploy.conftest import ROOT

STORE_BYTES_PER_VOXEL = 5.5
"""Of a converted MRS cube as it is on disk: flux, error and mask, compressed."""


def table_rows() -> list[list[str]]:
    """Cells of the rows, without the heading."""
    text = (ROOT / "deploy" / "README.md").read_text()
    section = text.split("## What it costs")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def numbers(text: str) -> list[float]:
    return [float(found.replace(",", "")) for found in re.findall(r"[\d,]*\.?\d+", text)]


@pytest.mark.parametrize("row", table_rows(), ids=lambda row: f"{row[0]}, {row[2]}")
def test_a_row_of_the_table_is_what_the_law_says(row: list[str]) -> None:
    survey, size, memory, path, peak, core_hours, workers, disk = row
    (n_cubes,) = numbers(survey.split(",", 1)[1])
    n_spaxel, n_plane = map(int, numbers(size))
    cost = project_cost(Work(n_spaxel, n_plane), memory_bytes=parse_memory(memory))
    hours = n_cubes * cost.seconds / 3600
    assert path == cost.path
    assert numbers(peak)[0] == pytest.approx(cost.peak_bytes / 2**30, rel=0.1)
    assert numbers(core_hours)[0] == pytest.approx(hours, rel=0.1)
    n_workers, took = numbers(workers)
    assert took == pytest.approx(hours / n_workers, rel=0.15)
    stores, parts, scratch = numbers(disk)
    matrix = cost.work.n_pair * cost.work.itemsize if n_spaxel <= 10_000 else 4 * 4000**2 / 2
    assert stores == pytest.approx(
        n_cubes * n_spaxel * n_plane * STORE_BYTES_PER_VOXEL / 1e9, rel=0.1
    )
    assert parts == pytest.approx(n_cubes * (matrix + 500_000) / 1e9, rel=0.1)
    assert scratch == pytest.approx(cost.scratch_bytes / 1e9, rel=0.1, abs=0.1)
