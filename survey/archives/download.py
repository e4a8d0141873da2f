"""Downloads files: resumed where they stopped, checked, and with a receipt of their content.

A file has another name until it is complete, has the announced size and can be read as FITS. Its
receipt, written last, holds size and hash; a file with a receipt is not fetched again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalogs.durable import FileRecord, find_damage, flush, hash_file, write_text
from survey.archives.fetch_each import FetchReport, attempts, fetch_each
from survey.archives.products import Product
from survey.archives.session import request
from survey.cubes.read_fits import open_fits
from survey.errors import DataError, InfrastructureError, ResourceError

if TYPE_CHECKING:
    import requests

RECEIPTS = ".receipts"
ATTEMPTS = 5

_PIECE_BYTES = 1 << 20


def fetch(
    products: Iterable[Product],
    folder: str | Path,
    session: requests.Session,
    *,
    verify: bool = False,
    on_bytes: Callable[[int], None] = lambda n: None,
) -> FetchReport:
    """Fetch files into a folder; those that are there are left, those that broke off go on.

    Parameters
    ----------
    products : iterable of Product
    folder : path
        Made if need be.
    session : requests.Session
    verify : bool
        Whether the files that are there are compared with their hashes, not only their sizes.
    on_bytes : callable
        Called with the bytes that have come, also those that were there.

    Raises
    ------
    InfrastructureError
        If the archive is down. What was fetched stays, also halves of files.
    ResourceError
        If the disk has no room for what is missing.
    """
    folder = Path(folder)
    (folder / RECEIPTS).mkdir(parents=True, exist_ok=True)
    products = list(products)
    missing = [one for one in products if not is_fetched(folder, one, full=verify)]
    _check_room(folder, missing)

    def fetch_missing(product: Product) -> bool:
        if product not in missing:
            on_bytes((folder / product.name).stat().st_size)
            return False
        _fetch_one(product, folder, session, on_bytes)
        return True

    return fetch_each(products, fetch_missing, name=lambda product: product.name)


def is_fetched(folder: Path, product: Product, *, full: bool = False) -> bool:
    """Whether a file is there as its receipt says; `full` compares the hash too."""
    record = _read_receipt(folder, product)
    return record is not None and find_damage(folder, [record], full=full) is None


def _check_room(folder: Path, missing: Iterable[Product]) -> None:
    needed = sum(max(0, (one.size or 0) - _size(_unfinished(folder, one))) for one in missing)
    if needed > (free := shutil.disk_usage(folder).free):
        raise ResourceError(
            "the disk has no room for the cubes",
            file=folder,
            expected=f"{needed / 1e9:.1f} GB",
            found=f"{free / 1e9:.1f} GB free",
        )


def _fetch_one(
    product: Product, folder: Path, session: requests.Session, on_bytes: Callable[[int], None]
) -> None:
    unfinished = _unfinished(folder, product)
    attempts(ATTEMPTS)(_download, product, unfinished, session, on_bytes)
    try:
        with open_fits(unfinished):
            pass  # it is FITS, and as long as its headers say
    except DataError as error:
        _discard(unfinished)
        raise DataError(
            f"the archive sent no cube: {error.message}",
            file=product.name,
            expected=error.expected,
            found=error.found,
            advice=f"Look at {product.url}",
        ) from None
    flush(unfinished)
    record = FileRecord(product.name, unfinished.stat().st_size, hash_file(unfinished))
    unfinished.replace(folder / product.name)
    flush(folder)
    receipt = asdict(record) | {"url": product.url}
    write_text(_receipt(folder, product), json.dumps(receipt, indent=1))
    _tag(unfinished).unlink(missing_ok=True)


def _download(
    product: Product,
    unfinished: Path,
    session: requests.Session,
    on_bytes: Callable[[int], None],
) -> None:
    """Go on with a file where it stopped, if it is still the same one; or begin it."""
    start, tag = _size(unfinished), _read_tag(unfinished)
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if tag:
            headers["If-Range"] = tag
    with request(session, "GET", product.url, product.name, headers=headers) as reply:
        total = _total(reply, start)
        if reply.status_code == 416 and start == product.size:
            return  # it was complete
        # Not every server heeds If-Range.
        other = reply.status_code == 206 and tag and reply.headers.get("ETag", tag) != tag
        if reply.status_code == 416 or other:
            _discard(unfinished)
            raise InfrastructureError("the file changed while it was fetched", file=product.url)
        goes_on = reply.status_code == 206
        if not goes_on:
            start = 0
        if sent := reply.headers.get("ETag", ""):
            write_text(_tag(unfinished), sent)
        on_bytes(start)
        # As it is stored: packed files stay packed.
        with unfinished.open("ab" if goes_on else "wb") as out:
            while piece := reply.raw.read(_PIECE_BYTES, decode_content=False):
                out.write(piece)
                on_bytes(len(piece))
    size = _size(unfinished)
    expected = product.size or total
    if expected is not None and size < expected:
        raise InfrastructureError(f"{size} of {expected} bytes came", file=product.url)
    if expected is not None and size > expected:
        _discard(unfinished)
        raise DataError(
            "the file has another size than the archive says",
            file=product.name,
            expected=f"{expected} bytes",
            found=f"{size}",
        )


def _total(reply: Any, start: int) -> int | None:
    """Bytes of the whole file, None if the archive does not tell."""
    if reply.status_code == 206:
        text = reply.headers.get("Content-Range", "").rpartition("/")[2]
        return int(text) if text.isdigit() else None
    text = reply.headers.get("Content-Length", "")
    return int(text) if text.isdigit() and reply.status_code == 200 else None


def _unfinished(folder: Path, product: Product) -> Path:
    return folder / f".{product.name}.part"


def _tag(unfinished: Path) -> Path:
    return unfinished.with_name(f"{unfinished.name}.etag")


def _read_tag(unfinished: Path) -> str:
    try:
        return _tag(unfinished).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _discard(unfinished: Path) -> None:
    unfinished.unlink(missing_ok=True)
    _tag(unfinished).unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _receipt(folder: Path, product: Product) -> Path:
    return folder / RECEIPTS / f"{product.name}.json"


def _read_receipt(folder: Path, product: Product) -> FileRecord | None:
    try:
        content = json.loads(_receipt(folder, product).read_text(encoding="utf-8"))
        return FileRecord(str(content["path"]), int(content["size"]), str(content["blake2b"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # as if it had not been written
