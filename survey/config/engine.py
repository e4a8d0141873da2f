"""Settings of what computes, and of the report: they change no result."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from survey.config.base import SettingsTable

ANY_MACHINE = 64
"""So many workers may be asked for whatever the machine; more depend on its processors."""


class EngineSettings(SettingsTable):
    """Where the work runs, and what stays on disk. None of this changes a result.

    `cluster` is a TOML file with kind = local, existing, ssh, slurm or kubernetes (deploy/), which
    then sets workers and their memory; `scheduler` is the address of a Dask scheduler. Without
    either, `workers` run on this machine; with 0, the command itself computes. Each computes
    threads_per_worker galaxies at once within its memory_limit, for example "4GiB"; while some get
    no galaxies, the others have in_flight_per_worker each. `dashboard` serves Dask's pages.
    Connections are encrypted, or refused between machines; `insecure = true` lets in who can reach
    a port, to run code. `device` computes distances: "auto" takes the GPU for large galaxies if a
    worker has one and PyTorch. `keep_stores = false` deletes the converted cube of a galaxy once
    its part is committed. patience_s is how long a full disk, or workers that die, are waited for;
    drain_s what galaxies under way get after SIGTERM. `scratch` is a folder on a disk of each
    machine for the scratch files of large galaxies, for example "$TMPDIR", which is expanded where
    the worker runs; by default they are in the run directory, which all workers see.
    """

    workers: int = Field(default=2, ge=0)
    threads_per_worker: int = Field(default=1, ge=1)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    memory_limit: str = "auto"
    scheduler: str | None = None
    cluster: str | None = None
    insecure: bool = False
    in_flight_per_worker: int = Field(default=3, ge=1)
    dashboard: bool = True
    keep_stores: bool = True
    scratch: str | None = None
    patience_s: float = Field(default=120.0, ge=0)
    drain_s: float = Field(default=20.0, ge=0)


class ReportSettings(SettingsTable):
    """Pages of every galaxy; figures = false writes none."""

    figures: bool = True
