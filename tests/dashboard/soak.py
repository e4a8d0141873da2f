"""Keeps the live page of a run that goes on open, and watches the memory of its server.

    python tests/dashboard/soak.py [MINUTES]

The run is a ledger of thousands of galaxies that grows by one a second for the first fifth of the
time, with workers that change what they do until the end. A browser looks at the page all the time.
At the end the memory of the server may be at most `GROWTH` above what it was when the ledger had
its last length; also that of the page itself is printed.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright

from survey.pipeline.galaxy.stage_list import STAGES
from survey.pipeline.galaxy.task import GalaxyReport
from survey.pipeline.run.ledger import Ledger
from survey.pipeline.run.live_file import LIVE

MINUTES = 30.0
N_GALAXIES = 3000
WORKERS = 16
SAMPLES = 40
GROWTH = 1.03
GROWS = 0.2
"""Of the time the ledger grows."""

NAMES = [stage.name for stage in STAGES]


def advance(root: Path, ledger: Ledger, number: int) -> None:
    """One galaxy more has ended, and all workers are at something."""
    rng = random.Random(number)
    worker = str(number % WORKERS)
    times = {name: rng.expovariate(1.0) for name in NAMES}
    if number % 50:
        report = GalaxyReport(
            f"G{number:05d}", sum(times.values()), computed=tuple(NAMES), stage_seconds=times,
            worker=worker, host=f"node{number % 4}",
        )  # fmt: skip
    else:
        failure = {"stage": "read", "message": f"no plane has data ({number % 7})", "host": "node1"}
        report = GalaxyReport(f"G{number:05d}", 1.0, failure=failure, worker=worker)
    if number <= N_GALAXIES:
        ledger.galaxy(report)
    flight = [
        {"galaxy": f"G{number + w:05d}", "stage": rng.choice(NAMES), "worker": str(w),
         "seconds": 5.0, "stage_seconds": 1.0}
        for w in range(1, WORKERS)
    ]  # fmt: skip
    workers = [
        {"name": str(w), "address": f"tcp://10.0.0.{w}:1", "cpu_percent": 90.0,
         "memory_bytes": 1 << 30, "galaxies": [f"G{number + w:05d}"]}
        for w in range(1, WORKERS)
    ]  # fmt: skip
    live = {"time": time.time(), "in_flight": flight, "workers": workers}
    (root / LIVE).write_text(json.dumps(live))


def soak(root: Path, minutes: float) -> bool:
    """Whether the memory of the server stays flat."""
    ledger = Ledger(root)
    ledger.begin(N_GALAXIES)
    ledger.plan({f"G{number:05d}": 10.0 for number in range(N_GALAXIES)})
    begins = N_GALAXIES - int(GROWS * 60 * minutes)
    for number in range(1, begins):
        advance(root, ledger, number)
    code = "from survey.cli import main; main()"
    command = [sys.executable, "-c", code, "dashboard", str(root)]
    server_mb: list[float] = []
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--enable-precise-memory-info"],
        )
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        page.goto(address)
        page.wait_for_selector("body[data-ready=yes]", timeout=120_000)
        process, begin, number = psutil.Process(server.pid), time.monotonic(), begins
        print("minutes  galaxies  server MB  page MB  updates  CPU s")
        while (now := time.monotonic() - begin) < 60 * minutes:
            number += 1
            advance(root, ledger, number)
            if now >= len(server_mb) * 60 * minutes / SAMPLES:
                server_mb.append(process.memory_info().rss / 1e6)
                heap = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
                updates = page.evaluate("document.body.dataset.updates")
                cpu = sum(process.cpu_times()[:2])
                print(
                    f"{now / 60:7.1f}  {number:8d}  {server_mb[-1]:9.1f}  {heap:7.1f}  "
                    f"{updates:>7}  {cpu:5.1f}",
                    flush=True,
                )
            time.sleep(max(0.0, begin + number - begins - time.monotonic()))
        browser.close()
        server.terminate()
    grown = int(GROWS * SAMPLES) + 1
    early, late = max(server_mb[: grown + 2]), max(server_mb[-SAMPLES // 10 :])
    print(f"server: {early:.1f} MB early, {late:.1f} MB late, ratio {late / early:.3f}")
    return late <= GROWTH * early


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        flat = soak(Path(folder), float(sys.argv[1]) if sys.argv[1:] else MINUTES)
    sys.exit(0 if flat else 1)
