"""Opens FITS files safely: a damaged file is an error, and never becomes data.

astropy only warns when a file is too short, a compressed file may be cut without notice, and a
memory-mapped file that shrinks kills the process. So the size that the headers imply is compared
with the size of the file before anything is allocated, and images are read in pieces into native
byte order. A compressed file can only be read from its beginning. It is unpacked once, checked by
its own checksum, into memory if it is small and otherwise into a temporary file: see
`survey.cubes.files`.
"""

from __future__ import annotations

import errno
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import DTypeLike, NDArray

from survey.cubes.checksums import wrong_sum
from survey.cubes.files.cube_file import CubeFile
from survey.cubes.files.headers import card_number, remove_unreadable
from survey.cubes.files.unpack import CORRUPT, fits_content
from survey.cubes.files.whole import open_seekable
from survey.cubes.lazy_image import Key, Voxels
from survey.errors import DataError, SurveyError, SurveyWarning

SLAB_BYTES = 64 << 20
_KINDS = (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU, fits.BinTableHDU, fits.TableHDU)
UNPACKED_IN_MEMORY_BYTES = 64 << 20
"""Above this size a compressed file is unpacked into a temporary file."""


class FitsFile:
    """An open FITS file; made by `open_fits`. All its errors name the file.

    `stale` lists the extensions whose DATASUM or CHECKSUM is not that of their bytes, among those
    that were read so far.
    """

    def __init__(
        self,
        file: CubeFile,
        hdus: fits.HDUList,
        content: IO[bytes],
        *,
        strict_sums: bool = False,
        open_other: Callable[[CubeFile], FitsFile] | None = None,
    ) -> None:
        self.file = file
        self.stale: list[str | int] = []
        self._others: dict[CubeFile, FitsFile] = {}
        self._open_other = open_other
        self._strict_sums = strict_sums
        self._hdus = hdus
        self._content = content
        self._checked: set[str | int] = set()

    @property
    def path(self) -> str:
        """Its address, for messages."""
        return self.file.address

    @property
    def has_stale_sum(self) -> bool:
        """Whether a checksum is wrong, here or in another file that was opened with this one."""
        return bool(self.stale) or any(other.has_stale_sum for other in self._others.values())

    def other(self, file: CubeFile) -> FitsFile:
        """Another file, which stays open as long as this one.

        Raises
        ------
        DataError
            If it cannot be opened.
        """
        if file not in self._others:
            assert self._open_other is not None
            self._others[file] = self._open_other(file)
        return self._others[file]

    @property
    def primary(self) -> fits.Header:
        """The primary header."""
        return self._hdus[0].header

    def has(self, extension: str | int) -> bool:
        """Whether there is an extension of this name (or number)."""
        return extension in self._hdus

    def header(self, extension: str | int) -> fits.Header:
        """The header of an extension."""
        return self._hdu(extension).header

    def flux_unit(self, header: fits.Header) -> str:
        """BUNIT of a header of fluxes as written, else that of the primary one, else ""."""
        for written in (header.get("BUNIT"), self.primary.get("BUNIT")):
            if written is not None and str(written).strip():
                return str(written)
        return ""

    def number(self, extension: str | int, keyword: str, default: float | None = None) -> float:
        """A number from a header; `default`, if given, replaces a missing keyword.

        Raises
        ------
        DataError
            If the keyword is missing without a default, or is not a number.
        """
        header = self.header(extension)
        return number_of(header, keyword, default, extension=extension, file=self.path)

    def array(
        self, extension: str | int, dtype: DTypeLike | None = None, *, ndim: tuple[int, ...] = (3,)
    ) -> NDArray[Any]:
        """The whole image of an extension; see `image`."""
        image = self.image(extension, dtype, ndim=ndim)
        return image[(slice(None),) * image.ndim]

    def image(
        self, extension: str | int, dtype: DTypeLike | None = None, *, ndim: tuple[int, ...] = (3,)
    ) -> Voxels:
        """The image of an extension in native byte order, read where it is indexed.

        Parameters
        ----------
        extension : str or int
            Name or number of the extension.
        dtype : dtype, optional
            What to convert to; that of the file if not given.
        ndim : tuple of int
            Numbers of dimensions that make sense.

        Raises
        ------
        DataError
            If there is no such extension, it holds no such image, or a sum is wrong that is strict.
        """
        hdu = self._hdu(extension)
        with _stumbling_as_data_error(self.path):
            shape = hdu.shape if hdu.is_image else ()
        if len(shape) not in ndim or 0 in shape:
            raise DataError(
                f"extension {extension} has no image of the expected shape",
                file=self.path,
                expected=f"{' or '.join(str(n) for n in ndim)} dimensions",
                found=f"shape {shape}" if hdu.is_image else "a table",
            )
        self._check_sums(extension, hdu)
        if dtype is None:
            with _stumbling_as_data_error(self.path):
                dtype = hdu.section[(slice(0, 1),) * len(shape)].dtype.newbyteorder("=")
        dtype = np.dtype(dtype)

        def read(key: Key) -> NDArray[Any]:
            with _damage_as_data_error(self.path), _stumbling_as_data_error(self.path):
                return _read_slabs(hdu.section, shape, key, dtype)

        return Voxels(shape, dtype, read)

    def column(self, extension: str | int, name: str) -> NDArray[np.float64]:
        """A column of a table extension, flattened."""
        names = [] if not self.is_table(extension) else self.column_names(extension)
        if name.lower() not in (known.lower() for known in names):
            raise DataError(
                f"no column {name!r} in extension {extension}",
                file=self.path,
                expected=f"a table with the column {name}",
                found=", ".join(names) or "none",
            )
        with _damage_as_data_error(self.path), _stumbling_as_data_error(self.path):
            return np.asarray(self._hdu(extension).data[name], dtype=np.float64).ravel()

    def is_table(self, extension: str | int) -> bool:
        """Whether an extension is a table."""
        return not self._hdu(extension).is_image

    def column_names(self, extension: str | int) -> list[str]:
        """Names of the columns of a table extension."""
        with _stumbling_as_data_error(self.path):
            return [str(name or "") for name in self._hdu(extension).columns.names]

    def column_unit(self, extension: str | int, name: str) -> str:
        """The unit of a column of a table extension as written, "" if there is none."""
        with _stumbling_as_data_error(self.path):
            columns = self._hdu(extension).columns
            units = {str(column.name).lower(): column.unit for column in columns}
        return str(units.get(name.lower()) or "").strip()

    def extension_names(self) -> list[str]:
        """The names of all extensions in order, or their numbers where they have none."""
        return [hdu.name or str(number) for number, hdu in enumerate(self._hdus)]

    def headers(self) -> list[fits.Header]:
        """The headers of all extensions in order, the primary one first."""
        return [hdu.header for hdu in self._hdus]

    def rows(self, extension: str | int) -> fits.FITS_rec:
        """The rows of a table extension, as astropy has them (big-endian).

        Raises
        ------
        DataError
            If there is no such extension, it is no table, or, if sums are strict, one is wrong.
        """
        hdu = self._hdu(extension)
        if not isinstance(hdu, fits.BinTableHDU):
            raise DataError(
                f"extension {extension} is not a table",
                file=self.path,
                expected="a binary table",
                found=type(hdu).__name__,
            )
        # The sum is that of the bytes on disk: astropy changes those it has read as columns.
        if extension not in self._checked:
            self._check_sums(extension, hdu)
            self._checked.add(extension)
        with _stumbling_as_data_error(self.path):
            return hdu.data

    def _hdu(self, extension: str | int) -> Any:
        if not self.has(extension):
            raise DataError(
                "an extension is missing",
                file=self.path,
                expected=str(extension) or "its name",
                found=", ".join(self.extension_names()),
            )
        hdu = self._hdus[extension]
        if not isinstance(hdu, _KINDS):
            raise DataError(
                f"extension {extension} has a damaged header",
                file=self.path,
                expected="an image or a table as FITS defines them",
                found=repr(hdu.header.get("XTENSION", "neither")),
            )
        return hdu

    def _check_sums(self, extension: str | int, hdu: Any) -> None:
        """Compare DATASUM and CHECKSUM with the bytes of an extension; see `stale`."""
        written = {key: str(hdu.header.get(key, "")).strip() for key in ("DATASUM", "CHECKSUM")}
        for key, value in written.items():
            # Programs that cut cubes out of cubes copy one header into several extensions: a
            # sum that two of them share was not computed from either.
            shared = [1 for other in self._hdus if str(other.header.get(key)).strip() == value]
            if len(shared) != 1:
                written[key] = ""
        if not any(written.values()):
            return
        # The sum goes over the padding too, without which astropy stumbles.
        with _stumbling_as_data_error(self.path):
            wrong = wrong_sum(hdu, self._content, written["DATASUM"], written["CHECKSUM"])
        if wrong is None or extension in self.stale:
            return
        error = DataError(
            f"the {'data' if wrong == 'DATASUM' else 'header or data'} of extension {extension} "
            f"do not have the checksum in their header",
            file=self.path,
            expected=f"{wrong} {written[wrong]}",
            found="another sum",
            advice="The file is damaged, or was edited by a program that kept the old sum: "
            "download it again, or remove DATASUM and CHECKSUM",
        )
        if self._strict_sums:
            raise error
        self.stale.append(extension)
        warnings.warn(str(error), SurveyWarning, stacklevel=2)


def number_of(
    header: fits.Header,
    keyword: str,
    default: float | None = None,
    *,
    extension: str | int,
    file: str | Path,
) -> float:
    """A number from a header, see `FitsFile.number`."""
    value = header.get(keyword, default)
    blank = value is None or isinstance(value, fits.card.Undefined) or str(value).strip() == ""
    if blank and default is not None:
        value = default  # a card without a value says as little as none
    try:
        return card_number(value)
    except (TypeError, ValueError):
        raise DataError(
            f"{keyword} in the header of extension {extension} is not a number",
            file=file,
            expected="a finite number",
            found="nothing" if blank else repr(value),
        ) from None


@contextmanager
def open_fits(
    path: str | Path | CubeFile, *, scratch: Path | None = None, strict_sums: bool = False
) -> Iterator[FitsFile]:
    """Open a FITS file and check that it is complete.

    It may be compressed (gzip, bzip2, xz, zip), and its images by fpack. Damage that only shows
    while the file is being used is reported the same way.

    Parameters
    ----------
    path : str or Path or CubeFile
        Where it is, also as a URL.
    scratch : Path, optional
        Where a large compressed file is unpacked, for as long as it is open; the system's
        place for temporary files if not given.
    strict_sums : bool
        Whether an extension with a wrong DATASUM or CHECKSUM is an error, and not a warning: many
        programs edit files and keep the old sums.

    Raises
    ------
    DataError
        If there is no such file, it is not FITS, or it is truncated or corrupt.
    InfrastructureError
        If it is on another machine that cannot be reached.
    """
    cube = CubeFile.of(path)
    path = cube.address
    with (
        _damage_as_data_error(path),
        open_seekable(cube, scratch=scratch, in_memory_bytes=UNPACKED_IN_MEMORY_BYTES) as file,
        fits_content(
            file, path, scratch=scratch, in_memory_bytes=UNPACKED_IN_MEMORY_BYTES
        ) as content,
    ):
        content_bytes = content.seek(0, 2)
        content.seek(0)
        with _stumbling_as_data_error(path):
            hdus = fits.open(content, memmap=False)
        with hdus:
            with _stumbling_as_data_error(path):
                needed_bytes = _read_headers(hdus)
            if content_bytes < needed_bytes:
                raise DataError(
                    "the file is truncated",
                    file=path,
                    expected=f"{needed_bytes} bytes from its headers",
                    found=f"{content_bytes} bytes",
                    advice="Download the file again",
                )
            with ExitStack() as others:
                yield FitsFile(
                    cube,
                    _without_dummy(hdus),
                    content,
                    strict_sums=strict_sums,
                    open_other=lambda other: others.enter_context(
                        open_fits(other, scratch=scratch, strict_sums=strict_sums)
                    ),
                )


def _without_dummy(hdus: fits.HDUList) -> fits.HDUList:
    """The extensions of a file as they were before fpack compressed its primary image.

    That becomes the first extension, behind an empty primary header; it keeps its SIMPLE card.
    """
    packed = len(hdus) > 1 and isinstance(hdus[1], fits.CompImageHDU)
    return hdus[1:] if packed and "SIMPLE" in hdus[1].header else hdus


def _read_headers(hdus: fits.HDUList) -> int:
    """Read every card, which astropy puts off otherwise; return the size they imply.

    Cards that cannot be read say nothing: they are left out, as if they were missing.
    """
    for hdu in hdus:
        remove_unreadable(hdu.header)
        hdu.header.tostring()
    return max(_end_of_data(hdu) for hdu in hdus)


def _end_of_data(hdu: Any) -> int:
    place = hdu.fileinfo()
    # The span includes padding that some writers omit; a tile-compressed image spans less
    # than the size of the image.
    return place["datLoc"] + min(place["datSpan"], hdu.size)


def _read_slabs(
    section: Any, shape: tuple[int, ...], key: Key, dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Read a part of an image slab by slab: its big-endian form is never in memory as a whole."""
    first, *others = key
    if not isinstance(first, slice):
        return np.asarray(section[key], dtype)
    planes = range(*first.indices(shape[0]))
    step = max(1, SLAB_BYTES // (dtype.itemsize * prod(shape[1:])))
    data = np.empty(0, dtype)
    for start in range(0, len(planes), step):
        part = planes[start : start + step]
        slab = section[(slice(part.start, part.stop, part.step), *others)]
        if start == 0:
            data = np.empty((len(planes), *slab.shape[1:]), dtype)
        data[start : start + step] = slab
    return data


@contextmanager
def _damage_as_data_error(path: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            # Header cosmetics are the observatory's concern; damage is found by size and sum.
            warnings.simplefilter("ignore", AstropyWarning)
            yield
    except OSError as error:
        # An impossible place in the file comes from its header; all else is the machine's trouble.
        if error.errno not in (None, errno.EINVAL, errno.EOVERFLOW):
            raise
        raise _unreadable("not a readable FITS file", path, error) from error
    except (*CORRUPT, fits.VerifyError) as error:
        raise _unreadable("the file is corrupt", path, error) from error


@contextmanager
def _stumbling_as_data_error(path: str) -> Iterator[None]:
    """A mangled header can make astropy stumble in any way; the file is at fault."""
    try:
        yield
    except (OSError, MemoryError, SurveyError, *CORRUPT):
        raise
    except Exception as error:
        raise _unreadable("headers or tables cannot be read", path, error) from error


def _unreadable(message: str, path: str, error: Exception) -> DataError:
    """An error of astropy or a decompressor, of which the first line says what is wrong."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return DataError(message, file=path, expected="a file as FITS defines it", found=reason)
