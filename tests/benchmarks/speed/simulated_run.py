"""A run directory full of clusters whose classes are known: real parts, a real catalog.

Clusters are those of `tests.classes.simulated`, each of one spaxel. What classification does
not read is as short as the schema allows.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from astropy.table import Table

from catalogs.part_tables import write_part_table
from catalogs.parts import PartStore
from catalogs.publish import PART_TABLES, publish
from catalogs.schema import arrow_schema, to_arrow
from survey.classes.ratios import FeatureFluxes
from survey.classes.sample import LabelledSample
from survey.classes.types import UNLABELLED
from survey.config import Settings, fingerprint
from survey.pipeline.classification.sample import SAMPLE_FILE, USED_FILE, Used
from survey.pipeline.run.survey import write_run_record
from tests.classes.simulated import CLASSES, simulated_sample

SPACING_DEG = 0.02
"""Between galaxies, and a hundredth of it between the spaxels of one."""

GALAXY_ROW = {
    "instrument": "simulated",
    "files": "stand_in.fits",
    "content_hash": "",
    "part_key": "",
    "flux_unit": "MJy/sr",
    "wavelength_min_um": 11.55,
    "wavelength_max_um": 17.98,
    "shape_y": 1,
    "flags": 0,
}


@dataclass(frozen=True)
class SimulatedRun:
    """A run, its table of labels, and the true classes (N,) in the order of the catalog."""

    root: Path
    labels: Path
    truth: np.ndarray


def write_run(
    folder: Path, clusters: int, per_galaxy: int, *, labelled_fraction: float, **options: float
) -> SimulatedRun:
    """Commit a part for every galaxy, publish them, and write circles round labelled clusters."""
    root, labels = folder / "run", folder / "labels.ecsv"
    labelled, truth = simulated_sample(
        clusters=clusters,
        galaxies=clusters // per_galaxy,
        labelled_fraction=labelled_fraction,
        **options,
    )
    rows = sample_frame(labelled)
    order = np.argsort(labelled.sample.galaxy, kind="stable")
    rows, truth, given = rows.iloc[order], truth[order], labelled.labels[order]
    number = labelled.sample.galaxy[order]
    rows["ra"] = (number % 10_000) * SPACING_DEG
    rows["dec"] = (number // 10_000 + 0.01 * rows["cluster"]) * SPACING_DEG

    tables = _tables(rows)
    store, starts = PartStore(root), range(0, clusters, per_galaxy)
    parts = [_commit(store, tables, start, per_galaxy) for start in starts]
    publish(root, parts)
    write_run_record(root, Settings())

    told = given != UNLABELLED
    circles = rows.loc[told, ["galaxy", "ra", "dec"]].assign(
        radius=0.5, **{"class": np.array(CLASSES)[given[told]]}
    )
    Table.from_pandas(circles).write(labels, format="ascii.ecsv")
    return SimulatedRun(root, labels, truth)


def write_sample_of(folder: Path, labelled: LabelledSample) -> None:
    """Write a sample, labels included, as `write_sample` does."""
    rows = sample_frame(labelled).assign(
        label=labelled.labels, coverage=1.0, partly=False, conflict=False
    )
    rows.to_parquet(folder / SAMPLE_FILE)
    used = Used(labelled.sample.ratios)
    (folder / USED_FILE).write_text(json.dumps(asdict(used)), encoding="utf-8")


def sample_frame(labelled: LabelledSample) -> pd.DataFrame:
    """The columns of the table `clusters` that classification reads."""
    sample = labelled.sample
    galaxy = pd.Series(sample.galaxy)
    frame = pd.DataFrame(
        {
            "galaxy": galaxy.map("G{:05d}".format),
            "cluster": galaxy.groupby(galaxy).cumcount() + 1,
            "nuclear": False,
            "slope_alpha": sample.slope,
            "slope_alpha_err": sample.slope_error,
        }
    )
    return frame.join(_flux_frame(sample.fluxes))


def _flux_frame(fluxes: FeatureFluxes) -> pd.DataFrame:
    values = {
        "flux": fluxes.flux,
        "err": fluxes.error,
        "detected": fluxes.detected,
        "limit": fluxes.limit,
    }
    return pd.DataFrame(
        {
            f"{kind}_{feature}": column
            for kind, array in values.items()
            for feature, column in zip(fluxes.features, array.T, strict=True)
        }
    )


def _tables(rows: pd.DataFrame) -> dict[str, pa.Table]:
    """All tables, in the order of galaxies and clusters."""
    key = rows[["galaxy", "cluster"]]
    of_galaxy = rows.groupby("galaxy", sort=False)["cluster"].size()
    spectrum = {"wavelength_um": [12.0, 17.0], "median": [1.0, 1.0], "flux_unit": "MJy/sr"}
    frames = {
        "galaxies": pd.DataFrame(
            [GALAXY_ROW | {"galaxy": name, "n_spaxel": n, "n_cluster": n, "shape_x": n}
             for name, n in of_galaxy.items()]
        ),
        "clusters": rows.assign(n_spaxel=1, low_snr=False, flags=0),
        "measurements": key.iloc[:0].assign(feature="", kind="", wavelength_um=0.0),
        "spaxels": key.assign(
            y=0, x=rows["cluster"] - 1, ra=rows["ra"], dec=rows["dec"], flags=0
        ),
        "spectra": key.assign(**{name: [value] * len(key) for name, value in spectrum.items()}),
    }  # fmt: skip
    empty = {name: arrow_schema(name).empty_table() for name in PART_TABLES}
    return empty | {name: to_arrow(name, frame) for name, frame in frames.items()}


def _commit(store: PartStore, tables: dict[str, pa.Table], start: int, n: int) -> Path:
    """The part of the galaxy whose first cluster is in row `start`."""
    name = tables["clusters"]["galaxy"][start].as_py()

    def write(folder: Path) -> None:
        for table, rows in tables.items():
            start_row, count = (start // n, 1) if table == "galaxies" else (start, n)
            of_galaxy = rows.slice(start_row, count if len(rows) else 0)
            write_part_table(folder, table, of_galaxy)

    return store.commit(name, "commit", fingerprint(name, start), write).path
