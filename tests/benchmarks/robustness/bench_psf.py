"""Does it help to subtract the point source, or to match the planes? Galaxies of known truth.

Two kinds of simulated galaxies, 12.4 to 16.4 micron of MIRI/MRS: `ringed`, the Seyfert galaxy with
a cone and clumps of the simulator, whose nucleus is 8 to 16 times as bright as the centre of the
disc; and `hidden`, in which it is 150 to 400 times as bright, as that of NGC 7469, and cone and
clumps are in its wings. The simulator's PSF is two Gaussians, not the Moffat profile that is fitted
by default; `star` is the way of a user who has observed a star. Each cube is run with every way of
`WAYS`, and compared with

- `whole`: the regions of the light as it is, the nucleus among them; a subtracted point source
  is the label of spaxels of which it has more than half;
- `host`: the regions of the light without the nucleus, in spaxels in which it has less than 90%;
- `hidden`: the same in those in which it has 30 to 90%,

by the adjusted Rand index over spaxels of one region (60% of the light) that the usual way
clusters; those that another leaves out are a cluster of their own there. Rows are added to a CSV;
what it has is left out.

    python -m tests.benchmarks.robustness.bench_psf [--seeds chosen|fresh] [--ways none match]
    python -m tests.benchmarks.robustness.bench_psf --table
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from astropy.io import fits

from catalogs.part_tables import read_part_table
from survey.config import build_settings
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.galaxy.target import Target
from survey.simulate.cube import simulate_galaxy
from survey.simulate.galaxy import Clump, Cone, GalaxyModel, PointSource, Region, Rotation
from survey.simulate.observation import Observation
from survey.simulate.recipes import DISC_MJY_SR, Parts, draw_galaxy
from survey.simulate.truth import MIXED_BELOW
from survey.simulate.write import truth_path
from survey.validation.agreement import adjusted_rand

SHAPE = (24, 24)
FIELD_ARCSEC = 0.2 * SHAPE[0]
WINDOW_UM = (12.4, 16.4)
SNR = (10.0, 20.0, 50.0, 100.0)
KINDS = ("ringed", "hidden")
FIRST = {"chosen": 0, "fresh": 100}
SEEDS_EACH = {"chosen": 2, "fresh": 4}
RESULTS = Path("bench") / "psf.csv"

STAR = "star"
"""Stands for the cube of a simulated star."""

WAYS: dict[str, dict[str, Any]] = {
    "none": {},
    "subtract": {"psf": "subtract"},
    "match": {"psf": "match"},
    "subtract, star": {"psf": "subtract", "psf_star": STAR},
    "match, star": {"psf": "match", "psf_star": STAR},
    "subtract, gaussian": {"psf": "subtract", "psf_profile": "gaussian"},
    "subtract to 0.9": {"psf": "subtract", "psf_max_share": 0.9},
    "subtract, star, to 0.5": {"psf": "subtract", "psf_star": STAR, "psf_max_share": 0.5},
    "subtract, star, to 0.9": {"psf": "subtract", "psf_star": STAR, "psf_max_share": 0.9},
}
USUAL = ("none", "subtract", "match", "subtract, star")
MEASURES = ("whole", "host", "hidden")


@dataclass(frozen=True)
class Regions:
    """Maps (y, x) of one galaxy: the region of most light, whether it has most of it, and so
    without the nucleus; and the share of the nucleus."""

    whole: np.ndarray
    whole_clear: np.ndarray
    host: np.ndarray
    host_clear: np.ndarray
    nucleus: np.ndarray

    @classmethod
    def read(cls, cube: Path) -> Regions:
        """Of a simulated cube."""
        with fits.open(truth_path(cube)) as hdus:
            of_component = hdus["COMPONENTS"].data["region"]
            fraction = hdus["FRACTION"].data.astype(float)
        kinds = np.unique(of_component)
        light = np.array([fraction[of_component == kind].sum(axis=0) for kind in kinds])
        host = np.where((kinds == Region.AGN)[:, None, None], 0.0, light)
        host /= host.sum(axis=0)
        return cls(
            light.argmax(axis=0),
            light.max(axis=0) >= MIXED_BELOW,
            host.argmax(axis=0),
            host.max(axis=0) >= MIXED_BELOW,
            light[list(kinds).index(Region.AGN)],
        )


def cases(seeds: str) -> Iterator[tuple[str, int, float]]:
    """Kind, seed and S/N."""
    for seed in range(FIRST[seeds], FIRST[seeds] + SEEDS_EACH[seeds]):
        for snr in SNR:
            for kind in KINDS:
                yield kind, seed, snr


def galaxy_model(kind: str, seed: int) -> GalaxyModel:
    """The galaxy of a kind and a seed, the same at every S/N."""
    rng = np.random.default_rng([seed, 15])
    if kind == "ringed":
        return draw_galaxy(f"ringed-{seed}", "ringed-seyfert", rng, field_arcsec=FIELD_ARCSEC)
    parts = Parts(rng, FIELD_ARCSEC, diverse=False)
    nucleus = parts.nucleus("seyfert", low=150, high=400)
    cone = Cone(
        parts.spectrum("cone"),
        DISC_MJY_SR * rng.uniform(6, 10),
        rng.uniform(0, 360),
        rng.uniform(45, 70),
        rng.uniform(0.9, 1.3),
        rng.uniform(100, 300),
        rng.uniform(120, 180),
    )
    spectrum, first, count = parts.spectrum("clump"), rng.uniform(0, 2 * np.pi), 3
    clumps = []
    for k in range(count):
        angle = first + 2 * np.pi * (k + rng.uniform(-0.2, 0.2)) / count
        radius = rng.uniform(0.8, 1.4)
        clumps.append(
            Clump(
                spectrum,
                DISC_MJY_SR * rng.uniform(5, 10),
                radius * np.sin(angle),
                radius * np.cos(angle),
                rng.uniform(0.5, 0.8),
                40.0,
            )
        )
    return GalaxyModel(
        f"hidden-{seed}",
        round(rng.uniform(0.003, 0.02), 6),
        10.0,
        10.0,
        Rotation(rng.uniform(0, 360), rng.uniform(30, 55), rng.uniform(150, 250), 0.3),
        (nucleus, parts.disc(), cone, *clumps),
    )


def simulate_star(path: Path) -> Path:
    """A bright star that is alone in its field."""
    rng = np.random.default_rng(15)
    source = PointSource(Parts(rng, FIELD_ARCSEC, diverse=False).spectrum("old_disc"), 0.5, 50.0)
    model = GalaxyModel("star", 0.0, 20.0, 20.0, Rotation(0.0, 30.0, 0.0, 0.3), (source,))
    # The median over the field, most of which is faint wings.
    observation = Observation(
        shape=(40, 40), window=WINDOW_UM, snr=3.0, pointing_offset_arcsec=(0.03, 0.06)
    )
    return simulate_galaxy(model, path, 15, observation=observation)


def measure(
    kind: str, seed: int, snr: float, ways: Sequence[str], folder: Path, star: Path
) -> pd.DataFrame:
    """The rows of one cube, one for every way."""
    model = galaxy_model(kind, seed)
    observation = Observation(shape=SHAPE, window=WINDOW_UM, snr=snr)
    cube = simulate_galaxy(model, folder / "cube_s3d.fits", seed, observation=observation)
    truth = Regions.read(cube)
    target = Target(model.name, (cube,), model.redshift, model.ra_deg, model.dec_deg)
    found, shares, rows = {}, {}, []
    for way in ways:
        prepare = dict(WAYS[way])
        if prepare.get("psf_star") == STAR:
            prepare["psf_star"] = [str(star)]
        galaxy = GalaxyRunner(target, build_settings({"prepare": prepare}), folder / "run")
        start = time.process_time()
        part = galaxy.result()
        seconds = time.process_time() - start
        spaxels = read_part_table(part, "spaxels").to_pandas()
        labels = np.zeros(SHAPE, int)
        labels[spaxels["y"], spaxels["x"]] = spaxels["cluster"]
        share = np.full(SHAPE, np.nan)
        share[spaxels["y"], spaxels["x"]] = spaxels["psf_share"]
        found[way] = labels
        shares[way] = share
        error = np.nanmedian((share - truth.nucleus)[truth.nucleus > 0.1])
        rows.append({"way": way, "k": labels.max(), "share_error": error, "cpu_s": seconds})
    seen = found["none"] > 0
    for row in rows:
        labels = found[row["way"]] + 1  # not clustered is a cluster of its own
        for name in MEASURES:
            chosen = seen & (truth.whole_clear if name == "whole" else truth.host_clear)
            if name != "whole":
                chosen &= truth.nucleus < 0.9
            if name == "hidden":
                chosen &= truth.nucleus > 0.3
            region = truth.whole if name == "whole" else truth.host
            given = labels
            if name == "whole" and WAYS[row["way"]].get("psf") == "subtract":
                given = np.where(shares[row["way"]] > 0.5, labels.max(), labels)
            row[name] = adjusted_rand(given[chosen], region[chosen] + 1)
            row[f"n_{name}"] = int(chosen.sum())
            row[f"regions_{name}"] = len(np.unique(region[chosen]))
    return pd.DataFrame(rows)


def print_table(table: pd.DataFrame) -> None:
    """Means over galaxies, and mean differences to `none` with their standard errors."""
    key = ["kind", "seed", "snr"]
    base = table[table["way"] == "none"].set_index(key)
    for (seeds, kind), of_kind in table.groupby(["seeds", "kind"]):
        for way, rows in of_kind.groupby("way", sort=False):
            rows = rows.set_index(key)
            cells = [f"{seeds:7s} {kind:7s} {way:20s}"]
            for name in MEASURES:
                gain = (rows[name] - base[name].reindex(rows.index)).dropna()
                error = gain.std() / np.sqrt(max(len(gain), 1))
                cells.append(
                    f"{name} {rows[name].mean():.2f} ({gain.mean():+.2f} ± {error:.2f}, "
                    f"n {len(gain)})"
                )
            cells.append(f"k {rows['k'].mean():.1f}, share error {rows['share_error'].mean():+.3f}")
            print("; ".join(cells))
    wide = table.pivot_table(index=["seeds", "kind", "snr"], columns="way", values=list(MEASURES))
    print(wide.round(2).to_string())


def main() -> None:
    """Add what is missing to the CSV, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", choices=FIRST, default="chosen")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=USUAL)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    if given.table:
        print_table(pd.read_csv(given.out))
        return
    given.out.parent.mkdir(parents=True, exist_ok=True)
    known = pd.read_csv(given.out) if given.out.exists() else pd.DataFrame({"case": [], "way": []})
    done = set(zip(known["case"], known["way"], strict=True))
    star = given.out.parent / "psf_star_s3d.fits"
    if not star.exists():
        simulate_star(star)
    for kind, seed, snr in cases(given.seeds):
        case = f"{kind}-{seed}-{snr:g}"
        missing = [way for way in given.ways if (case, way) not in done]
        if not missing:
            continue
        missing = ["none", *(way for way in missing if way != "none")]
        start = time.time()
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows = measure(kind, seed, snr, missing, Path(folder), star)
        if (case, "none") in done:
            rows = rows[rows["way"] != "none"]
        facts = {"seeds": given.seeds, "case": case, "kind": kind, "seed": seed, "snr": snr}
        for column, value in reversed(facts.items()):
            rows.insert(0, column, value)
        rows.to_csv(given.out, mode="a", header=not given.out.exists(), index=False)
        print(case, f"{time.time() - start:.0f} s", flush=True)
        print(rows.drop(columns=list(facts)).round(2).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
