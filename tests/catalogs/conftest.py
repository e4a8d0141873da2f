"""A small survey: parts of galaxies whose numbers are known."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.wcs import WCS

from catalogs.part_tables import write_part_table
from catalogs.parts import PartStore, Receipt
from catalogs.publish import publish
from catalogs.schema import to_arrow

N_SIDE = 4
N_CLUSTER = 2
N_WAVELENGTH = 5

PartMaker = Callable[..., Path]


@pytest.fixture
def celestial_header() -> str:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [345.815, 8.874]
    wcs.wcs.crpix = [2.5, 1.5]
    wcs.wcs.cdelt = [-1e-4, 1e-4]
    return wcs.to_header().tostring(sep="\n")


FEATURES = (("NeII_12.81", 12.81355, 1e-18), ("NiII_12.73", 12.7288, 1e-20))
"""Name, wavelength and flux of two lines; the second is not covered in the last cluster."""


@pytest.fixture
def part_tables(celestial_header: str) -> Callable[..., dict[str, Any]]:
    """Rows of the five tables of one galaxy: spaxels of a square, the first row left out."""

    def tables(galaxy: str, value: float = 1.0) -> dict[str, Any]:
        y, x = (axis.ravel() for axis in np.mgrid[1:N_SIDE, 0:N_SIDE])
        cluster = 1 + (x >= N_SIDE // 2)
        numbers = np.arange(1, N_CLUSTER + 1)
        spectrum = value * np.ones((N_CLUSTER, N_WAVELENGTH))
        about = {
            "galaxy": galaxy,
            "ra": 345.815,
            "redshift": 0.016,
            "instrument": "MIRI/MRS",
            "files": f"{galaxy}.fits",
            "content_hash": "0123",
            "part_key": "key",
            "n_spaxel": len(y),
            "n_cluster": N_CLUSTER,
            "flux_unit": "MJy/sr",
            "wavelength_min_um": 11.55,
            "wavelength_max_um": 13.47,
            "celestial_header": celestial_header,
            "shape_y": N_SIDE,
            "shape_x": N_SIDE,
            "flags": 0,
            "seconds_total": 1.5,
        }
        return {
            "galaxies": [about],
            "clusters": {
                "galaxy": galaxy,
                "cluster": numbers,
                "n_spaxel": np.bincount(cluster)[1:],
                "nuclear": numbers == 1,
                "low_snr": False,
                "flux": value,
                "flux_NeII_12.81": value * 1e-18,
                "detected_NeII_12.81": numbers != 2,
                "flags": 0,
            },
            "parts": {
                "galaxy": galaxy,
                "cluster": numbers,
                "part": np.zeros(N_CLUSTER, dtype=int),
                "n_spaxel": np.bincount(cluster)[1:],
                "touches_edge": True,
            },
            "splits": [
                {
                    "galaxy": galaxy,
                    "decision": 0,
                    "step": "split",
                    "accepted": True,
                    "reason": "",
                    "meaning": "both sides are clusters or hold some",
                    **dict.fromkeys(("n_left", "n_right"), 5),
                    **dict.fromkeys(("snr_left", "snr_right"), value),
                    **dict.fromkeys(("difference", "shape", "structure", "lines"), 0.1),
                    **dict.fromkeys(("peak", "dispersion"), value),
                }
            ],
            "measurements": [
                {
                    "galaxy": galaxy,
                    "cluster": number,
                    "feature": name,
                    "kind": "line",
                    "wavelength_um": wavelength_um,
                    "flux": number * value * factor,
                    "err": 1e-19,
                }
                for number in numbers.tolist()
                for name, wavelength_um, factor in FEATURES
                if (number, name) != (N_CLUSTER, "NiII_12.73")
            ],
            "spaxels": {
                "galaxy": galaxy,
                "y": y,
                "x": x,
                "cluster": cluster,
                "part": np.zeros(len(y), dtype=int),
                "snr": value * (x + 10.0 * y),
                "flags": 0,
            },
            "spectra": {
                "galaxy": galaxy,
                "cluster": numbers,
                "wavelength_um": np.tile(np.linspace(11.55, 13.47, N_WAVELENGTH), (2, 1)),
                "median": spectrum,
                "err": spectrum / 10,
                "flux_unit": "MJy/sr",
            },
        }

    return tables


@pytest.fixture
def write_tables() -> Callable[[Path, dict[str, Any]], None]:
    def write(folder: Path, tables: dict[str, Any]) -> None:
        for name, rows in tables.items():
            write_part_table(folder, name, to_arrow(name, rows))

    return write


@pytest.fixture
def make_part(tmp_path: Path, part_tables: Any, write_tables: Any) -> PartMaker:
    """Commit the part of one galaxy below `tmp_path` and return its folder."""

    def make(galaxy: str, value: float = 1.0, *, edit: Callable[..., None] | None = None) -> Path:
        tables = part_tables(galaxy, value)
        if edit is not None:
            edit(tables)
        receipt: Receipt = PartStore(tmp_path).commit(
            galaxy, "features", f"k{value:g}", lambda folder: write_tables(folder, tables)
        )
        return receipt.path

    return make


@pytest.fixture
def run(tmp_path: Path, make_part: PartMaker) -> Path:
    """A run directory with a catalog of three galaxies and one in quarantine."""
    failure = {"galaxy": "NGC 9", "stage": "read", "error": "DataError", "message": "all NaN"}
    parts = [make_part(galaxy, 1.0 + i) for i, galaxy in enumerate(("NGC 2", "123", "NGC 1"))]
    publish(tmp_path, parts, [failure], metadata={"survey_version": "0"})
    return tmp_path


@pytest.fixture
def killed_at() -> Callable[[str, str], None]:
    """Run code in a process that is killed (SIGKILL) where it calls a function."""

    def run_and_kill(function: str, code: str) -> None:
        script = (
            "import os, signal\n"
            "from pathlib import Path\n"
            "from unittest import mock\n"
            "from catalogs.parts import PartStore\n"
            "from catalogs.publish import publish\n"
            "die = lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGKILL)\n"
            f"with mock.patch({function!r}, die):\n"
            f"    {code}\n"
        )
        done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
        assert done.returncode == -9, done.stderr.decode()

    return run_and_kill
