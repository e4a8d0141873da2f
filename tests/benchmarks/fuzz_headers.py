"""Cubes with damaged headers: through the readers, and through a whole `survey run`.

    python -m tests.benchmarks.fuzz_headers [--read 2000] [--run 300] [--seed 1]

Wanted: no error that is not ours, nothing that hangs, and every message with its file, what was
expected and what was found. The exit status is 1 otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from survey.config import GenericReaderSettings, ReadSettings
from survey.cubes.axes.cube_shape import cube_shape
from survey.cubes.registry import read_cube, target_name
from survey.errors import DataError, SurveyError
from survey.pipeline.galaxy.target import Target
from survey.pipeline.run.targets import write_targets
from survey.simulate import simulate_archive
from tests.cubes.mutations import layouts, mutated

LONGEST_S = 20
MEMORY_BYTES = 2 << 30
SETTINGS = ReadSettings(generic=GenericReaderSettings(flux=0))


def lacking(error: SurveyError) -> list[str]:
    """What a message does not say."""
    parts = {"file": error.file, "expected": error.expected, "found": error.found}
    return [name for name, value in parts.items() if not value]


def read_mutated(path: Path) -> tuple[str, SurveyError | None]:
    """What became of one file: "read", "refused" or what went wrong."""
    signal.alarm(LONGEST_S)
    try:
        cube_shape(path)
        with contextlib.suppress(DataError):
            target_name(path)
        read_cube(path, SETTINGS)
    except DataError as error:
        return "refused", error
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}", None
    finally:
        signal.alarm(0)
    return "read", None


def fuzz_readers(count: int, seed: int, folder: Path) -> bool:
    """Read `count` mutated files of all layouts; whether all went well."""
    outcomes: Counter[str] = Counter()
    incomplete: Counter[str] = Counter()
    slowest = 0.0
    cubes = layouts()
    for name, content in cubes.items():
        (folder / "good.fits").write_bytes(content)
        assert read_mutated(folder / "good.fits")[0] == "read" or name == "packed", name
    path = folder / "cube.fits"
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        name = list(cubes)[number % len(cubes)]
        path.write_bytes(mutated(cubes[name], rng))
        start = time.perf_counter()
        outcome, error = read_mutated(path)
        slowest = max(slowest, time.perf_counter() - start)
        outcomes[outcome] += 1
        if error is not None and (missing := lacking(error)):
            incomplete[f"{error.message[:60]}: no {', '.join(missing)}"] += 1
        if outcome not in ("read", "refused"):
            print(f"  {outcome}: seed {seed}, number {number} ({name})", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"readers: {count} files, {dict(outcomes)}; slowest {slowest:.2f} s, peak {peak:.0f} MB")
    for text, times in incomplete.most_common():
        print(f"  {times} times incomplete: {text}")
    return set(outcomes) <= {"read", "refused"} and not incomplete


def fuzz_run(count: int, seed: int, folder: Path) -> bool:
    """One `survey run` over `count` mutated cubes and a good one; whether all went well."""
    simulate_archive(folder, 1, size=(8, 8), window=(12.5, 12.9), seed=seed)
    (good,) = folder.glob("*_s3d.fits")
    content, targets = good.read_bytes(), [Target("good", (good,), 0.01)]
    for number in range(count):
        path = folder / f"mutated-{number:04d}.fits"
        path.write_bytes(mutated(content, np.random.default_rng([seed, number])))
        targets.append(Target(path.stem, (path,), 0.01))
    write_targets(targets, folder / "targets.ecsv")
    (folder / "survey.toml").write_text(
        'targets = "targets.ecsv"\n[report]\nfigures = false\n[engine]\nworkers = 1\n'
        'dashboard = false\nmemory_limit = "2GiB"\n'
    )
    command = [sys.executable, "-c", "from survey.cli import main; main()", "run"]
    start = time.monotonic()
    done = subprocess.run(
        [*command, str(folder / "survey.toml"), "--json"],
        capture_output=True, text=True, check=False, timeout=LONGEST_S * (count + 10),
    )  # fmt: skip
    print(
        f"run: exit {done.returncode} after {time.monotonic() - start:.0f} s: {done.stdout.strip()}"
    )
    if done.returncode not in (0, 64):
        print(done.stderr)
        return False
    catalog = folder / "run" / "catalog"
    failed = pd.read_parquet(catalog / "quarantine.parquet")
    untyped = failed[~failed["error"].isin(["DataError", "ResourceError"])]
    print(f"  errors {failed['error'].value_counts().to_dict()}")
    for row in untyped.to_dict("records"):
        print(f"  untyped: {row['galaxy']} {row['stage']} {row['error']} {row['message']}")
    named = failed["message"].str.contains("; expected ") & failed["message"].str.contains(
        "; found "
    )
    for message in sorted(set(failed.loc[~named, "message"].str.split(": ").str[-1].str[:90])):
        print(f"  incomplete: {message}")
    galaxies = pd.read_parquet(catalog / "galaxies.parquet")["galaxy"].tolist()
    counts = json.loads(done.stdout)
    whole = counts["computed"] + counts["quarantined"] == count + 1
    return untyped.empty and bool(named.all()) and whole and "good" in galaxies


def _on_alarm(number: int, frame: object) -> None:
    raise TimeoutError(f"still at work after {LONGEST_S} s")


def main() -> int:
    """Both parts; 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--read", type=int, default=2000)
    parser.add_argument("--run", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, _on_alarm)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        well = True
        if options.read:
            hard = resource.getrlimit(resource.RLIMIT_AS)
            in_use = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
            resource.setrlimit(resource.RLIMIT_AS, (in_use + MEMORY_BYTES, hard[1]))
            well = fuzz_readers(options.read, options.seed, Path(name))
            resource.setrlimit(resource.RLIMIT_AS, hard)
        if options.run:
            (folder := Path(name) / "run").mkdir()
            well = fuzz_run(options.run, options.seed, folder) and well
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
