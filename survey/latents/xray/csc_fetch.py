"""Fetches spectra of the Chandra Source Catalog: requests of several detections, results of each.

Replies of the service are checked: names must be those of the requested detection, sizes have
limits, and files are read as spectra and responses before they are moved into place. A receipt,
written last, lists the files of a detection. A detection with a receipt is not fetched again.

An observation whose exposures alternate between two frame times (interleaved) has products of each
of its two cycles, named e1 and e2: these are two spectra, each with its own response.
"""

from __future__ import annotations

import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from catalogs.durable import FileRecord, find_damage, flush, hash_file, write_json
from survey.archives import session as archives
from survey.archives.fetch_each import FetchReport, attempts, fetch_each
from survey.errors import DataError
from survey.latents.xray.csc_query import Detection, csc_facts
from survey.latents.xray.ogip import read_background, read_pha, stem_of
from survey.latents.xray.responses import read_response

if TYPE_CHECKING:
    import requests

RECEIPTS = ".receipts"
ATTEMPTS = 4

_PIECE_BYTES = 1 << 16

Products = dict[str, dict[str, Path]]
"""Files of a detection: by cycle ("" if there is one only), then by product."""


def fetch_spectra(
    detections: Iterable[Detection],
    folder: str | Path,
    *,
    url: str | None = None,
    session: requests.Session | None = None,
    on_detection: Callable[[Detection], None] = lambda detection: None,
) -> FetchReport:
    """Fetch spectrum, background and responses of detections into a folder.

    Detections that are there, with the sizes of their receipts, are not fetched again, so a
    fetch that was interrupted goes on where it stopped.

    Parameters
    ----------
    detections : iterable of Detection
    folder : path
        Made if need be; `survey.latents.xray.spectra.find_spectra` finds the spectra in it.
    url : str, optional
        Of the service for files. Default: that of the Chandra Data Archive.
    session : requests.Session, optional
        Default: `open_session()`.
    on_detection : callable
        Called with every detection that is done.

    Raises
    ------
    InfrastructureError
        If the service cannot be reached; what was fetched stays.
    """
    folder = Path(folder)
    (folder / RECEIPTS).mkdir(parents=True, exist_ok=True)
    wanted = list(detections)
    with tempfile.TemporaryFile(dir=folder) as reply:
        service = url or csc_facts()["retrieve_url"]
        batches = _Batches(wanted, folder, service, session or open_session(), reply)
        return fetch_each(
            wanted, batches.fetch, name=lambda one: one.identifier, on_done=on_detection
        )


def is_fetched(folder: Path, detection: Detection, *, full: bool = False) -> bool:
    """Whether a detection is there as its receipt says; `full` compares hashes too."""
    receipt = _read_receipt(_receipt_path(folder, detection))
    return receipt is not None and find_damage(folder, receipt[1], full=full) is None


def sources_of(folder: str | Path) -> dict[str, str]:
    """Which source each fetched spectrum is of: what `load_spectra` takes as `sources`."""
    sources: dict[str, str] = {}
    for path in sorted((Path(folder) / RECEIPTS).glob("*.json")):
        if (receipt := _read_receipt(path)) is not None:
            source, records = receipt
            sources |= {stem_of(Path(name)): source for name in _spectrum_names(records)}
    return sources


def spectra_of(folder: Path, detection: Detection) -> list[Path]:
    """The files with the spectra of a detection, one for each cycle; none if it is not there."""
    receipt = _read_receipt(_receipt_path(folder, detection))
    records = [] if receipt is None else receipt[1]
    return [folder / name for name in _spectrum_names(records)]


def open_session() -> requests.Session:
    """A session that waits for a reply as long as `csc.toml` says."""
    return archives.open_session(csc_facts()["limits"]["timeout_s"])


@dataclass
class _Batches:
    """Requests for the files of several detections that are not there yet.

    The reply to the last request is kept until all detections of it are stored. What a request for
    several does not bring is asked for alone, so that the reason is that of one detection.
    """

    wanted: Sequence[Detection]
    folder: Path
    url: str
    session: requests.Session
    reply: IO[bytes]
    place: int = 0
    held: frozenset[Detection] = frozenset()

    def fetch(self, detection: Detection) -> bool:
        """Fetch the next detection; False if it was there."""
        self.place += 1
        if is_fetched(self.folder, detection):
            return False
        if detection in self.held or self._ask_ahead(detection):
            try:
                _store(detection, self.reply, self.folder)
                return True
            except DataError:
                pass  # asked for alone, it may come, or say why not
        self.held = frozenset()
        _download([detection], self.reply, self.url, self.session)
        _store(detection, self.reply, self.folder)
        return True

    def _ask_ahead(self, detection: Detection) -> bool:
        """Ask for a detection and the next ones; whether that made sense, and a reply came."""
        most = csc_facts()["limits"]["detections"]
        together = [detection]
        for other in self.wanted[self.place :]:
            if len(together) == most:
                break
            if not is_fetched(self.folder, other):
                together.append(other)
        if len(together) < 2:
            return False
        try:
            _download(together, self.reply, self.url, self.session)
        except DataError:
            return False
        self.held = frozenset(together)
        return True


def _store(detection: Detection, reply: IO[bytes], folder: Path) -> None:
    """Take the files of a detection out of a reply, and put them into the folder if all is well."""
    with tempfile.TemporaryDirectory(prefix=".inflight-", dir=folder) as inflight:
        place = Path(inflight)
        products = _unpack(detection, reply, place)
        for files in products.values():
            _check(detection, files)
        every = [file for files in products.values() for file in files.values()]
        for file in every:
            flush(file)
        records = [
            asdict(FileRecord(file.name, file.stat().st_size, hash_file(file))) for file in every
        ]
        for file in every:
            file.replace(folder / file.name)
        receipt = place / "receipt.json"
        write_json(receipt, {"source": detection.source, "files": records})
        receipt.replace(_receipt_path(folder, detection))
        flush(folder / RECEIPTS)


def _download(
    detections: Sequence[Detection], reply: IO[bytes], url: str, session: requests.Session
) -> None:
    """The reply of the service, a tar file, with retries of what may pass."""
    products = ",".join(
        f"{one.identifier}/{name}/b" for one in detections for name in csc_facts()["products"]
    )
    parameters = {"version": csc_facts()["version"], "packageset": products}
    what = detections[0].identifier
    if len(detections) > 1:
        what += f" and {len(detections) - 1} more"
    attempts(ATTEMPTS)(_download_once, reply, url, parameters, session, what)


def _download_once(
    reply: IO[bytes], url: str, parameters: dict[str, str], session: requests.Session, what: str
) -> None:
    reply.seek(0)
    reply.truncate()
    limit = csc_facts()["limits"]["reply_bytes"]
    with archives.request(
        session, "GET", url, what, kind="spectrum", params=parameters
    ) as response:
        for piece in response.iter_content(_PIECE_BYTES):
            reply.write(piece)
            if reply.tell() > limit:
                raise DataError(
                    "the reply is far too large", file=what, expected=f"{limit} bytes at most"
                )


def _unpack(detection: Detection, reply: IO[bytes], place: Path) -> Products:
    """The files of a detection by product; whatever else is in the reply is left there."""
    wanted = {kind: _name_pattern(detection, kind) for kind in csc_facts()["products"].values()}
    products: Products = {}
    with _tar_errors(detection):
        reply.seek(0)
        with tarfile.open(fileobj=reply, mode="r:*") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                found = {kind: pattern.fullmatch(name) for kind, pattern in wanted.items()}
                kind, match = next(((k, m) for k, m in found.items() if m), ("", None))
                content = archive.extractfile(member) if match and member.isfile() else None
                if content is None or match is None:
                    continue
                if member.size > csc_facts()["limits"]["file_bytes"]:
                    raise DataError(f"{name} is far too large", found=f"{member.size} bytes")
                files = products.setdefault(match["cycle"] or "", {})
                files[kind] = place / name
                with files[kind].open("wb") as out:
                    shutil.copyfileobj(content, out)
    for cycle, files in (products or {"": {}}).items():
        if missing := sorted(set(wanted) - set(files)):
            of = f"{detection.key}{f' {cycle}' if cycle else ''}"
            raise DataError(
                "the archive did not send all files of the detection",
                file=detection.identifier,
                expected=", ".join(f"{of}_{kind}.fits" for kind in missing),
                found=", ".join(sorted(file.name for file in files.values())) or "none of them",
            )
    return products


def _name_pattern(detection: Detection, kind: str) -> re.Pattern[str]:
    begin, region = detection.key.split("_r")
    cycle = r"_?(?P<cycle>e[12])?_?"
    return re.compile(rf"{begin}{cycle}N\d{{3}}_r{region}[a-z]?_{kind}\.fits(\.gz)?")


def _check(detection: Detection, files: dict[str, Path]) -> None:
    """Read all of a detection, as will be done later."""
    try:
        spectra = read_pha(files["pha3"])
        read_background(spectra[0])
        read_response(files["rmf3"], files["arf3"])
    except DataError as error:
        error.file = Path(error.file or detection.key).name  # not the folder that is about to go
        raise
    if [one.observation for one in spectra] != [str(detection.obsid)]:
        raise DataError(
            "the spectrum is of another observation",
            file=files["pha3"].name,
            expected=f"OBS_ID {detection.obsid}",
            found=", ".join(one.observation for one in spectra),
        )


@contextmanager
def _tar_errors(detection: Detection) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise DataError(
            f"the archive sent no readable tar file ({error})", file=detection.identifier
        ) from None


def _receipt_path(folder: Path, detection: Detection) -> Path:
    return folder / RECEIPTS / f"{detection.key}.json"


def _spectrum_names(records: list[FileRecord]) -> list[str]:
    return [one.path for one in records if "_pha3." in one.path]


def _read_receipt(path: Path) -> tuple[str, list[FileRecord]] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return str(content["source"]), [FileRecord(**record) for record in content["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # as if it had not been written
