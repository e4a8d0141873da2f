"""Integrity checks of a published catalog: claims that hold, or what was found instead.

Large tables are read a row group at a time and only by their keys, so that memory grows with
the number of clusters and not with the number of spaxels.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs.durable import find_damage
from catalogs.errors import CatalogError
from catalogs.query import Catalog, open_catalog
from catalogs.repair import foreign_file
from catalogs.schema import arrow_schema, declared_tables
from catalogs.versions import Manifest


@dataclass(frozen=True)
class Check:
    """One row of the result: the claim, whether it holds, if not what was found, what to do."""

    check: str
    ok: bool
    detail: str = ""
    advice: str = ""


def verify(run: str | Path, *, advice: str = "") -> list[Check]:
    """Check a catalog, from its files to the sums over its rows.

    Parameters
    ----------
    run : str or Path
        The run directory, or the folder of a catalog itself.
    advice : str
        What to do if a claim does not hold.

    Returns
    -------
    list of Check
        One row per claim. Rows are only looked at when the files are what they should be.

    Raises
    ------
    CatalogError
        If there is no catalog.
    """
    catalog = open_catalog(run)
    results = [_check(claim, find, catalog, advice) for claim, find in FILE_CHECKS.items()]
    if all(result.ok for result in results):
        results += [_check(claim, find, catalog, advice) for claim, find in ROW_CHECKS.items()]
    return results


def _check(
    claim: str, find: Callable[[Catalog], str | None], catalog: Catalog, advice: str
) -> Check:
    try:
        found = find(catalog)
    except (CatalogError, OSError, pa.ArrowException) as error:
        found = str(error)
    return Check(claim, True) if found is None else Check(claim, False, found, advice)


# Each of the following says what contradicts its claim, or None.


def _wrong_files(catalog: Catalog) -> str | None:
    manifest = Manifest.read(catalog.folder)
    foreign = foreign_file(catalog.folder, manifest)
    return foreign or find_damage(catalog.folder, manifest.files, full=True)


def _wrong_schema(catalog: Catalog) -> str | None:
    vocabulary = Manifest.read(catalog.folder).vocabulary
    for table in declared_tables():
        declared = arrow_schema(table, vocabulary=vocabulary)
        for file in catalog.files(table):
            found = pq.read_schema(file)
            if found.names != declared.names:
                odd = sorted(set(found.names) ^ set(declared.names))
                return f"{file.name}: columns that differ: {', '.join(odd) or 'their order'}"
            for field, other in zip(declared, found, strict=True):
                if not field.equals(other, check_metadata=True):
                    return f"{file.name}: column {field.name} is {other} or described otherwise"
    return None


def _repeated_keys(catalog: Catalog) -> str | None:
    for table, declaration in declared_tables().items():
        for frame in _row_groups(catalog, table, declaration.key):
            repeated = frame[frame.duplicated()]
            if len(repeated):
                return f"{table}: {_text(tuple(repeated.iloc[0]))} occurs more than once"
    return None


def _wrong_order(catalog: Catalog) -> str | None:
    for table in (name for name, declaration in declared_tables().items() if declaration.by_galaxy):
        last = ""
        for frame in _row_groups(catalog, table, ("galaxy",)):
            galaxies = frame["galaxy"]
            # Strictly larger: a galaxy in two row groups would hide repeated keys.
            if not (galaxies.is_monotonic_increasing and galaxies.iloc[0] > last):
                return f"{table}: after galaxy {last!r} comes {galaxies.iloc[0]!r}"
            last = galaxies.iloc[-1]
    return None


def _unknown_galaxies(catalog: Catalog) -> str | None:
    known = set(catalog.galaxies["galaxy"])
    for table in ("clusters", "measurements", "parts", "splits", "spaxels", "spectra"):
        for frame in _row_groups(catalog, table, ("galaxy",)):
            unknown = set(frame["galaxy"]) - known
            if unknown:
                return f"{table}: {min(unknown)!r} is not in galaxies"
    return None


def _unknown_clusters(catalog: Catalog) -> str | None:
    known = set(_cluster_keys(catalog.clusters))
    spectra = {
        key
        for frame in _row_groups(catalog, "spectra", ("galaxy", "cluster"))
        for key in _cluster_keys(frame)
    }
    if spectra != known:
        return f"in one of clusters and spectra only: {_text(min(spectra ^ known))}"
    for frame in _row_groups(catalog, "measurements", ("galaxy", "cluster")):
        unknown = set(_cluster_keys(frame)) - known
        if unknown:
            return f"measurements: {_text(min(unknown))} is not in clusters"
    unknown = set(_spaxel_counts(catalog).index) - known
    return f"spaxels: {_text(min(unknown))} is not in clusters" if unknown else None


def _wrong_counts(catalog: Catalog) -> str | None:
    spaxels = _spaxel_counts(catalog)
    galaxies = catalog.galaxies.set_index("galaxy")
    clusters = catalog.clusters.set_index(["galaxy", "cluster"])
    counted = {
        "n_spaxel of clusters": (clusters["n_spaxel"], spaxels),
        "n_spaxel of galaxies": (galaxies["n_spaxel"], spaxels.groupby(level="galaxy").sum()),
        "n_cluster of galaxies": (galaxies["n_cluster"], clusters.groupby(level="galaxy").size()),
    }
    for name, (stated, found) in counted.items():
        found = found.reindex(stated.index, fill_value=0)
        wrong = stated[stated != found]
        if len(wrong):
            key = wrong.index[0]
            return f"{name}: {wrong[key]} of {_text(key)}, but {found[key]} rows"
    return None


def _wrong_parts(catalog: Catalog) -> str | None:
    """Parts are compared with the spaxels that name them, a row group at a time."""
    key = ["galaxy", "cluster", "part"]
    stated = _joined(
        frame.set_index(key)["n_spaxel"]
        for frame in _row_groups(catalog, "parts", (*key, "n_spaxel"))
    )
    counts = []
    for frame in _row_groups(catalog, "spaxels", ("galaxy", "cluster", "part")):
        clustered = frame[frame["cluster"] > 0]
        if clustered["part"].isna().any():
            row = clustered[clustered["part"].isna()].iloc[0]
            return f"spaxels: one of {row['galaxy']} / {row['cluster']} has no part"
        if frame.loc[frame["cluster"] == 0, "part"].notna().any():
            return f"spaxels: one of {frame['galaxy'].iloc[0]} has a part and no cluster"
        counts.append(clustered.astype({"part": int}).groupby(key).size())
    found = _joined(iter(counts))
    if set(stated.index) != set(found.index):
        return (
            f"in one of parts and spaxels only: {_text(min(set(stated.index) ^ set(found.index)))}"
        )
    wrong = stated[stated != found.reindex(stated.index)]
    if len(wrong):
        place = wrong.index[0]
        return f"n_spaxel of parts: {wrong.iloc[0]} of {_text(place)}, but {found[place]} rows"
    return None


def _joined(counts: Iterator[pd.Series[int]]) -> pd.Series[int]:
    """Numbers by galaxy, cluster and part of all row groups."""
    names = ["galaxy", "cluster", "part"]
    empty = pd.Series(dtype=int, index=pd.MultiIndex.from_arrays([[], [], []], names=names))
    known = list(counts)
    return pd.concat(known) if known else empty


def _ragged_spectra(catalog: Catalog) -> str | None:
    lists = [field.name for field in arrow_schema("spectra") if pa.types.is_list(field.type)]
    for file in catalog.files("spectra"):
        parquet = pq.ParquetFile(file)
        for number in range(parquet.num_row_groups):
            group = parquet.read_row_group(number, columns=lists)
            lengths = pc.list_value_length(group["wavelength_um"])
            for name in lists:
                other = pc.not_equal(pc.list_value_length(group[name]), lengths)
                if pc.any(other).as_py():  # A spectrum that is missing is not compared.
                    return f"{file.name}: {name} is not as long as wavelength_um"
    return None


def _both_good_and_bad(catalog: Catalog) -> str | None:
    both = set(catalog.galaxies["galaxy"]) & set(catalog.quarantine["galaxy"])
    return f"{min(both)!r} is in both" if both else None


FILE_CHECKS: dict[str, Callable[[Catalog], str | None]] = {
    "files are as the manifest says": _wrong_files,
    "columns are as declared": _wrong_schema,
}
ROW_CHECKS: dict[str, Callable[[Catalog], str | None]] = {
    "keys identify rows": _repeated_keys,
    "rows are in order of galaxy": _wrong_order,
    "galaxies of all tables are known": _unknown_galaxies,
    "clusters of spaxels and spectra are known": _unknown_clusters,
    "numbers of spaxels and clusters add up": _wrong_counts,
    "parts of clusters are those of their spaxels": _wrong_parts,
    "spectra are as long as their wavelengths": _ragged_spectra,
    "no galaxy is also in quarantine": _both_good_and_bad,
}


def _row_groups(catalog: Catalog, table: str, columns: tuple[str, ...]) -> Iterator[pd.DataFrame]:
    """Some columns of a table, one row group after the other; empty ones are left out."""
    for file in catalog.files(table):
        parquet = pq.ParquetFile(file)
        for number in range(parquet.num_row_groups):
            group = parquet.read_row_group(number, columns=list(columns))
            if len(group):
                yield group.to_pandas()


def _text(key: Hashable) -> str:
    return " / ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _cluster_keys(frame: pd.DataFrame) -> Iterator[tuple[str, int]]:
    return zip(frame["galaxy"], frame["cluster"], strict=True)


def _spaxel_counts(catalog: Catalog) -> pd.Series[int]:
    """Number of clustered spaxels by galaxy and cluster."""
    key = ["galaxy", "cluster"]
    counts = [
        frame[frame["cluster"] > 0].groupby(key).size()
        for frame in _row_groups(catalog, "spaxels", ("galaxy", "cluster"))
    ]
    empty = pd.Series(dtype=int, index=pd.MultiIndex.from_arrays([[], []], names=key))
    return pd.concat(counts) if counts else empty
