"""Runs the notebooks from top to bottom, in a folder of their own; `make notebooks` calls it.

Every notebook has to end without an error within its time. With `--write` its outputs are stored,
small: pictures with few colours, no times, no names of this machine.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import re
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

HERE = Path(__file__).resolve().parent
LIMIT_S = 480
LARGEST_BYTES = 400_000
COLORS = 96
LAST_LINES = 15
PICTURE = "image/png"
SPINNERS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def main() -> int:
    """Run the notebooks that are named, or all; returns an exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="Files (default: all).")
    parser.add_argument("--write", action="store_true", help="Store the outputs.")
    given = parser.parse_args()
    paths = [Path(name) for name in given.names] or sorted(HERE.glob("*.ipynb"))
    with tempfile.TemporaryDirectory(prefix="notebooks-") as folder:
        found = [run(path, Path(folder), write=given.write) for path in paths]
    # Last, where they are looked for.
    failures = [failure for failure in found if failure]
    print(*failures, sep="\n\n", end="\n" if failures else "")
    return min(len(failures), 1)


def run(path: Path, folder: Path, *, write: bool) -> str:
    """Run one notebook in a folder; returns why it is not right, or nothing."""
    notebook = nbformat.read(path, as_version=4)
    # What is installed here comes first, `survey` too; each process computes with one thread.
    own = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{HERE.parent}:{os.environ.get('PYTHONPATH', '')}",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "100",
    }
    os.environ.update(own)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=LIMIT_S,
        startup_timeout=LIMIT_S,
        extra_arguments=["--Application.log_level=40"],
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    start = time.monotonic()
    try:
        client.execute()
    except (CellExecutionError, TimeoutError) as error:
        seconds = time.monotonic() - start
        print(f"{path.name}: failed after {seconds:.0f} s", flush=True)
        return f"{path.name}:\n{error}\n\nIts last lines:\n{last_lines(notebook)}"
    seconds = time.monotonic() - start
    tidy(notebook, folder)
    text = nbformat.writes(notebook)
    print(f"{path.name}: {seconds:.0f} s, {len(text.encode()) / 1000:.0f} kB", flush=True)
    if len(text.encode()) > LARGEST_BYTES:
        return f"{path.name}: larger than {LARGEST_BYTES / 1000:.0f} kB"
    if write:
        path.write_text(text + "\n", encoding="utf-8")
    return ""


def last_lines(notebook: nbformat.NotebookNode) -> str:
    """The last lines that a notebook has printed."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    printed = "".join(output["text"] for output in outputs if "text" in output)
    return "\n".join(printed.splitlines()[-LAST_LINES:])


def tidy(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Make outputs small and the same on every machine."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "pygments_lexer": "ipython3"},
    }
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number}"
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = plain(output["text"], folder)
            data = output.get("data", {})
            if PICTURE in data:
                data[PICTURE] = small_picture(data[PICTURE])
                data.pop("text/plain", None)
            for kind in ("text/plain", "text/html"):
                if kind in data:
                    data[kind] = plain(data[kind], folder)


def plain(text: str, folder: Path) -> str:
    """Text without terminal codes, the folder, the machine, the user and tokens."""
    text = SPINNERS.sub("", text.replace("\r\n", "\n"))
    text = "\n".join(line.rpartition("\r")[2] for line in text.split("\n"))
    text = text.replace(f"{folder}/", "").replace(str(folder), ".")
    text = text.replace(socket.gethostname(), "this-machine")
    text = re.sub(r"(http://127\.0\.0\.1:)\d+/[\w-]{16,}/?", r"\1PORT/...", text)
    return re.sub(r"token=[\w-]+", "token=...", text)


def small_picture(encoded: Any) -> str:
    """A PNG with few colours."""
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
        few = picture.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    few.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


if __name__ == "__main__":
    sys.exit(main())
