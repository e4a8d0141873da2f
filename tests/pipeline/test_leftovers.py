"""What killed processes leave in a run is swept when the next run starts, and only that."""

import subprocess
import sys

import pytest

from catalogs.owners import Process, owned_name
from survey.pipeline.leftovers import sweep_leftovers, sweep_once

KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
import catalogs.parts
from catalogs.durable import replacing
from survey.cubes import store
root = Path(sys.argv[1])
die = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
match sys.argv[2]:
    case "part":
        catalogs.parts.PartStore(root).commit("NGC 1", "tree", "k", die)
    case "store":
        with store._temporary_folder(root / "cubes" / "NGC-1.zarr") as folder:
            folder.mkdir(parents=True)
            die()
    case "replaced store":
        (root / "cubes" / "NGC-1.zarr").mkdir(parents=True)
        store.flush = die
        with store._temporary_folder(root / "cubes" / "NGC-1.zarr") as folder:
            folder.mkdir(parents=True)
            store._promote(folder, root / "cubes" / "NGC-1.zarr")
    case "file":
        with replacing(root / "survey.toml") as unfinished:
            unfinished.touch()
            die()
    case "file of a folder":
        with replacing(root / "model" / "model.json") as unfinished:
            unfinished.touch()
            die()
"""


@pytest.mark.parametrize("work", ["part", "store", "replaced store", "file", "file of a folder"])
def test_unfinished_work_of_a_killed_process_is_swept(tmp_path, work):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), work], check=False)
    left = {path for path in tmp_path.rglob("*") if Process.of_name(path.name)}
    assert len(left) == 1
    assert set(sweep_leftovers(tmp_path)) == left
    assert not any(path.exists() for path in left)


def test_unfinished_work_of_running_processes_stays(tmp_path):
    (tmp_path / ".inflight" / owned_name()).mkdir(parents=True)
    (tmp_path / "cubes" / f".NGC-1.zarr.{owned_name()}.partial").mkdir(parents=True)
    assert sweep_leftovers(tmp_path) == []


def test_a_worker_sweeps_once(tmp_path):
    sweep_once(tmp_path)
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), "part"], check=False)
    sweep_once(tmp_path)
    assert len(list((tmp_path / ".inflight").iterdir())) == 1
