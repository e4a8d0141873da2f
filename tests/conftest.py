"""Fixtures every test may use."""

import tests.one_thread  # noqa: F401

# isort: split
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from survey.config import EngineSettings, Settings, build_settings
from survey.engine.cluster import Cluster, connect
from survey.pipeline.galaxy.target import Target
from survey.pipeline.run.targets import read_targets
from survey.simulate import simulate_archive
from tests.web_server import WebServer, web_server

# Machines are busy at times: how long an example takes says nothing of a law.
hypothesis_settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
hypothesis_settings.load_profile("patient")

# In the background of a script and under nohup these are ignored, and processes of tests would
# inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

ABSENT = "beside this checkout"
"""In the reason of every test that is skipped for want of observed data."""

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of observed cubes, which a user's clone does not have."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("no observed data beside this checkout (../shared/data)")
    return folder


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the wall clock of our modules, and of no other.

    An event loop of Dask may live in this process. If its clock were set back by an hour, it would
    send what it has to send an hour later.
    """

    def set_to(now_s: float) -> None:
        clock = SimpleNamespace(**{**vars(time), "time": lambda: now_s})
        ours = [
            module
            for name, module in sys.modules.items()
            if name.partition(".")[0] in ("catalogs", "survey") and vars(module).get("time") is time
        ]
        assert ours
        for module in ours:
            monkeypatch.setattr(module, "time", clock)

    return set_to


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """A web server on the loopback interface."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with web_server() as server:
        yield server


@pytest.fixture(scope="session")
def s3_service() -> Iterator[str]:
    """The address of an S3 service of this machine, in memory."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    server.stop()


@pytest.fixture
def bucket(s3_service: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket, ``s3://cubes``, of a service that all of this process use."""
    import boto3
    import fsspec

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_service)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    made = boto3.resource("s3").create_bucket(Bucket="cubes")
    yield made
    made.objects.all().delete()
    made.delete()
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.fixture(scope="session")
def shared_reference() -> Path:
    """The folder of published reference tables."""
    folder = SHARED / "reference"
    if not folder.is_dir():
        pytest.skip("no reference tables beside this checkout (../shared/reference)")
    return folder


@pytest.fixture(scope="session")
def ngc7469_spectra(shared_data):
    """Spectra of NGC 7469 (MRS channel 4 short) over their mean: (560, 542), complete ones only."""
    path = shared_data / "mrs" / "NGC7469_Level3_ch4-short_s3d.fits.gz"
    cube = fits.getdata(path, "SCI").astype(np.float64)
    spectra = cube.reshape(len(cube), -1).T
    spectra = spectra[np.isfinite(spectra).all(axis=1)]
    return spectra / spectra.mean(axis=1, keepdims=True)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small galaxies, with their targets table and settings."""
    folder = tmp_path_factory.mktemp("archive")
    simulate_archive(folder, 2, size=(12, 12), window=(12.4, 13.2), seed=5)
    return folder


@pytest.fixture(scope="session")
def targets(archive: Path) -> list[Target]:
    return read_targets(archive / "targets.ecsv")


@pytest.fixture(scope="session")
def settings() -> Settings:
    return build_settings(
        {
            "cut": {"criterion": "fixed", "k": 3},
            "linkage": {"method": "ward"},
            "report": {"figures": False},
        }
    )


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with connect(EngineSettings(workers=2, memory_limit="2GiB", dashboard=False)) as client:
        yield client


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end how many tests of observed data were skipped, and why."""
    reasons = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and ABSENT in report.longrepr[2]
    )
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count} tests of observed data were skipped: {reason}")
    if not reasons:
        terminalreporter.write_line("no test of observed data was skipped")
