"""A finished galaxy as the validation takes it: from its store, its parts and its settings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catalogs.flags import ClusterFlag
from catalogs.part_tables import read_part_table
from catalogs.parts import Receipt
from survey.clustering.geometry import edge_of_field
from survey.clustering.walk.split_tests import Rules
from survey.clustering.walk.walk import EDGE_SPAXELS
from survey.pipeline.galaxy.psf import psf_of_spectra
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.galaxy.stages import line_mask_um
from survey.pipeline.galaxy.tree import SEED
from survey.pipeline.reference import run_vocabulary
from survey.spectra.prepare import Prepared
from survey.validation.answers import Answer
from survey.validation.displacement import displacement_answers
from survey.validation.galaxy import UNMIXED_ABOVE, PartitionedGalaxy, representative_rows
from survey.validation.noise_model import NoiseModel
from survey.validation.recluster import Data, Recipe
from survey.validation.separation import steps_to_border

LEAST_COVERED, MOST_COVERED = 0.8, 0.75
"""A named window is compared if the spectra cover so much of it, and it so much of them at most."""

MOST_SPAXELS = 600
"""Spaxels of a galaxy that are clustered again and again; of a larger one so many are drawn."""

NOISE_SPAXELS = 2000
"""Consecutive spaxels that the noise is measured on."""

PUBLISHED_WINDOW = "ch3-short"


def partitioned(galaxy: GalaxyRunner, part: Receipt) -> PartitionedGalaxy:
    """The galaxy whose committed part is given; what is missing of its stages is computed."""
    cube: xr.Dataset = galaxy.get("read")
    prepared: Prepared = galaxy.get("prepare")
    row = read_part_table(part, "galaxies").to_pylist()[0]
    spectra = read_part_table(part, "spectra").to_pandas().sort_values("cluster")
    spaxels = read_part_table(part, "spaxels").select(
        ["y", "x", "cluster", "shift_samples", "fractions"]
    )
    y, x = (cube[axis].values[prepared.spaxels] for axis in "yx")
    rows = _in_order(spaxels["y"].to_numpy(), spaxels["x"].to_numpy(), y, x)
    labels = spaxels["cluster"].to_numpy()[rows].astype(np.int32)
    instrument = str(cube.attrs["instrument"])
    reference = galaxy.context.reference
    redshift = float(row["redshift"])
    at_edge = near_edge(cube, y, x)
    noise = _noise(prepared, y, x)
    to_border = steps_to_border(labels, y, x)  # Before spaxels are drawn: all are neighbours.
    chosen = representative_rows(
        labels, MOST_SPAXELS, 2 * Rules().min_spaxels, np.random.default_rng(SEED)
    )
    rows, labels, y, x = rows[chosen], labels[chosen], y[chosen], x[chosen]
    flux, sigma = prepared.flux[chosen], prepared.noise[chosen]
    psf = None
    if prepared.point_source is None:  # else there is none left to ask about
        observed_um = prepared.wavelength_um * (1.0 + redshift)
        psf = psf_of_spectra(cube, observed_um, galaxy.settings.prepare, reference)
    data = Data(flux, sigma, prepared.wavelength_um, prepared.is_compared, at_edge[chosen])
    return PartitionedGalaxy(
        data=data,
        recipe=recipe_of(galaxy, prepared, instrument, redshift),
        labels=labels,
        # The point source that was subtracted is no cluster of the spectra.
        medians=np.stack(
            [np.asarray(one, np.float32) for one in spectra["median"][: labels.max()]]
        ),
        shifts=spaxels["shift_samples"].to_numpy()[rows],
        unmixed=_unmixed(spaxels["fractions"].take(rows).to_pylist(), labels),
        to_border=to_border[chosen],
        y=y,
        x=x,
        centre=(float(row["centre_y"]), float(row["centre_x"])),
        spaxel_arcsec=float(np.sqrt(row["spaxel_area_arcsec2"])),
        noise=noise.of_spaxels(flux, sigma, y, x),
        psf=psf,
        snr_min=galaxy.settings.prepare.snr_min,
        windows_um=_windows(reference.windows, prepared.wavelength_um),
    )


def measured_displacements(galaxy: GalaxyRunner, part: Receipt) -> list[Answer]:
    """Whether the lines of all clusters are displaced alike, by what the catalog has."""
    vocabulary = run_vocabulary(galaxy.context.reference, galaxy.settings)
    clusters = read_part_table(part, "clusters", vocabulary).select(
        ["cluster", "flags", "velocity_km_s", "velocity_err_km_s"]
    )
    frame = clusters.to_pandas().sort_values("cluster").set_index("cluster")
    found = (frame["flags"] & int(ClusterFlag.NO_VELOCITY)) == 0
    velocities = frame["velocity_km_s"].where(found).to_numpy(float)
    measured = read_part_table(part, "measurements").to_pandas()
    measured = measured[measured["detected"] & (measured["kind"] == "line")]
    lines = {
        str(name): rows.set_index("cluster")["velocity_km_s"].reindex(frame.index).to_numpy(float)
        for name, rows in measured.groupby("feature")
    }
    return displacement_answers(velocities, frame["velocity_err_km_s"].to_numpy(float), lines)


def _noise(prepared: Prepared, y: NDArray[np.integer], x: NDArray[np.integer]) -> NoiseModel:
    """The noise of spaxels that are neighbours: those of a band of the cube, if it is large."""
    first = max(0, (len(y) - NOISE_SPAXELS) // 2)
    band = slice(first, first + NOISE_SPAXELS)
    return NoiseModel.measured(prepared.flux[band], prepared.noise[band], y[band], x[band])


def near_edge(
    cube: xr.Dataset, y: NDArray[np.integer], x: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """(n,) which of the spaxels at (y, x) are near the edge of the field that they make."""
    field = np.zeros((cube.attrs["shape_y"], cube.attrs["shape_x"]), dtype=bool)
    field[y, x] = True
    return np.asarray(edge_of_field(field, EDGE_SPAXELS)[y, x])


def recipe_of(galaxy: GalaxyRunner, prepared: Prepared, instrument: str, redshift: float) -> Recipe:
    """How the settings of a galaxy make clusters of its prepared spectra."""
    settings = galaxy.settings
    return Recipe(
        normalise=settings.prepare.normalise,
        normalise_window_um=settings.prepare.normalise_window,
        line_mask_um=line_mask_um(galaxy.context.reference, instrument, redshift),
        max_shift=prepared.max_shift,
        subtract_noise=settings.distance.noise == "subtract",
        linkage=settings.linkage,
        cut=settings.cut,
    )


def _in_order(
    table_y: NDArray[np.integer],
    table_x: NDArray[np.integer],
    y: NDArray[np.integer],
    x: NDArray[np.integer],
) -> NDArray[np.intp]:
    """Rows of a table for the spaxels at (y, x)."""
    width = int(max(table_x.max(), x.max())) + 1
    place = table_y.astype(np.int64) * width + table_x
    order = np.argsort(place)
    return np.asarray(order[np.searchsorted(place, y * width + x, sorter=order)], np.intp)


def _unmixed(fractions: list[list[float] | None], labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Spaxels whose own cluster gives most of their flux; all where fractions are not known."""
    if any(each is None for each in fractions):
        return np.ones(len(labels), dtype=bool)
    # Of the light that a subtracted point source left.
    shares = np.array(fractions, dtype=float)[:, : labels.max()]
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-30)
    return np.asarray(shares[np.arange(len(labels)), labels - 1] >= UNMIXED_ABOVE)


def _windows(
    named: Mapping[str, tuple[float, float]], wavelength_um: NDArray[np.float64]
) -> tuple[tuple[str, tuple[float, float]], ...]:
    """One narrower window: that of the published method, or else the first."""
    first, last = float(wavelength_um[0]), float(wavelength_um[-1])
    found = []
    for name, (low, high) in named.items():
        covered = min(high, last) - max(low, first)
        if covered >= LEAST_COVERED * (high - low) and covered <= MOST_COVERED * (last - first):
            found.append((name, (low, high)))
    return tuple(sorted(found, key=lambda window: window[0] != PUBLISHED_WINDOW)[:1])
