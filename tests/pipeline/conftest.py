"""A small survey of simulated galaxies and damaged cubes, and a cluster to run it on."""

import gzip
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from survey.config import EngineSettings, Settings, build_settings
from survey.engine.cluster import Cluster, connect
from survey.pipeline.targets import Target, read_targets
from survey.simulate import simulate_archive


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
    return build_settings({"cut": {"criterion": "fixed", "k": 3}, "report": {"figures": False}})


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
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


def _backward_wavelengths(path: Path) -> None:
    with fits.open(path, mode="update") as file:
        file["SCI"].header["CDELT3"] *= -1.0


def _not_fits(path: Path) -> None:
    path.write_text("a page of HTML that says: not found")


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "truncated": (_truncated, "truncated|shorter|bytes"),
    "cut-archive": (_cut_archive, "compressed|gzip|truncated|damaged"),
    "no-science": (_without_science, "SCI"),
    "all-nan": (_all_nan, "no usable value"),
    "wrong-unit": (_wrong_unit, "km"),
    "backward": (_backward_wavelengths, "increas"),
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
