"""Labels of sources from any table: by declared columns, matched by name, or by position."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy import units as u
from astropy.coordinates import SkyCoord

from survey.errors import ConfigError, SurveyWarning
from survey.latents.run.provenance import Reference, as_use, judged, known_references
from survey.latents.run.settings import LabelColumns
from survey.latents.run.text_table import USUAL_POSITIONS, TextTable, read_text_table
from survey.latents.xray.catalog_tables import known_form

Floats = npt.NDArray[np.float64]

USUAL = {
    "id": ("id", "source", "name", "2cxo", "cscv2_name", "source_name"),
    "class": ("class", "true_class", "label", "source_class", "type"),
    "reference": ("reference", "ref", "class_ref", "bibcode"),
    **USUAL_POSITIONS,
}


@dataclass(frozen=True)
class Label:
    """The label of a source.

    Attributes
    ----------
    source_class, reference : str
    used_xray : {"yes", "no", "partly", "unknown"}
        Whether X-ray data took part in it.
    matched : {"name", "position"}
    """

    source_class: str
    reference: str
    used_xray: str
    matched: str = "name"


@dataclass(frozen=True, eq=False)
class LabelTable:
    """Labels of n rows of a table.

    Attributes
    ----------
    names : list of str
    labels : list of Label
    ra_deg, dec_deg : array (n,)
        NaN where there is no position.
    known : mapping
        What is known of references.
    file : Path
    """

    names: list[str]
    labels: list[Label]
    ra_deg: Floats
    dec_deg: Floats
    known: Mapping[str, Reference]
    file: Path


def read_labels(
    path: Path, columns: LabelColumns | None = None, *, folder: Path | None = None
) -> LabelTable:
    """Labels of a table: published ones are recognised, columns of others declared or guessed.

    Rows without a class are left out.

    Parameters
    ----------
    path : Path
    columns : LabelColumns, optional
    folder : Path, optional
        Where `columns.references` is. Default: beside the table.

    Raises
    ------
    ConfigError
        If the table cannot be read, or has no column for the class, or neither names nor positions.
    """
    columns = columns or LabelColumns()
    table = read_text_table(path)
    there = set(table.columns.columns)
    form = {
        role: column
        for role, column in (known_form(there) or {}).items()
        if not isinstance(column, str) or column in there
    }
    declared = {
        "id": columns.id or form.get("name"),
        "class": columns.class_ or form.get("class"),
        "reference": columns.reference or form.get("reference"),
        "ra": columns.ra or form.get("ra"),
        "dec": columns.dec or form.get("dec"),
    }
    found = {
        role: table.pick(role, declared[role], USUAL[role], required=role == "class")
        for role in USUAL
    }
    if found["id"] is None and (found["ra"] is None or found["dec"] is None):
        raise ConfigError(
            "the table of labels has neither names nor positions", file=path,
            expected="a column id, or ra and dec", found=", ".join(table.columns.columns[:20]),
            advice="Declare them in the settings file, [labels]",
        )  # fmt: skip
    own = None if columns.references is None else (folder or path.parent) / columns.references
    known = known_references(own)
    labels = _labels(table, found, columns, dict(form.get("rename", {})), known)
    kept = [row for row, label in enumerate(labels) if label.source_class]
    names, ra = table.text(found["id"]), table.angles(found["ra"], is_ra=True)
    dec = table.angles(found["dec"], is_ra=False)
    return LabelTable(
        [names[row] for row in kept], [labels[row] for row in kept], ra[kept], dec[kept],
        known, path,
    )  # fmt: skip


def _labels(
    table: TextTable, found: Mapping[str, str | None], columns: LabelColumns,
    rename: dict[str, str], known: Mapping[str, Reference],
) -> list[Label]:  # fmt: skip
    rename |= columns.rename
    xray = table.pick("use of X-ray data", columns.xray, ("used_xray",))
    said = [as_use(word, file=table.file) if word else "" for word in table.text(xray)]
    return [
        Label(rename.get(name, name), reference, use or judged(reference, known).used_xray)
        for name, reference, use in zip(
            table.text(found["class"]), table.text(found["reference"]), said, strict=True
        )
    ]


def match_labels(
    names: Sequence[Sequence[str]], ra_deg: Floats, dec_deg: Floats, table: LabelTable,
    radius_arcsec: float,
) -> list[Label | None]:  # fmt: skip
    """The label of each source: by one of its names, else of the nearest position within a radius.

    A source whose rows contradict each other has none; a warning says so.

    Parameters
    ----------
    names : sequence of n sequences of str
        The names of each source.
    ra_deg, dec_deg : array (n,)
        NaN where unknown.
    table : LabelTable
    radius_arcsec : float
    """
    by_name: dict[str, list[Label]] = {}
    for name, label in zip(table.names, table.labels, strict=True):
        if plain := plain_name(name):
            by_name.setdefault(plain, []).append(label)
    found: list[Label | None] = []
    contradicted = []
    open_rows = []
    for row, alternatives in enumerate(names):
        different = dict.fromkeys(plain_name(name) for name in alternatives)
        labels = [label for name in different for label in by_name.get(name, [])]
        classes = {label.source_class for label in labels}
        found.append(labels[0] if len(classes) == 1 else None)
        if len(classes) > 1:
            contradicted.append(alternatives[0])
        elif not classes and np.isfinite(ra_deg[row] + dec_deg[row]):
            open_rows.append(row)
    for row, label in _nearest(open_rows, ra_deg, dec_deg, table, radius_arcsec).items():
        found[row] = label
    if contradicted:
        warnings.warn(
            f"{table.file}: {len(contradicted)} sources have rows of different classes and stay "
            f"without a label, the first {contradicted[0]}",
            SurveyWarning,
            stacklevel=2,
        )
    return found


def _nearest(
    rows: list[int], ra_deg: Floats, dec_deg: Floats, table: LabelTable, radius_arcsec: float
) -> dict[int, Label]:
    with_position = np.flatnonzero(np.isfinite(table.ra_deg + table.dec_deg))
    if not rows or not len(with_position):
        return {}
    here = SkyCoord(ra_deg[rows] * u.deg, dec_deg[rows] * u.deg)
    there = SkyCoord(table.ra_deg[with_position] * u.deg, table.dec_deg[with_position] * u.deg)
    which, distance, _ = here.match_to_catalog_sky(there)
    out = {}
    for row, place, apart in zip(rows, np.atleast_1d(which), distance.arcsec, strict=True):
        if apart <= radius_arcsec:
            label = table.labels[with_position[int(place)]]
            out[row] = Label(label.source_class, label.reference, label.used_xray, "position")
    return out


def plain_name(name: str) -> str:
    """A name for comparison: without spaces, case, and the prefix of the catalog."""
    return re.sub(r"^2?CXOJ", "J", re.sub(r"\s+", "", name).upper())
