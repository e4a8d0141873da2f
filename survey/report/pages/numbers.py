"""Arrays of numbers for the scripts of a page: short, and exact enough for a screen."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from catalogs.printable import printable

LEVELS = 254
"""Of a quantised spectrum; code 0 is a missing value."""

LEAST_WIDTH = 1e-6
"""Of the largest deviation of a spectrum from its median, where its steps are finest."""

DIGITS = 5
"""Significant digits of single numbers."""


def encoded(values: ArrayLike, kind: str) -> dict[str, Any]:
    """An array as base64 of little-endian numbers of a kind: "f4", "u1" or "u2"."""
    array = np.ascontiguousarray(values, dtype=f"<{kind}")
    return {"kind": kind, "bytes": base64.b64encode(array.tobytes()).decode("ascii")}


def rounded(value: Any) -> Any:
    """A number with few digits, NaN as None; anything else unchanged."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.{DIGITS}g}") if isfinite(value) else None
    return value


def script_json(data: Any) -> str:
    """JSON that can stand inside a script element: no text in it can end the element.

    What does not print in texts is an escape, as the scripts put them on the page.
    """
    text = json.dumps(_printable(data), allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _printable(data: Any) -> Any:
    if isinstance(data, str):
        return printable(data)
    if isinstance(data, dict):
        return {_printable(name): _printable(value) for name, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_printable(value) for value in data]
    return data


@dataclass(frozen=True)
class Quantised:
    """Spectra (n, S) in one byte a sample, each on a scale of its own.

    A sample is ``centre + width * sinh(low + (code - 1) * step)`` of its spectrum: fine steps near
    the continuum, coarse ones on strong lines.

    Attributes
    ----------
    codes : (n, S) array of uint8
        0 where there is no value.
    centre, width, low, step : (n,) arrays
    """

    codes: NDArray[np.uint8]
    centre: NDArray[np.float32]
    width: NDArray[np.float32]
    low: NDArray[np.float32]
    step: NDArray[np.float32]

    @classmethod
    def of(cls, spectra: NDArray[np.floating]) -> Quantised:
        """Quantise spectra (n, S); NaN is a missing value."""
        values = np.asarray(spectra, dtype=np.float64)
        known = np.isfinite(values)
        held = np.ma.masked_invalid(values)
        centre = np.ma.filled(np.ma.median(held, axis=1), 0.0)
        spread = np.ma.filled(np.ma.median(np.abs(held - centre[:, None]), axis=1), 0.0)
        largest = np.ma.filled(np.abs(held - centre[:, None]).max(axis=1), 0.0)
        # Of a spectrum that is nearly the same everywhere the deviations say nothing of its range.
        width = np.maximum(spread, LEAST_WIDTH * largest)
        width = np.where(width > 0, width, 1.0)
        curved = np.arcsinh((values - centre[:, None]) / width[:, None])
        low = np.where(known, curved, np.inf).min(axis=1, initial=np.inf)
        high = np.where(known, curved, -np.inf).max(axis=1, initial=-np.inf)
        low = np.where(np.isfinite(low), low, 0.0)
        high = np.where(np.isfinite(high), high, low)
        step = (high - low) / (LEVELS - 1)
        step = np.where(step > 0, step, 1.0)  # also where it is too small for a number
        with np.errstate(invalid="ignore"):
            levels = np.rint((curved - low[:, None]) / step[:, None])
        codes = np.where(known, np.nan_to_num(levels) + 1, 0).astype(np.uint8)
        single = (array.astype(np.float32) for array in (centre, width, low, step))
        return cls(codes, *single)

    @property
    def values(self) -> NDArray[np.float64]:
        """The spectra as a page shows them; NaN where there is no value."""
        levels = self.low[:, None] + (self.codes.astype(float) - 1) * self.step[:, None]
        spectra = self.centre[:, None] + self.width[:, None] * np.sinh(levels)
        return np.where(self.codes > 0, spectra, np.nan)

    def data(self) -> dict[str, Any]:
        """What the script of a page decodes."""
        return {
            "codes": encoded(self.codes, "u1"),
            **{name: encoded(getattr(self, name), "f4") for name in SCALES},
        }


SCALES = ("centre", "width", "low", "step")
