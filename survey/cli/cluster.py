"""Commands for clusters: make the certificates of one."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from survey.cli.app import app
from survey.terminal import out_console

if TYPE_CHECKING:
    from survey.engine.backends.certificates import CertificateFiles

PRELOAD = "survey.engine.worker_preload"
PAGES = "--dashboard-address 127.0.0.1:"

cluster_app = typer.Typer(help="Prepare a cluster of several machines.", no_args_is_help=True)
app.add_typer(cluster_app, name="cluster")


@cluster_app.command("certificates")
def make_certificates(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where all machines see it.")],
    days: Annotated[int, typer.Option(min=1, help="How long they are valid.")] = 365,
) -> None:
    """Make the certificates of one cluster, and show how scheduler, workers and driver use them."""
    from survey.engine.backends.certificates import write_certificates

    for line in _instructions(write_certificates(folder, days=days), days):
        out_console.print(line, highlight=False, soft_wrap=True, markup=False)


def _instructions(files: CertificateFiles, days: int) -> list[str]:
    return [
        f"# Written to {files.folder}, valid for {days} days: "
        "ca.pem, survey.pem, survey.key, environment.sh.",
        "# Whoever can read survey.key can run code on the cluster as you.",
        "",
        "# Wherever scheduler, workers and `survey` start:",
        f". {shlex.quote(str(files.script))}",
        "# It sets:",
        *files.as_shell().splitlines(),
        "",
        "# The scheduler, workers on each node, then the survey. --host is the name or address",
        "# by which a machine is reached: it listens there and nowhere else.",
        f"dask scheduler --protocol tls --host head-node --port 8786 {PAGES}8787",
        "dask worker tls://head-node:8786 --host node1 --nworkers 4 --nthreads 1 "
        f"--memory-limit 4GiB --preload {PRELOAD} {PAGES}0",
        "survey run survey.toml --scheduler tls://head-node:8786",
        "",
        "# Or in a cluster file of kind existing, ssh or slurm:",
        *files.as_toml().splitlines(),
    ]
