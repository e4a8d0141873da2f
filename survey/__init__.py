"""Spaxel Survey: clusters of similar spectra in archives of integral-field cubes.

For notebooks and scripts:

>>> import survey
>>> cube = survey.read("cube_s3d.fits")
>>> result = survey.cluster(cube, redshift=0.0163)
>>> sky, spectra = result.plot()
>>> run = survey.open("RUN")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from survey.api.clustering import cluster
    from survey.api.cubes import read, wcs
    from survey.api.results import Result
    from survey.api.runs import Run, open

__all__ = ["Result", "Run", "cluster", "open", "read", "wcs"]

__version__ = "0.1.0"

_HOMES = {
    "Result": "survey.api.results",
    "Run": "survey.api.runs",
    "cluster": "survey.api.clustering",
    "open": "survey.api.runs",
    "read": "survey.api.cubes",
    "wcs": "survey.api.cubes",
}
"""The modules of the public names, which are loaded when a name is used."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
