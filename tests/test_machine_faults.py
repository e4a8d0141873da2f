"""An error of a disk or a limit is recognised whatever exception it comes as."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from pyarrow import feather

from catalogs.errors import CatalogError
from survey.errors import DataError, MachineError, ResourceError
from survey.machine_faults import FILE_SYSTEM, LIMITS, fault_number, machine_error, patiently

FULL = Path("/dev/full")
TABLE = pa.table({"x": np.arange(100_000)})


def write_numpy(full: Path) -> None:
    with full.open("wb") as file:
        np.save(file, np.zeros(10**6))


def write_parquet(full: Path) -> None:
    pq.write_table(TABLE, full)


def write_feather(full: Path) -> None:
    feather.write_feather(TABLE, str(full))


def write_arrow_in_an_error_of_ours(full: Path) -> None:
    try:
        pq.write_table(TABLE, full)
    except (OSError, pa.ArrowException) as error:
        raise CatalogError(f"cannot be written ({error})") from None


def write_raw(full: Path) -> None:
    with full.open("wb", buffering=0) as file:
        np.zeros(10**6).tofile(file)


def write_fits(full: Path) -> None:
    with full.open("wb", buffering=0) as file:
        fits.PrimaryHDU(np.zeros(10**6)).writeto(file)


def write_text(full: Path) -> None:
    full.write_text("x" * 10**6)


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize(
    "write",
    [
        write_numpy,
        write_raw,
        write_fits,
        write_parquet,
        write_feather,
        write_arrow_in_an_error_of_ours,
        write_text,
    ],
)
def test_a_full_disk_is_recognised_behind_the_errors_of_libraries(
    write: Callable[[Path], None], tmp_path
):
    # By a link: libraries remove what they could not finish.
    link = tmp_path / "full"
    link.symlink_to(FULL)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
        write(link)
    assert fault_number(caught.value) == errno.ENOSPC


def test_a_limit_of_files_is_recognised_behind_zarr_and_arrow(tmp_path):
    code = (
        "import resource, sys\n"
        "import numpy as np, pyarrow as pa, pyarrow.parquet as pq, zarr\n"
        "from survey.machine_faults import machine_error\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "noise = np.random.default_rng(0).normal(size=10**5)\n"
        "def store():\n"
        "    zarr.create_group(sys.argv[1] + '/a.zarr').create_array('x', data=noise)\n"
        "def table():\n"
        "    pq.write_table(pa.table({'x': noise}), sys.argv[1] + '/a.parquet')\n"
        "for write in (store, table):\n"
        "    try:\n"
        "        write()\n"
        "    except Exception as error:\n"
        "        print(machine_error(error))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stdout + done.stderr
    assert all("File too large" in line and "20000 bytes (ulimit -f)" in line for line in lines)


@pytest.mark.parametrize("number", sorted({*LIMITS, *FILE_SYSTEM}))
def test_every_number_of_the_family_has_its_text_and_what_is_needed(number, tmp_path):
    path = tmp_path / "missing" / "part"
    fault = machine_error(OSError(number, os.strerror(number), str(path)))
    assert isinstance(fault, MachineError)
    assert fault.file == str(path)
    assert os.strerror(number) in fault.message
    assert fault.expected


def test_the_path_of_a_fault_is_never_that_of_an_innocent_input():
    error = DataError("cannot be read", file="cube.fits")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert machine_error(error, place="/run").file == "/run"


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "No such file or directory"),
        PermissionError(13, "Permission denied"),
        ConnectionRefusedError(111, "Connection refused"),
        DataError("the data has no space left for a line"),
        ResourceError("too little memory"),
        MemoryError("28"),
        ValueError("28 columns, 5 expected"),
    ],
)
def test_other_errors_are_no_faults_of_machines(error):
    assert machine_error(error) is None


def test_a_fault_keeps_all_its_details_on_its_way_to_the_driver():
    fault = MachineError("full", file="/run", expected="room", found="0", result=[1])
    again = pickle.loads(pickle.dumps(fault))
    assert (str(again), again.result) == (str(fault), [1])


def test_patience_ends_when_the_disk_has_room_again():
    said: list[str] = []
    calls = []

    def write() -> str:
        calls.append(1)
        if len(calls) < 2:
            raise OSError(errno.ENOSPC, "No space left on device", "/run/x")
        return "written"

    assert patiently(write, patience_s=30, warn=said.append) == "written"
    assert len(said) == 1
    with pytest.raises(MachineError, match="/run/x"):
        patiently(always_full, patience_s=0.1, warn=said.append)


def always_full() -> None:
    raise OSError(errno.EDQUOT, "Disk quota exceeded", "/run/x")


def test_an_error_of_our_own_is_not_waited_for():
    with pytest.raises(ZeroDivisionError):
        patiently(lambda: 1 // 0, patience_s=100, warn=print)
