"""The list of detections that a folder of fetched spectra is for, kept beside them.

It remembers the selection that it answers. Another selection, another release of the catalog or a
damaged file means that it is queried again; what was fetched stays.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from astropy.table import Table

from catalogs.durable import replacing
from survey.latents.xray.csc_query import Selection, find_detections

if TYPE_CHECKING:
    import requests

LIST_FILE = "detections.ecsv"
_SELECTION = "selection"


def listed_detections(
    selection: Selection,
    folder: Path,
    *,
    session: requests.Session | None = None,
    again: bool = False,
) -> Table:
    """The list of a folder if it answers the selection, else that of the catalog.

    Parameters
    ----------
    selection : Selection
    folder : Path
        Made if need be.
    session : requests.Session, optional
    again : bool
        Query the catalog in any case.

    Raises
    ------
    DataError, InfrastructureError
        See `survey.latents.xray.csc_query.find_detections`.
    """
    file = folder / LIST_FILE
    table = None if again else _kept(file, selection)
    if table is None:
        table = find_detections(selection, session=session)
        table.meta.clear()  # what the service said of itself need not be writable
        table.meta[_SELECTION] = json.dumps(selection.facts())
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(file) as unfinished:
            table.write(unfinished, format="ascii.ecsv")
    return table


def _kept(file: Path, selection: Selection) -> Table | None:
    try:
        table = Table.read(file, format="ascii.ecsv")
        kept = json.loads(table.meta[_SELECTION])
    except Exception:  # astropy raises many kinds, of no family: whatever it is, it is no list
        return None
    return table if kept == json.loads(json.dumps(selection.facts())) else None
