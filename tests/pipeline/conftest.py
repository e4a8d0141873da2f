"""Damaged cubes, and one cluster for all tests of the pipeline."""

import gzip
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from survey.config import EngineSettings
from survey.engine.cluster import Cluster, connect
from survey.pipeline.galaxy.target import Target


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Started once: a new worker imports for longer than it computes a small galaxy."""
    with connect(EngineSettings(workers=2, memory_limit="2GiB", dashboard=False)) as client:
        yield client


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200_000])


def _cut_archive(path: Path) -> None:
    path.write_bytes(gzip.compress(path.read_bytes())[:50_000])


def _without_science(path: Path) -> None:
    with fits.open(path, mode="update") as file:
        del file["SCI"]


def _all_nan(path: Path) -> None:
    with fits.open(path, mode="update") as file:
        file["SCI"].data[:] = np.nan


def _wrong_unit(path: Path) -> None:
    with fits.open(path, mode="update") as file:
        file["SCI"].header["BUNIT"] = "km/s"


def _impossible_wavelengths(path: Path) -> None:
    with fits.open(path, mode="update") as file:
        file["SCI"].header["CRVAL3"] *= 1000.0


def _not_fits(path: Path) -> None:
    path.write_text("a page of HTML that says: not found")


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "truncated": (_truncated, "truncated|shorter|bytes"),
    "cut-archive": (_cut_archive, "compressed|gzip|truncated|damaged"),
    "no-science": (_without_science, "SCI"),
    "all-nan": (_all_nan, "no usable value"),
    "wrong-unit": (_wrong_unit, "km"),
    "impossible-wavelengths": (_impossible_wavelengths, "wavelengths cannot be"),
    "not-fits": (_not_fits, "FITS"),
}
"""Ways of being damaged: how it is done, and what the message has to name."""


@pytest.fixture(scope="session")
def damaged_targets(
    tmp_path_factory: pytest.TempPathFactory, targets: list[Target]
) -> list[Target]:
    """One target for every damage, and one whose file does not exist."""
    folder = tmp_path_factory.mktemp("damaged")
    damaged = []
    for name, (damage, _) in DAMAGES.items():
        suffix = ".fits.gz" if name == "cut-archive" else ".fits"
        path = folder / f"{name}{suffix}"
        shutil.copyfile(targets[0].files[0], path)
        damage(path)
        damaged.append(Target(name, (path,), 0.01))
    return [*damaged, Target("absent", (folder / "absent.fits",), 0.01)]
