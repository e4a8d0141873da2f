"""Where labels come from, and whether X-ray data took part in them.

A class that was given because of the X-rays of a source is no independent judge of what X-ray
spectra tell. So every label keeps its reference, and scores are also given with the labels alone
whose references are known to have used no X-ray data.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from astropy.table import Table

from survey.errors import ConfigError
from survey.latents.run.text_table import read_text_table

USES = ("yes", "no", "partly", "unknown")

FIRST_XRAY_CATALOGUES = 1979
"""The first imaging X-ray telescope was launched at the end of 1978: earlier catalogues of stars,
galaxies and clusters did not know the X-rays of their members."""

_OTHER_WORDS = {"true": "yes", "1": "yes", "y": "yes", "false": "no", "0": "no", "n": "no"}


@dataclass(frozen=True)
class Reference:
    """What is known of one reference: `used_xray` is one of `USES`."""

    used_xray: str
    catalogue: str = ""
    why: str = ""


def known_references(own: Path | None = None) -> dict[str, Reference]:
    """References by name: those of the package, and those of a table of the user's own.

    Raises
    ------
    ConfigError
        If the table cannot be read, or says something else than yes, no, partly or unknown.
    """
    found = dict(_packaged())
    if own is not None:
        table = read_text_table(own)
        name = table.pick("reference", None, ("reference", "ref"), required=True)
        used = table.pick("use of X-ray data", None, ("used_xray", "xray"), required=True)
        for reference, word in zip(table.text(name), table.text(used), strict=True):
            found[reference] = Reference(as_use(word, file=own), "", f"by {own.name}")
    return found


def as_use(word: str, *, file: Path | None = None) -> str:
    """The one of `USES` that a word of a table means; "unknown" for an empty one.

    Raises
    ------
    ConfigError
        For any other word.
    """
    plain = _OTHER_WORDS.get(word.strip().lower(), word.strip().lower()) or "unknown"
    if plain not in USES:
        raise ConfigError(
            "whether X-ray data were used is not said", file=file,
            expected=", ".join(USES), found=repr(word),
        )  # fmt: skip
    return plain


def judged(reference: str, known: Mapping[str, Reference]) -> Reference:
    """What is known of a reference; of old bibcodes by their year."""
    if reference in known:
        return known[reference]
    year = re.match(r"(1[89]\d\d)[A-Za-z&]", reference)
    if year and int(year[1]) < FIRST_XRAY_CATALOGUES:
        return Reference("no", "", "from before there were X-ray catalogues")
    return Reference("unknown")


def provenance_rows(
    classes: Iterable[str], references: Iterable[str], uses: Iterable[str],
    known: Mapping[str, Reference],
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of the table `provenance`: for every class its references and their numbers of sources.

    Parameters
    ----------
    classes, references, uses : iterables of n str
        Of the labelled sources.
    known : mapping
        See `known_references`.
    """
    counted = Counter(zip(classes, references, uses, strict=True))
    rows = []
    for (name, reference, use), number in sorted(counted.items(), key=lambda one: one[0]):
        about = judged(reference, known)
        rows.append(
            {
                "class": name,
                "reference": reference,
                "catalogue": about.catalogue,
                "used_xray": use,
                "why": about.why if about.used_xray == use else "by the table of labels",
                "n_source": number,
            }
        )
    return rows


@cache
def _packaged() -> Mapping[str, Reference]:
    with as_file(files("survey.latents.xray") / "label_references.ecsv") as path:
        table = Table.read(path, format="ascii.ecsv")
    return {
        str(row["reference"]): Reference(
            str(row["used_xray"]), str(row["catalogue"]), str(row["why"])
        )
        for row in table
    }
