"""Fixtures every test may use."""

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Machines are busy at times: how long an example takes says nothing of a law.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("patient")

# In the background of a script interrupts are ignored, and processes of tests would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of observed cubes, which a user's clone does not have."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("no observed data beside this checkout (../shared/data)")
    return folder


@pytest.fixture(scope="session")
def shared_reference() -> Path:
    """The folder of published reference tables."""
    folder = SHARED / "reference"
    if not folder.is_dir():
        pytest.skip("no reference tables beside this checkout (../shared/reference)")
    return folder
