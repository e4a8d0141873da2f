"""Zip archives of unknown origin, unpacked within a limit before anybody reads them.

Model files are zip archives. A few kilobytes can unpack to gigabytes, and what an archive says of
its sizes need not be true, so its members are unpacked here piece by piece and counted.
"""

from __future__ import annotations

import io
import zipfile
import zlib

from survey.errors import DataError

ALWAYS_BYTES = 64 << 20
MOST_RATIO = 20
MOST_BYTES = 1 << 30
MOST_MEMBERS = 10_000

_PIECE = 1 << 20
_DIRECTORY_ENTRY = b"PK\x01\x02"


def allowed_bytes(packed_bytes: int) -> int:
    """To how many bytes an archive of this size may unpack."""
    return min(MOST_BYTES, max(ALWAYS_BYTES, MOST_RATIO * packed_bytes))


def unpacked_zip(data: bytes, *, file: str | None = None) -> bytes:
    """The same archive with its members as they are, not compressed.

    Raises
    ------
    DataError
        If it is no archive, is damaged, or unpacks to more than `allowed_bytes`.
    """
    allowed = allowed_bytes(len(data))
    n_member = data.count(_DIRECTORY_ENTRY)
    if n_member > MOST_MEMBERS or len(data) > MOST_BYTES:
        raise _refused(f"{n_member} files in {len(data)} bytes", file)
    target, total = io.BytesIO(), 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(target, "w") as plain:
            for member in archive.infolist():
                pieces = []
                with archive.open(member) as packed:
                    while piece := packed.read(_PIECE):
                        total += len(piece)
                        if total > allowed:
                            raise _refused(f"over {allowed} bytes unpacked", file)
                        pieces.append(piece)
                plain.writestr(member.filename, b"".join(pieces))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise _refused(f"{type(error).__name__}: {error}", file) from None
    except NotImplementedError as error:
        raise _refused(f"an unknown compression ({error})", file) from None
    return target.getvalue()


def _refused(found: str, file: str | None) -> DataError:
    return DataError(
        "the archive cannot be unpacked",
        file=file,
        expected=f"at most {MOST_MEMBERS} files, and {ALWAYS_BYTES >> 20} MiB or "
        f"{MOST_RATIO} times its size",
        found=found,
    )
