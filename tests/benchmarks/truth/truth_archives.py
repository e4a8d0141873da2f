"""Simulated archives for classifications: clusters with their truth, kept for the next time.

An archive is simulated, clustered by the default cut, and measured. Only its table of clusters is
kept, in the folder `bench/classes`, so that other recipes for classes cost seconds. It holds for
the code that made it (see `kept.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from catalogs import open_catalog
from survey.classes.labelling.labels import label_clusters
from survey.classes.labelling.regions import LabelRegion
from survey.classes.types import UNLABELLED
from survey.config import ClassSettings, load_settings
from survey.engine.cluster import Cluster
from survey.pipeline.classification.labels import label_rows, read_labels
from survey.pipeline.classification.sample import light_of
from survey.pipeline.run.survey import run_survey
from survey.pipeline.run.targets import read_targets
from survey.simulate import simulate_archive
from survey.simulate.archive import PlannedGalaxy, plan_archive
from survey.simulate.galaxy import Clump, Cone, GalaxyModel, PointSource
from survey.simulate.labels import read_class_shares, true_classes
from survey.simulate.observation import Observation
from survey.simulate.write import truth_path
from tests.benchmarks.kept import code_of

ARCHIVE = "gatos-like"
SIZE = (30, 30)
CLASSES = ClassSettings().classes
SETTINGS: dict[str, Any] = {
    "engine": {"keep_stores": False},
    "report": {"figures": False},
}

STAGES = ("read", "prepare", "distances", "tree", "cut", "profiles", "features", "commit")
BENCHMARK = 1
"""Raised when galaxies or what is kept of them change."""

CIRCLE_ARCSEC = 0.4
"""Radius of a circle as people draw it on a nucleus or a knot."""

ALONG_CONE = 0.5
"""Where on the axis of a cone or jet the circle is drawn, in lengths."""


@dataclass(frozen=True)
class Archive:
    """The clusters of one archive, and what becomes of circles on its parts.

    Attributes
    ----------
    name : str
        Of what is kept, see `name_of`.
    clusters : DataFrame
        Rows of the table `clusters` with `truth` (a position in `CLASSES`), `purity`, `label` by
        regions where one class has most of the light, `circle_label` by circles,
        `labelled_galaxy`, `light` by end-members (see `survey.classes.shares`) and `true_share`,
        a number for each class.
    circles : DataFrame
        For every circle in a galaxy with labels: `kind`, `mostly` (labels a cluster because it
        covers more than half), `labels` (labels one at all) and `right`.
    """

    name: str
    clusters: pd.DataFrame
    circles: pd.DataFrame


def archive_of(
    seed: int, cache: Path, cluster: Callable[[], Cluster] | None, window: str = "ch3"
) -> Archive | None:
    """The archive of a seed, from the cache if it is there; `cluster` is called if not.

    Parameters
    ----------
    seed : int
    cache : path
        Folder of the tables that are kept.
    cluster : callable, optional
        Gives the workers. Without any, what is not kept is None.
    window : str
        What is observed, as of `Observation`.
    """
    code = code_of(STAGES, BENCHMARK)
    name = name_of(seed, window)
    files = [cache / f"{table}-{name}.parquet" for table in ("clusters", "circles")]
    if all(file.exists() for file in files):
        kept = Archive(name, *map(pd.read_parquet, files))
        if kept.clusters.attrs.get("code") == code:
            return kept
    if cluster is None:
        return None
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = _simulated(Path(folder), seed, cluster(), window)
    for file, frame in zip(files, (made.clusters, made.circles), strict=True):
        frame.attrs["code"] = code
        frame.to_parquet(file)
    return made


def name_of(seed: int, window: str) -> str:
    """Of what is kept, as `003` or `ch4-003`."""
    return f"{seed:03d}" if window == "ch3" else f"{window}-{seed:03d}"


def _simulated(folder: Path, seed: int, cluster: Cluster, window: str) -> Archive:
    simulate_archive(folder, archive=ARCHIVE, seed=seed, size=SIZE, window=window)
    settings = load_settings(folder / "survey.toml", SETTINGS)
    run_survey(folder / "run", read_targets(folder / "targets.ecsv"), settings, cluster)
    catalog = open_catalog(folder / "run")
    return archive_from(folder, seed, catalog.clusters, catalog.spaxels, window)


def archive_from(
    folder: Path,
    seed: int,
    clusters: pd.DataFrame,
    spaxels: Callable[[str], pd.DataFrame],
    window: str = "ch3",
) -> Archive:
    """An archive from its tables and the truth in its folder."""
    observation = Observation(shape=SIZE, window=window)
    plans = plan_archive(folder, archive=ARCHIVE, seed=seed, observation=observation)
    labels, settings = read_labels(folder / "labels.ecsv"), ClassSettings()
    frames, circles = [], []
    for plan in plans:
        name = plan.model.name
        rows = clusters[clusters["galaxy"] == name].sort_values("cluster", ignore_index=True)
        places = spaxels(name)
        given = label_rows(labels, rows, places, settings).reset_index(drop=True)
        truth = _truth(plan, places)
        more = truth.reset_index(drop=True).assign(
            labelled_galaxy=plan.labelled,
            circle_label=UNLABELLED,
            light=light_of(places, len(rows)),
            true_share=_true_shares(plan, places),
        )
        if plan.labelled:
            drawn = list(circles_on(plan.model))
            found = _labelled(places, [region for _, region in drawn])
            more["circle_label"] = found.labels
            right = dict(zip(found.clusters, truth["truth"], strict=True))
            circles += [_fate(kind, region, places, right) for kind, region in drawn]
        frames.append(pd.concat([rows, given, more], axis=1))
    found = pd.concat(frames, ignore_index=True)
    return Archive(name_of(seed, window), found, pd.DataFrame(circles))


def circles_on(model: GalaxyModel) -> Iterator[tuple[str, LabelRegion]]:
    """Circles on the nucleus, the knots, and both sides of cones and jets of a galaxy."""
    for part in model.components:
        places = [(0.0, 0.0)]
        if isinstance(part, Clump):
            places = [(part.east_arcsec, part.north_arcsec)]
        elif isinstance(part, Cone):
            angle = np.deg2rad(part.position_angle_deg)
            reach = ALONG_CONE * part.length_arcsec
            places = [
                (side * reach * np.sin(angle), side * reach * np.cos(angle)) for side in (1, -1)
            ]
        elif not isinstance(part, PointSource):
            continue
        for east, north in places:
            at_centre = np.hypot(east, north) < CIRCLE_ARCSEC
            kind = "nucleus" if at_centre else "knot" if isinstance(part, Clump) else "cone"
            ra = model.ra_deg + east / 3600 / np.cos(np.deg2rad(model.dec_deg))
            yield (
                kind,
                LabelRegion(
                    part.spectrum.class_name, (ra,), (model.dec_deg + north / 3600,), CIRCLE_ARCSEC
                ),
            )


def _labelled(places: pd.DataFrame, regions: Sequence[LabelRegion]) -> Any:
    return label_clusters(
        places["cluster"].to_numpy(int),
        places["ra"].to_numpy(float),
        places["dec"].to_numpy(float),
        galaxy="",
        regions=regions,
        classes=CLASSES,
        min_fraction=ClassSettings().min_fraction,
    )


def _fate(
    kind: str, region: LabelRegion, places: pd.DataFrame, truth: dict[int, int]
) -> dict[str, Any]:
    """What one circle alone does."""
    found = _labelled(places, [region])
    named = found.clusters[found.labels != UNLABELLED]
    own = CLASSES.index(region.class_name)
    return {
        "kind": kind,
        "mostly": bool(set(named) - set(found.partly)),
        "labels": bool(len(named)),
        "right": bool(len(named)) and all(truth[number] == own for number in named),
    }


def _true_shares(plan: PlannedGalaxy, places: pd.DataFrame) -> list[list[float]]:
    """True shares of the classes in the light of every cluster."""
    found = read_class_shares(truth_path(plan.path))
    inside = places[places["cluster"] > 0]
    light = np.zeros((len(inside), len(CLASSES)))
    for name, share in zip(found.classes, found.shares, strict=True):
        light[:, CLASSES.index(name)] = share[inside["y"], inside["x"]] * inside["scale"]
    total = pd.DataFrame(light).groupby(inside["cluster"].to_numpy()).sum().to_numpy()
    return (total / total.sum(axis=1, keepdims=True)).tolist()


def _truth(plan: PlannedGalaxy, places: pd.DataFrame) -> pd.DataFrame:
    y, x, cluster = (places[name].to_numpy(int) for name in ("y", "x", "cluster"))
    found = true_classes(truth_path(plan.path), cluster, y, x)
    return pd.DataFrame(
        {
            "truth": [CLASSES.index(name) for name in found.names],
            "purity": found.purity,
        },
        index=found.clusters,
    )
