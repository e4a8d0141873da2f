"""One galaxy of any size on workers of limited memory: time, peak memory, agreement.

Every case is a step of its own, whose figures are kept in a folder: the steps can be run one by
one on a machine that is otherwise idle, and the table is made of all in the end.

    python -m tests.benchmarks.scale.bench_scale --list
    python -m tests.benchmarks.scale.bench_scale --case 30k-chain
    python -m tests.benchmarks.scale.bench_scale              # what is missing, then the table

Memory limits are enforced by the nannies of the workers. A case counts only if no worker was
killed and nothing was spilled. The cubes are simulated galaxies whose truth is known.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from dask.utils import parse_bytes

from catalogs import open_catalog
from catalogs.parts import Receipt
from survey.clustering.criteria import partition
from survey.config import EngineSettings, build_settings
from survey.engine.cluster import connect
from survey.pipeline.galaxy.tree import TreeResult
from survey.pipeline.run.survey import run_survey
from tests.benchmarks.scale.scale_cubes import CUBES, cube_target, truth_at
from tests.benchmarks.scale.scale_medians import run_medians
from tests.benchmarks.scale.scale_table import KS, lines
from tests.benchmarks.table import print_table


@dataclass(frozen=True)
class Case:
    """A run of one cube.

    `memory` is the limit of a worker, `path` how the tree is made; `draw` numbers the draw of
    the noise.
    """

    cube: str
    memory: str
    path: str = "auto"
    workers: int = 1
    draw: int = 0


CASES = {
    "10k": Case("10k", "4GiB"),
    "30k-fastcluster": Case("30k", "16GiB", "fastcluster"),
    "30k-chain": Case("30k", "4GiB", "chain"),
    "30k-rounds": Case("30k", "4GiB", "rounds"),
    "30k-two-stage": Case("30k", "4GiB", "two-stage"),
    "30k-auto": Case("30k", "4GiB"),
    "30k-new-noise": Case("30k", "16GiB", "fastcluster", draw=1),
    "30k-chain-two-workers": Case("30k", "4GiB", "chain", workers=2),
    "30k-two-stage-two-workers": Case("30k", "4GiB", "two-stage", workers=2),
    "90k-two-stage": Case("90k", "4GiB", "two-stage"),
    "90k-chain": Case("90k", "18GiB", "chain"),
    "growth": Case("growth", "4GiB", "chain"),
    "growth-spaxels": Case("growth-spaxels", "4GiB", "chain"),
    "growth-planes": Case("growth-planes", "4GiB", "chain"),
}


def run_case(name: str, folder: Path) -> None:
    """Run a case and keep its figures in `folder`."""
    case, root = CASES[name], folder / "runs" / name
    target = cube_target(case.cube, case.draw, folder / "cubes")
    small = cube_target("small", 0, folder / "cubes")
    settings = build_settings(
        {
            "linkage": {"path": case.path},
            "cut": {"criterion": "auto"},
            "engine": {"keep_stores": False},
            "report": {"figures": False},
        }
    )
    engine = EngineSettings(workers=case.workers, memory_limit=case.memory, dashboard=False)
    shutil.rmtree(root, ignore_errors=True)
    with connect(engine) as client:
        # Libraries are loaded, and compiled, before anything is measured.
        warm = [replace(small, galaxy=f"small-{i}") for i in range(2 * case.workers)]
        run_survey(root / "warm", warm, settings, client)
        pids = set(client.run(os.getpid).values())
        start, cpu = time.perf_counter(), sum(client.run(time.process_time).values())
        results = run_survey(root / "run", [target], settings, client)
        seconds = time.perf_counter() - start
        facts = {
            "seconds": seconds,
            "cpu_seconds": sum(client.run(time.process_time).values()) - cpu,
            "survived": set(client.run(os.getpid).values()) == pids,
            "spilled_bytes": sum(client.run(_spilled_bytes).values()),
            "limit_bytes": parse_bytes(case.memory),
        }
    if results.failures:
        raise SystemExit(f"{name}: {results.failures[0]['message']}")
    catalog = open_catalog(root / "run")
    galaxy, spaxels = catalog.galaxies.iloc[0], catalog.spaxels()
    kept = spaxels[spaxels["cluster"] > 0]
    y, x = (kept[axis].to_numpy() for axis in "yx")
    (part,) = root.glob("run/parts/*/tree-*")
    tree = TreeResult.load(Receipt.read(part)).tree
    wanted = (
        "n_spaxel",
        "n_cluster",
        "linkage_path",
        "peak_memory_bytes",
        "projected_memory_bytes",
    )
    row = {column: galaxy[column] for column in galaxy.index if column in wanted}
    row |= {column: galaxy[column] for column in galaxy.index if column.startswith("seconds_")}
    results_folder = folder / "results"
    results_folder.mkdir(exist_ok=True)
    np.savez_compressed(
        results_folder / f"{name}.npz",
        y=y,
        x=x,
        truth=truth_at(target, y, x),
        labels=kept["cluster"].to_numpy(),
        heights=tree[:, 2],
        partitions=np.array([partition(tree, k) for k in KS], dtype=np.int16),
    )
    facts |= {"n_plane": CUBES[case.cube].n_plane} | row
    text = json.dumps(facts, indent=1, default=lambda value: value.item())
    (results_folder / f"{name}.json").write_text(text)
    shutil.rmtree(root)


STEPS: dict[str, Callable[[Path], None]] = {
    **{name: partial(run_case, name) for name in CASES},
    "medians": run_medians,
}


def _spilled_bytes(dask_worker: Any) -> int:
    total = getattr(dask_worker.data, "spilled_total", None)
    return 0 if total is None else int(total.disk)


def main() -> bool:
    """Run what was asked for, or what is missing; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", action="append", choices=STEPS, help="run only this; repeatable")
    parser.add_argument("--folder", type=Path, default=Path("bench-scale"))
    parser.add_argument("--list", action="store_true", help="names of the cases")
    parser.add_argument("--table", action="store_true", help="only the table of what there is")
    options = parser.parse_args()
    if options.list:
        print("\n".join(STEPS))
        return True
    if not options.table:
        for name in options.case or STEPS:
            if options.case or not (options.folder / "results" / f"{name}.json").exists():
                print(f"{name} ...", flush=True)
                STEPS[name](options.folder)
    return print_table("Large galaxies", lines(options.folder / "results"))


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
