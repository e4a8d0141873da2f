"""The wavelength axis of a cube: observed frame, vacuum, micron.

One function, `wavelength_axis_um`, reads whatever spectral axis a FITS file has (Greisen et al.
2006, A&A 446, 747): wavelengths in vacuum (WAVE) or air (AWAV), frequencies, wavenumbers, energies
and velocities; linear, logarithmic (-LOG), tabulated (-TAB) and, by astropy, linear in another
quantity (such as WAVE-F2W); also decimal logarithms as IRAF and SDSS write them.
"""

from __future__ import annotations

import re
import warnings

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS
from numpy.typing import NDArray

from survey.cubes.axes.conversion import (
    LARGEST_LOG10,
    Floats,
    Medium,
    SpectralValues,
    air_to_vacuum_um,
    is_logarithm,
)
from survey.cubes.axes.layout import cube_layout
from survey.cubes.axes.possible import check_possible, medium_of
from survey.cubes.read_fits import FitsFile, number_of
from survey.errors import DataError, SurveyWarning
from survey.spectra.constants import LIGHT_UM_S

__all__ = [
    "air_to_vacuum_um",
    "check_same_planes",
    "wavelength_axis_um",
    "wavelength_extension_um",
]

_KINDS = ("WAVE", "AWAV", "FREQ", "WAVN", "ENER", "VRAD", "VOPT", "ZOPT", "VELO", "BETA")
_LN = re.compile(r"\bLN\b|LN\(|LNLAM|-LN$", re.I)
_LOG10 = re.compile(r"LOG10|LOG-?LAM|LOG-?WAV|LOG\(|^LOG", re.I)
_WAVELENGTH_NAMES = ("wave", "wavelength", "lambda", "lam", "wcs-table", "wcs-tab")
_SAME_PLANE = 1.5
"""Planes by which a table of wavelengths and a linear header may differ."""


def wavelength_axis_um(
    fits_file: FitsFile,
    extension: str | int,
    *,
    unit: str | None = None,
    medium: Medium | None = None,
    instrument: str = "",
    table: str | None = None,
) -> NDArray[np.float64]:
    """Vacuum wavelengths in micron of the planes of a cube, from its header.

    Parameters
    ----------
    fits_file : FitsFile
        The open file.
    extension : str or int
        The cube whose spectral axis it is.
    unit : str, optional
        Stands for CUNIT, for files that lack it; may be "log10(Angstrom)".
    medium : {"vacuum", "air"}, optional
        Where the header does not say; by default that of the instrument.
    instrument : str
        As in the table of instruments, whose range the wavelengths are held against.
    table : str, optional
        A table extension with a column "wavelength", as of JWST. It stands above a header that
        calls the axis linear, if it has as many rows as there are planes and begins where the
        header says; it may belong to the whole of a cube of which this is a cut-out.

    Returns
    -------
    ndarray, shape (planes,)
        In the order of the planes: `survey.cubes.dataset.build_cube` turns descending ones round.

    Raises
    ------
    DataError
        If the header does not define the axis, its unit is not one of its kind, header and table
        disagree, or the instrument cannot have such wavelengths.
    """
    axis = _Axis(fits_file, extension, unit, medium or medium_of(instrument))
    axis.warn_of_motion()
    try:
        values = axis.read(table)
    except DataError as error:
        beside = wavelength_extensions(fits_file)
        if beside and error.advice is None and axis.algorithm != "TAB":
            error.advice = (
                f'Set read.reader = "generic" and wavelength = "{beside[0]}" in [read.generic], '
                "if that has them"
            )
        raise
    if table is not None and fits_file.has(table) and axis.algorithm != "TAB":
        values = _with_table(fits_file, values, table, axis)
    wavelength_um = values.vacuum_um(file=fits_file.path)
    check_possible(
        wavelength_um,
        instrument,
        numbers=np.asarray(values.values, dtype=np.float64),
        unit=values.unit,
        kind=values.kind,
        file=fits_file.path,
    )
    return wavelength_um


def wavelength_extension_um(
    fits_file: FitsFile,
    extension: str | int,
    *,
    column: str = "",
    unit: str | None = None,
    medium: Medium | None = None,
    instrument: str = "",
) -> NDArray[np.float64]:
    """Vacuum wavelengths in micron from an extension of their own.

    It is an image of one axis, or a table with the column that is named, else one named
    `wavelength`, `lambda` or the like, else its only one. The unit is BUNIT or CUNIT1, or TUNIT of
    the column, if not given.

    Raises
    ------
    DataError
        If there is no such extension, no unit, or the instrument cannot have such wavelengths.
    """
    header = fits_file.header(extension)
    if fits_file.is_table(extension):
        name = column or _column(fits_file, extension)
        values = fits_file.column(extension, name)
        written = fits_file.column_unit(extension, name)
    else:
        values = np.ravel(fits_file.array(extension, np.float64, ndim=(1, 2, 3)))
        written = str(header.get("BUNIT") or header.get("CUNIT1") or "")
    kind = str(header.get("CTYPE1", "")).strip().upper()[:4]
    found = SpectralValues(
        values,
        unit or written,
        "AWAV" if kind == "AWAV" else "",
        medium or medium_of(instrument),
    )
    wavelength_um = found.vacuum_um(file=fits_file.path)
    check_possible(wavelength_um, instrument, numbers=values, unit=found.unit, file=fits_file.path)
    return wavelength_um


def check_same_planes(
    fits_file: FitsFile, extension: str | int, wavelength_um: NDArray[np.float64], table: str
) -> None:
    """Compare wavelengths of an extension with the header of the flux, if that has any.

    Raises
    ------
    DataError
        If they differ by more than a plane or so.
    """
    header = cube_layout(fits_file, extension).header
    if "CRVAL3" not in header or not {"CDELT3", "CD3_3"} & set(header):
        return
    try:
        planes = _Axis(fits_file, extension, None, "vacuum").read(None)
        planes_um = planes.vacuum_um(file=fits_file.path)
    except DataError:
        return  # an axis that cannot be read contradicts nothing
    if planes_um.shape != wavelength_um.shape or planes_um.size < 2:
        return
    step = np.abs(np.diff(planes_um)).max()
    if not np.abs(planes_um - wavelength_um).max() <= _SAME_PLANE * step:
        raise _disagreement(fits_file, planes_um, wavelength_um, table)


class _Axis:
    """The spectral axis that a header describes, renumbered to be the third."""

    def __init__(
        self, fits_file: FitsFile, extension: str | int, unit: str | None, medium: Medium
    ) -> None:
        self.fits_file, self.extension = fits_file, extension
        self.header = cube_layout(fits_file, extension).header
        self.ctype = str(self.header.get("CTYPE3") or "").strip().upper()
        kind, _, algorithm = self.ctype.partition("-")
        self.kind = kind.strip() if kind.strip() in _KINDS else ""
        self.algorithm = algorithm.strip("- ") if self.kind else ""
        stated = self._stated_medium()
        if stated == "air" and self.kind == "WAVE":
            self.kind = ""  # WAVE is often written for any wavelength
        self.medium: Medium = stated or medium
        written = str(self.header.get("CUNIT3") or "").strip()
        self.unit = unit or written or self._iraf_unit()
        if not self.unit and self.kind == "FREQ":
            self.unit = "Hz"  # as the standard says; numbers of another unit show in the range
        if kind.strip() == "FELO" or (self.ctype == "VELO" and self.header.get("VELREF")):
            self.algorithm = "AIPS"

    def number(self, keyword: str, default: float | None = None) -> float:
        return number_of(
            self.header, keyword, default, extension=self.extension, file=self.fits_file.path
        )

    def warn_of_motion(self) -> None:
        """Say if the wavelengths are as the moving Earth sees them: nothing here corrects them."""
        frame = str(self.header.get("SPECSYS") or "").strip().upper()
        if frame in ("TOPOCENT", "GEOCENTR"):
            warnings.warn(
                f"{self.fits_file.path}: wavelengths are not those of the barycentre (SPECSYS = "
                f"{frame}): velocities are off by up to 30 km/s",
                SurveyWarning,
                stacklevel=3,
            )

    def _stated_medium(self) -> Medium | None:
        """What names and cards besides the kind of the axis say of the medium."""
        if "AIR" in f"{self.ctype} {self.header.get('CNAME3', '')}".upper():
            return "air"
        for header in (self.header, self.fits_file.primary):
            words = str(header.get("AIRORVAC", "")).strip().lower()
            if words[:3] in ("air", "vac"):
                return "air" if words.startswith("air") else "vacuum"
            if isinstance(header.get("VACUUM"), bool):
                return "vacuum" if header["VACUUM"] else "air"
        return None

    def _iraf_unit(self) -> str:
        """The unit in the attributes of IRAF, as "label=Wavelength units=angstroms"."""
        found = re.search(r"units=\s*(\w+)", str(self.header.get("WAT3_001", "")))
        return found[1] if found else ""

    def read(self, table: str | None) -> SpectralValues:
        """The numbers of the axis, and their meaning."""
        unit = self.unit
        if self.algorithm in ("", "LOG", "LOG10", "LN"):
            row = self.linear()
            if self.algorithm == "LOG" and not is_logarithm(unit):
                start = self.number("CRVAL3")
                with np.errstate(all="ignore"):
                    row = start * np.exp((row - start) / start)
            return self._values(row, self._logarithmic(row, unit))
        if self.algorithm == "TAB":
            return self._values(*self._tabulated(table))
        return self._by_astropy()

    def _values(self, values: Floats, unit: str) -> SpectralValues:
        return SpectralValues(values, unit, self.kind, self.medium, self._rest_um())

    def _rest_um(self) -> float:
        for header in (self.header, self.fits_file.primary):
            for keyword in ("RESTFRQ", "RESTFREQ"):
                if header.get(keyword):
                    frequency = number_of(
                        header, keyword, extension=self.extension, file=self.fits_file.path
                    )
                    return LIGHT_UM_S / frequency if frequency else float("nan")
            if header.get("RESTWAV"):
                return 1e6 * number_of(
                    header, "RESTWAV", extension=self.extension, file=self.fits_file.path
                )
        return float("nan")

    def linear(self) -> Floats:
        """The numbers of the planes, taken for a linear axis."""
        tabulated = self.algorithm == "TAB"
        if "CD3_3" in self.header and (self.number("CD3_3") or "CDELT3" not in self.header):
            step = self.number("CD3_3")
        else:
            # A tabulated axis counts rows, and its header may leave the increment out.
            step = self.number("CDELT3", 1.0 if tabulated else None) * self.number("PC3_3", 1.0)
        # Where the reference pixel is missing the standard's default would be 0.
        start, pixel = self.number("CRVAL3"), self.number("CRPIX3")
        planes = np.arange(1.0, int(self.header["NAXIS3"]) + 1)
        return np.asarray(start + step * (planes - pixel), dtype=np.float64)

    def _logarithmic(self, row: Floats, unit: str) -> str:
        """The unit, with the logarithm that a header states elsewhere."""
        if is_logarithm(unit) or self.algorithm == "LOG":
            return unit
        text = f"{self.ctype} {self.header.get('CNAME3', '')}".strip()
        iraf = self.header.get("DC-FLAG", self.fits_file.primary.get("DC-FLAG", 0))
        natural = bool(_LN.search(text)) or self.algorithm == "LN"
        if not (natural or self.algorithm == "LOG10" or _LOG10.search(text) or str(iraf) == "1"):
            return unit
        if not natural and "LOG10" not in text and np.abs(row).min() > LARGEST_LOG10:
            natural = True
        return f"{'ln' if natural else 'log10'}({unit or 'Angstrom'})"

    def _tabulated(self, table: str | None) -> tuple[Floats, str]:
        file, row = self.fits_file, self.linear()
        extension = str(self.header.get("PS3_0") or table or "").strip()
        column = str(self.header.get("PS3_1") or "wavelength").strip()
        values = file.column(extension, column)
        index = str(self.header.get("PS3_2") or "").strip()
        if index:
            numbers = file.column(extension, index)
            order = np.argsort(numbers)
            rows = np.arange(1.0, numbers.size + 1)[order]
            row = np.interp(row, numbers[order], rows, left=np.nan, right=np.nan)
        first, last = row.min(), row.max()
        if not (first >= 1 and last <= values.size):
            raise DataError(
                "the wavelength table is too short",
                file=file.path,
                expected=f"rows {first:g} to {last:g} of {extension}",
                found=f"{values.size} rows",
            )
        written = file.column_unit(extension, column)
        return np.interp(row, np.arange(1, values.size + 1), values), written or self.unit

    def _by_astropy(self) -> SpectralValues:
        """Axes that are linear in another quantity than their own, and those of AIPS."""
        plane = fits.Header()
        for card in self.header.cards:
            if re.fullmatch(r"(CTYPE|CUNIT|CRVAL|CRPIX|CDELT)3|PV3_\d+", card.keyword):
                plane[card.keyword.replace("3", "1", 1)] = card.value
        step = self.linear()
        plane["CDELT1"] = float(step[1] - step[0]) if step.size > 1 else self.number("CDELT3")
        for keyword in ("RESTFRQ", "RESTFREQ", "RESTWAV", "VELREF", "SPECSYS"):
            if self.header.get(keyword):
                plane[keyword.replace("FREQ", "FRQ")] = self.header[keyword]
        if self.unit:
            plane["CUNIT1"] = self.unit
        grism = self.algorithm in ("GRI", "GRA") and "PV1_0" not in plane
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore", AstropyWarning)
                wcs = WCS(plane, naxis=1)
                wcs.wcs.set()
                values = wcs.wcs_pix2world(np.arange(1.0, step.size + 1), 1)[0]
            kind, unit = str(wcs.wcs.ctype[0])[:4], str(wcs.wcs.cunit[0])
        except Exception as error:  # wcslib's errors are of many classes
            raise self._unknown(str(error).strip().splitlines()[-1]) from error
        if kind not in _KINDS or grism or not np.isfinite(values).all():
            raise self._unknown(None)
        self.kind = kind
        return self._values(values, unit)

    def _unknown(self, reason: str | None) -> DataError:
        return DataError(
            "unknown kind of wavelength axis" + (f" ({reason})" if reason else ""),
            file=self.fits_file.path,
            expected="a kind of the FITS spectral standard with all its parameters",
            found=f"CTYPE3 = {self.header.get('CTYPE3')}",
        )


def _with_table(
    fits_file: FitsFile, linear: SpectralValues, table: str, axis: _Axis
) -> SpectralValues:
    """The wavelengths of a table beside a header that calls the axis linear.

    Of a cut-out, whose table is that of the whole cube, those of the header, if the table has
    them too.
    """
    values = fits_file.column(table, "wavelength")
    unit = fits_file.column_unit(table, "wavelength") or axis.unit
    tabulated = SpectralValues(values, unit, axis.kind, axis.medium)
    rows = tabulated.vacuum_um(file=fits_file.path)
    planes = linear.vacuum_um(file=fits_file.path)
    step = max(np.abs(np.diff(wavelength)).max(initial=0) for wavelength in (planes, rows))
    if rows.size == planes.size:
        chosen, distance = tabulated, abs(rows[0] - planes[0])
    else:
        first = int(np.abs(rows - planes[0]).argmin())
        part = rows[first : first + planes.size]
        whole = part.size == planes.size
        chosen, distance = linear, np.abs(part - planes).max() if whole else np.inf
    if not distance <= _SAME_PLANE * step:
        raise _disagreement(fits_file, planes, rows, table)
    return chosen


def _disagreement(fits_file: FitsFile, planes: Floats, rows: Floats, table: str) -> DataError:
    return DataError(
        f"the wavelengths of the header and of the table {table} disagree",
        file=fits_file.path,
        expected=f"{planes[0]:.6g} to {planes[-1]:.6g} micron, as in the header",
        found=f"{rows[0]:.6g} to {rows[-1]:.6g} micron in {rows.size} rows",
        advice=f"Remove what is wrong: the table {table}, or CRVAL3 and CDELT3",
    )


def _column(fits_file: FitsFile, extension: str | int) -> str:
    names = fits_file.column_names(extension)
    for name in names:
        if name.lower() in _WAVELENGTH_NAMES or len(names) == 1:
            return name
    raise DataError(
        f"no column of wavelengths in extension {extension}",
        file=fits_file.path,
        expected="a column named wavelength or lambda",
        found=", ".join(names),
    )


def axis_numbers(fits_file: FitsFile, extension: str | int) -> Floats:
    """The numbers of a linear axis as they are, whatever their unit.

    Raises
    ------
    DataError
        If the header has no linear axis.
    """
    return _Axis(fits_file, extension, None, "vacuum").linear()


def wavelength_extensions(fits_file: FitsFile) -> list[str]:
    """Names of the extensions that hold wavelengths, by their name or that of a column."""
    found = []
    for header in fits_file.headers():
        name = str(header.get("EXTNAME", ""))
        columns = (str(header.get(f"TTYPE{i}", "")) for i in range(1, header.get("TFIELDS", 0) + 1))
        if name and any(word.lower() in _WAVELENGTH_NAMES for word in (name, *columns)):
            found.append(name)
    return found
