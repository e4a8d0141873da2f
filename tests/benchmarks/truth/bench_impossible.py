"""What impossible voxels and holes do to a partition; what masking finds, touches and costs.

Observed cubes in ../shared/data get hot voxels and lines of unresolved sources of known place;
simulated galaxies get hot voxels, and holes of zeros that are flagged or not. Thresholds of
`survey.spectra.impossible` were chosen with the random seed 0, the default; 1000 confirms.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.special import erf
from sklearn.metrics import adjusted_rand_score

from survey.clustering.criteria import partition
from survey.config import PrepareSettings, ReadSettings
from survey.cubes.registry import read_cube
from survey.distances.distances import shifted_distances
from survey.linkage.fastcluster import linkage_tree
from survey.simulate.archive import simulate_archive
from survey.simulate.write import truth_path
from survey.spectra.constants import FWHM_PER_SIGMA
from survey.spectra.impossible import Neighbours, SpaxelGrid, impossible_voxels
from survey.spectra.noise import spectral_noise
from survey.spectra.prepare import Prepared, prepare

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"
OBSERVED = (
    "mrs/NGC7469_Level3_ch4-short_s3d.fits.gz",
    "mrs/NGC7469_Level3_ch4-long_s3d.fits.gz",
    "mrs/16CygB_Level3_ch4-short_s3d.fits.gz",
    "muse/A478_minicube.fits.gz",
    "sami/209807_A_sectors_red.fits.gz",
)
HOT_SIGMA = (30.0, 100.0, 300.0, 1e5, 1e30)
WIDTHS = ((2.5, 1.7), (1.5, 1.5), (1.0, 1.5), (1.5, 1.0), (1.0, 1.0), (0.6, 2.2), (0.0, 2.2))
"""FWHM of PSF (spaxels; 0 for none) and line (planes)."""

LINES, HOT, GALAXIES = 40, 200, 6
MIN_SAMPLES_TIMED = 4_000_000


class Table:
    """Flux, error and mask of the spaxels of a cube, with their places."""

    def __init__(self, path: Path) -> None:
        cube = read_cube(path, ReadSettings())
        bad = cube["bad"].values
        self.y, self.x = np.nonzero(bad.mean(axis=0) < 0.3)
        self.flux, self.error, self.bad = (
            np.ascontiguousarray(cube[name].values[:, self.y, self.x].T)
            for name in ("flux", "error", "bad")
        )
        self.wavelength_um = cube["wavelength"].values
        self.redshift = float(np.nan_to_num(cube.attrs["redshift"]))
        self.noise = spectral_noise(self.flux, ~self.bad)

    def impossible(self, flux: np.ndarray) -> set[tuple[int, int]]:
        """Rows and planes."""
        beside = Neighbours(SpaxelGrid(self.y, self.x), flux, self.bad, 0, flux, self.bad)
        found = impossible_voxels(flux, self.bad, slice(0, len(flux)), beside)
        return set(zip(*(index.tolist() for index in found), strict=True))

    def voxels(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Some good ones, each once."""
        chosen = rng.choice(np.flatnonzero(~self.bad), count, replace=False)
        return np.unravel_index(chosen, self.bad.shape)

    def with_line(
        self, row: int, plane: int, widths: tuple[float, float], rng: np.random.Generator
    ) -> np.ndarray:
        """The flux with a line of 100 sigma of an unresolved source."""
        dy, dx, dk = rng.uniform(-0.5, 0.5, 3) * (widths[0] > 0)
        image = _sampled(self.y - self.y[row] - dy, widths[0])
        image *= _sampled(self.x - self.x[row] - dx, widths[0])
        profile = _sampled(np.arange(self.flux.shape[1]) - plane - dk, widths[1])
        line = np.outer(image / image.max(), profile / profile.max())
        return (self.flux + 100 * self.noise[row] * line).astype(np.float32)


def _sampled(distance: np.ndarray, fwhm: float) -> np.ndarray:
    if not fwhm:
        return (np.rint(distance) == 0).astype(float)
    edges = np.array([distance - 0.5, distance + 0.5]) * FWHM_PER_SIGMA / fwhm / np.sqrt(2)
    return np.diff(erf(edges), axis=0)[0]


def observed(seed: int) -> None:
    """Found among injected hot voxels, and injected lines of which a voxel was masked."""
    print("observed cube: voxels masked as it is; share of hot voxels found at", *HOT_SIGMA)
    print(f"  lines of 100 sigma touched, of {LINES} each, PSF and line FWHM", *WIDTHS)
    for name in OBSERVED:
        table, rng = Table(SHARED / name), np.random.default_rng(seed)
        before = table.impossible(table.flux)
        shares = []
        for sigma in HOT_SIGMA:
            rows, planes = table.voxels(HOT, rng)
            flux = table.flux.copy()
            flux[rows, planes] += np.float32(1e30) if sigma == 1e30 else sigma * table.noise[rows]
            wanted = set(zip(rows.tolist(), planes.tolist(), strict=True))
            shares.append(len(table.impossible(flux) & wanted) / len(wanted))
        touched = [
            sum(
                bool(table.impossible(table.with_line(row, plane, widths, rng)) - before)
                for row, plane in zip(*table.voxels(LINES, rng), strict=True)
            )
            for widths in WIDTHS
        ]
        print(f"{name}: {len(before)};", *(f"{share:.3f}" for share in shares), ";", *touched)


def partitions(seed: int) -> None:
    """Agreement with the partition of the undamaged cube, with and without the rules."""
    rows: dict[str, list[float]] = {}
    for number in range(GALAXIES):
        clean = _simulated(seed + number)
        reference = _labels(clean, clean.flux, clean.bad, masked=True)
        rng = np.random.default_rng([seed, number])
        for name, flux, bad, masked, beside in _damages(clean, rng):
            labels = _labels(clean, flux, bad, masked=masked, beside=beside)
            both = (labels > 0) & (reference > 0)
            agreement = adjusted_rand_score(reference[both], labels[both])
            rows.setdefault(name, []).append(agreement)
    print(f"agreement with the undamaged cube, Ward, k = 3, mean of {GALAXIES} galaxies:")
    for name, values in rows.items():
        print(f"  {name}: {np.mean(values):.2f} (least {np.min(values):.2f})")


def _damages(
    table: Table, rng: np.random.Generator
) -> Iterator[tuple[str, np.ndarray, np.ndarray, bool, bool]]:
    """Name, flux, mask, whether impossible voxels are masked and neighbours known."""
    hot = table.flux.copy()
    rows, planes = table.voxels(3, rng)
    hot[rows, planes] *= 1000
    yield "3 hot voxels, not masked", hot, table.bad, False, True
    yield "3 hot voxels, masked", hot, table.bad, True, True
    holes = rng.random(table.flux.shape) < 0.05
    empty = np.where(holes, 0, table.flux).astype(np.float32)
    yield "5% holes, taken for data", empty, table.bad, False, True
    yield "5% holes, straight bridges", empty, table.bad | holes, True, False
    yield "5% holes, missing", empty, table.bad | holes, True, True
    noise = rng.normal(size=holes.shape) * table.noise[:, None] * holes
    yield "5% of voxels with noise added (control)", table.flux + noise, table.bad, True, True


def _simulated(seed: int) -> Table:
    with tempfile.TemporaryDirectory() as folder:
        simulate_archive(folder, 1, size=(20, 20), window=(12.2, 13.6), snr=30.0, seed=seed)
        (path,) = (p for p in Path(folder).rglob("*.fits") if truth_path(p).exists())
        return Table(path)


def _labels(
    table: Table, flux: np.ndarray, bad: np.ndarray, *, masked: bool, beside: bool = True
) -> np.ndarray:
    """(N,) clusters of all spaxels, 0 for those left out."""
    found = _prepared(table, flux, bad, masked=masked, beside=beside)
    condensed = shifted_distances(np.asarray(found.spectra), 6).condensed
    labels = np.zeros(len(flux), dtype=int)
    labels[found.spaxels] = 1 + partition(linkage_tree(condensed, "ward"), 3)
    return labels


def _prepared(
    table: Table, flux: np.ndarray, bad: np.ndarray, *, masked: bool, beside: bool = True
) -> Prepared:
    return prepare(
        flux, table.error, bad, table.wavelength_um, redshift=table.redshift,
        settings=PrepareSettings(mask_impossible=masked), shift_samples=6,
        positions=(table.y, table.x) if beside else None,
    )  # fmt: skip


def cost() -> None:
    """Processor time of masking over that of the rest of the preparation, least of five runs."""
    for name in OBSERVED:
        table = Table(SHARED / name)
        copies = max(1, MIN_SAMPLES_TIMED // table.flux.size)
        height = int(table.y.max()) + 2
        table.y = np.concatenate([table.y + copy * height for copy in range(copies)])
        table.x = np.tile(table.x, copies)
        for column in ("flux", "error", "bad"):
            setattr(table, column, np.tile(getattr(table, column), (copies, 1)))
        seconds: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(5):
            for masked in (True, False):
                start = time.process_time()
                _prepared(table, table.flux, table.bad, masked=masked)
                seconds[masked].append(time.process_time() - start)
        with_mask, rest = min(seconds[True]), min(seconds[False])
        print(f"{name} {table.flux.shape}: {with_mask / rest - 1:.2f} of {rest:.2f} s")


def main(seed: int = 0) -> None:
    """Print everything that can be measured here."""
    partitions(seed)
    if not SHARED.is_dir():
        print(f"no observed cubes in {SHARED}")
        return
    observed(seed)
    print("cost of masking, as a share of the rest of the preparation:")
    cost()


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:]))
