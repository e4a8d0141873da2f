"""The archive that the faults meet: small good galaxies, and a few bad ones among them."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from survey.simulate import simulate_archive

SIZE = (10, 10)
"""Spaxels of a cube: the smallest of which some have two clusters."""

WINDOW_UM = (12.5, 13.1)
POISON = "POISON"
"""A galaxy whose cube is good, and whose worker dies whenever it is opened (see `inject`)."""


@dataclass(frozen=True)
class Archive:
    """Settings and targets of a survey, and which galaxies must end how.

    Attributes
    ----------
    settings : Path
        The survey.toml.
    good, bad : tuple of str
        Names of galaxies that have results, and of those that are quarantined.
    """

    settings: Path
    good: tuple[str, ...]
    bad: tuple[str, ...]

    @property
    def poison(self) -> Path:
        """The cube of the galaxy `POISON`."""
        return self.settings.parent / f"{POISON}.fits"

    def only_good(self) -> Archive:
        """The same survey without its bad galaxies, with settings of its own beside the others."""
        settings = self.settings.with_name("only_good.toml")
        lines = self.settings.with_name("targets.csv").read_text().splitlines()
        kept = [line for line in lines if line.partition(",")[0] not in self.bad]
        settings.with_name("only_good.csv").write_text("\n".join(kept) + "\n")
        text = self.settings.read_text().replace("targets.csv", "only_good.csv")
        settings.write_text(text)
        return Archive(settings, self.good, ())

    def save(self, path: Path) -> None:
        """Write names and paths as JSON."""
        path.write_text(json.dumps([str(self.settings), self.good, self.bad]))

    @classmethod
    def load(cls, path: Path) -> Archive:
        """Read what `save` wrote."""
        settings, good, bad = json.loads(path.read_text())
        return cls(Path(settings), tuple(good), tuple(bad))


def make_archive(folder: Path, n_good: int, *, seed: int, poison: bool = False) -> Archive:
    """Simulate `n_good` galaxies, and add a file of text, a cut, a blank and a missing cube.

    With `poison` there is one galaxy more, which kills its worker if the faults are told so.
    """
    cubes = simulate_archive(folder, n_good, size=SIZE, window=WINDOW_UM, seed=seed)
    table = Table.read(folder / "targets.ecsv")
    table = Table({name: table[name] for name in ("galaxy", "files", "redshift")})
    table["galaxy"] = table["galaxy"].astype(object)
    table["files"] = table["files"].astype(object)
    good = tuple(table["galaxy"])
    bad = _write_bad_cubes(folder, cubes[0])
    if poison:
        shutil.copyfile(cubes[0], folder / f"{POISON}.fits")
        bad[POISON] = f"{POISON}.fits"
    for name, file in bad.items():
        table.add_row([name, file, 0.01])
    # The bad ones stand between the good ones.
    order = np.random.default_rng(seed).permutation(len(table))
    lines = ["galaxy,files,redshift"]
    lines += [f"{row['galaxy']},{row['files']},{row['redshift']:.6f}" for row in table[order]]
    (folder / "targets.csv").write_text("\n".join(lines) + "\n")
    settings = folder / "survey.toml"
    settings.write_text(
        'targets = "targets.csv"\n[prepare]\nwindow = "full"\nsnr_min = 3.0\n'
        "[report]\nfigures = false\n[engine]\ndashboard = false\n"
    )
    return Archive(settings, good, tuple(bad))


def _write_bad_cubes(folder: Path, good: Path) -> dict[str, str]:
    """Files of the bad galaxies, by name."""
    (folder / "text.fits").write_text("a page of HTML that says: not found")
    (folder / "cut.fits").write_bytes(good.read_bytes()[:200_000])
    shutil.copyfile(good, folder / "blank.fits")
    with fits.open(folder / "blank.fits", mode="update") as file:
        file["SCI"].data[:] = np.nan
    return {f"BAD-{name}": f"{name}.fits" for name in ("text", "cut", "blank", "absent")}
