"""Makes files that only come from the beginning to the end readable from anywhere."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from survey.cubes.files.cube_file import CubeFile
from survey.errors import ResourceError

_PIECE_BYTES = 1 << 20


@contextmanager
def open_seekable(
    cube: CubeFile, *, scratch: Path | None, in_memory_bytes: int
) -> Iterator[IO[bytes]]:
    """The bytes of a file, which can be read from anywhere.

    A file that its server sends only whole, and a compressed member of an archive, are copied: into
    memory up to `in_memory_bytes`, and beyond that into a temporary file in `scratch`.

    Raises
    ------
    DataError, InfrastructureError
        See `CubeFile.open`.
    ResourceError
        If the disk has no room for it.
    """
    with ExitStack() as source:
        stream = source.enter_context(cube.open())
        if stream.seekable():
            yield stream
            return
        if scratch is not None:
            scratch.mkdir(parents=True, exist_ok=True)
        place = str(scratch) if scratch is not None else tempfile.gettempdir()
        with tempfile.SpooledTemporaryFile(in_memory_bytes, dir=place) as copy:
            with source:
                while piece := stream.read(_PIECE_BYTES):
                    if len(piece) > (free := shutil.disk_usage(place).free):
                        raise ResourceError(
                            "no room on the disk for the file",
                            file=cube.address,
                            expected=f"over {copy.tell()} bytes in {place}",
                            found=f"{free} bytes free",
                        )
                    copy.write(piece)
            yield copy
