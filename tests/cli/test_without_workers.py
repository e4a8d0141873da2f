"""`survey run --workers 0`: a small run in the process of the command."""

import subprocess
import sys
from pathlib import Path

import pandas as pd

from catalogs import open_catalog
from survey.simulate import simulate_archive


def test_a_run_without_workers_publishes_what_a_worker_finds(tmp_path: Path) -> None:
    simulate_archive(tmp_path, 1, size=(8, 8), window=(12.5, 13.1), seed=2)
    found = []
    for workers in ("0", "1"):
        root = tmp_path / f"run-{workers}"
        done = subprocess.run(
            [
                sys.executable, "-c", "from survey.cli import main; main()",
                "run", str(tmp_path / "survey.toml"), "--out", str(root), "--workers", workers,
                "--no-figures", "--quiet",
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found.append(open_catalog(root).spaxels())
    pd.testing.assert_frame_equal(*found)
