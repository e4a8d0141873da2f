"""Medians of one cluster of very many spaxels, read from a table on disk."""

from __future__ import annotations

import json
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from survey.clustering.profiles import cluster_profiles
from survey.cubes.scratch import Scratch
from survey.pipeline.galaxy.peak_memory import peak_memory_bytes, reset_peak_memory
from survey.spectra.blocks import row_blocks

N_SPAXEL, N_PLANE = 50_000, 3_700


def run_medians(folder: Path) -> None:
    """Measure them in a process of their own, and keep the figures in `folder`."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        facts = pool.submit(_measured, folder).result()
    (folder / "results").mkdir(parents=True, exist_ok=True)
    (folder / "results" / "medians.json").write_text(json.dumps(facts, indent=1))


def _measured(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    scratch = Scratch(folder, "medians")
    flux = scratch.allocate("flux", (N_SPAXEL, N_PLANE), np.float32)
    brightness = rng.lognormal(3.0, 0.5, N_SPAXEL).astype(np.float32)
    for rows in row_blocks(flux.shape):
        noise = rng.standard_normal((rows.stop - rows.start, N_PLANE), dtype=np.float32)
        flux[rows] = brightness[rows, None] + noise
    y, x = np.divmod(np.arange(N_SPAXEL), 250)
    reset_peak_memory()
    start = time.perf_counter()
    profiles = cluster_profiles(
        flux,
        np.ones(N_SPAXEL, dtype=int),
        rng.integers(-6, 7, N_SPAXEL),
        scale=brightness.astype(np.float64),
        noise=np.ones(N_SPAXEL),
        y=y,
        x=x,
    )
    seconds = time.perf_counter() - start
    scratch.remove()
    assert abs(profiles.median.mean() / np.median(brightness) - 1) < 0.01
    return {
        "seconds": seconds,
        "peak_memory_bytes": peak_memory_bytes(),
        "table_bytes": 4 * N_SPAXEL * N_PLANE,
    }
