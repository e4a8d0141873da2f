"""The figure of one galaxy: its clusters on the sky beside their median spectra.

After figure 1 of Hermosa Munoz et al. Clusters have the same colour on both panels and are
numbered from the brightest.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from catalogs.flags import ClusterFlag
from catalogs.printable import printable
from catalogs.reference import Reference, packaged_reference
from survey.report.offsets import offset_matrix
from survey.report.palette import cluster_colors
from survey.report.sky import draw_spaxels, frame_sky

BACKGROUND = "#dddddd"
LABEL_GAP = 0.012
"""Smallest distance between names of lines, as a fraction of the wavelength axis."""


def draw_galaxy(
    galaxy: dict[str, Any],
    clusters: pd.DataFrame,
    spaxels: pd.DataFrame,
    spectra: pd.DataFrame,
    path: Path,
    *,
    stamp: str = "",
    reference: Reference | None = None,
    kind: str = "png",
) -> None:
    """Write the figure of one galaxy as a picture.

    Parameters
    ----------
    galaxy : dict
        Its row of the table `galaxies`.
    clusters, spaxels, spectra : DataFrame
        Its rows of the tables of those names.
    path : Path
        The file to write.
    stamp : str
        Key of the result that the figure is drawn from; kept in a PNG as its `Source`, in a PDF as
        its `Keywords`.
    reference : Reference, optional
        Lines and bands that are marked; the packaged ones if not given.
    kind : str
        "png" or "pdf".
    """
    figure = Figure()  # without pyplot: workers have no screen, and notebooks a backend of theirs
    fill_figure(figure, galaxy, clusters, spaxels, spectra, reference=reference)
    key = "Keywords" if kind == "pdf" else "Source"
    figure.savefig(path, dpi=130, format=kind, metadata={key: stamp})


def fill_figure(
    figure: Figure,
    galaxy: dict[str, Any],
    clusters: pd.DataFrame,
    spaxels: pd.DataFrame,
    spectra: pd.DataFrame,
    *,
    reference: Reference | None = None,
) -> tuple[Axes, Axes]:
    """Draw one galaxy into an empty figure; see `draw_galaxy`. Returns the two panels."""
    colors = cluster_colors(len(clusters))
    figure.set_size_inches(13, 5.2)
    figure.set_layout_engine("constrained")
    sky, spectral = figure.subplots(1, 2, width_ratios=(1, 1.5))
    draw_cluster_map(sky, galaxy, spaxels, colors)
    draw_spectra(spectral, galaxy, clusters, spectra, colors, reference)
    where = " ".join(part for part in (galaxy["instrument"], galaxy["band"]) if part)
    figure.suptitle(
        f"{printable(galaxy['galaxy'])}   {where}   z = {galaxy['redshift']:.5g}", fontsize=12
    )
    return sky, spectral


def draw_cluster_map(
    axes: Axes, galaxy: dict[str, Any], spaxels: pd.DataFrame, colors: list[str]
) -> None:
    """Draw every spaxel in the colour of its cluster; those not clustered in grey."""
    matrix = offset_matrix(galaxy["celestial_header"] or "", galaxy["spaxel_area_arcsec2"])
    lookup = np.array([BACKGROUND, *colors])
    drawn = draw_spaxels(
        axes,
        spaxels["x"],
        spaxels["y"],
        centre=(galaxy["centre_x"], galaxy["centre_y"]),
        matrix=matrix,
        facecolors=lookup[spaxels["cluster"]],
    )
    frame_sky(axes, [drawn])
    _number_clusters(axes, drawn, spaxels["cluster"].to_numpy())
    label_axes(axes, galaxy)


def label_axes(axes: Axes, galaxy: dict[str, Any]) -> None:
    """Say so where the offsets of a map are not those on the sky."""
    if not galaxy["celestial_header"]:
        axes.set_xlabel("offset (arcsec), no celestial coordinates")
        axes.set_ylabel("offset (arcsec)")


def _number_clusters(axes: Axes, drawn: PolyCollection, cluster: np.ndarray) -> None:
    """Write the number of every cluster on its spaxel nearest to the middle of the cluster."""
    middles = np.array([np.asarray(path.vertices)[:4].mean(axis=0) for path in drawn.get_paths()])
    for number in range(1, cluster.max() + 1):
        own = middles[cluster == number]
        place = own[np.argmin(np.linalg.norm(own - np.median(own, axis=0), axis=1))]
        axes.annotate(
            str(number),
            place,
            ha="center",
            va="center",
            fontsize=8,
            zorder=10,  # above the cross of the photometric centre
            bbox={"boxstyle": "circle,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75},
        )


def draw_spectra(
    axes: Axes,
    galaxy: dict[str, Any],
    clusters: pd.DataFrame,
    spectra: pd.DataFrame,
    colors: list[str],
    reference: Reference | None = None,
) -> None:
    """Draw the median spectra on a logarithmic scale, with lines named and bands shaded."""
    reference = reference or packaged_reference()
    handles = []
    records = zip(spectra.to_dict("records"), clusters.to_dict("records"), strict=True)
    for color, (row, cluster) in zip(colors, records, strict=True):
        flux = np.asarray(row["median"], dtype=float)
        positive = np.where(flux > 0, flux, np.nan)
        axes.plot(row["wavelength_um"], positive, color=color, linewidth=0.8)
        handles.append(Patch(color=color, label=_legend_entry(cluster)))
    wavelength = np.asarray(spectra["wavelength_um"].iloc[0])
    axes.set_yscale("log")
    axes.set_ylim(*_flux_limits(np.stack(spectra["median"].to_list())))
    axes.set_xlim(wavelength[0], wavelength[-1])
    axes.set_xlabel("rest wavelength (µm)")
    axes.set_ylabel(f"median ({galaxy['flux_unit']})")
    # Beside the axes, where it covers no spectrum.
    axes.legend(
        handles=handles, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.02), frameon=False
    )
    _shade_bands(axes, reference)
    _name_lines(axes, clusters, reference)


def _flux_limits(medians: np.ndarray) -> tuple[float, float]:
    """From below the faintest continuum to above the brightest line, whatever noise does."""
    positive = np.where(medians > 0, medians, np.nan)
    if not np.isfinite(positive).any():
        return 0.1, 1.0
    faintest = np.nanmin(np.nanpercentile(positive, 2, axis=1))
    return 0.6 * float(faintest), 1.6 * float(np.nanpercentile(positive, 99.9))


def _legend_entry(cluster: Mapping[Hashable, Any]) -> str:
    marks = [
        name
        for flag, name in ((ClusterFlag.NUCLEAR, "nucleus"), (ClusterFlag.LOW_SNR, "low S/N"))
        if cluster["flags"] & flag
    ]
    count = cluster["n_spaxel"]
    detail = ", ".join([f"{count} spaxel{'s' if count > 1 else ''}", *marks])
    return f"{cluster['cluster']}: {detail}"


def _shade_bands(axes: Axes, reference: Reference) -> None:
    left, right = axes.get_xlim()
    for band in reference.bands:
        low, high = band.integration_um
        if left < high and low < right:
            axes.axvspan(low, high, color="tab:orange", alpha=0.13, linewidth=0)


def _name_lines(axes: Axes, clusters: pd.DataFrame, reference: Reference) -> None:
    """Mark the lines that some cluster has, naming the strongest where names would collide."""
    left, right = axes.get_xlim()
    found = []
    for line in reference.lines:
        if f"detected_{line.name}" not in clusters:
            continue  # rare: it has no columns
        detected = clusters[f"detected_{line.name}"]
        if left < line.wavelength_um < right and detected.any():
            snr = clusters[f"flux_{line.name}"] / clusters[f"err_{line.name}"]
            found.append((snr[detected].max(), line))
    named: list[float] = []
    for _, line in sorted(found, key=lambda item: -item[0]):
        axes.axvline(line.wavelength_um, color="0.5", linewidth=0.5, linestyle=":", zorder=0)
        if all(abs(line.wavelength_um - other) > LABEL_GAP * (right - left) for other in named):
            named.append(line.wavelength_um)
            axes.text(
                line.wavelength_um,
                1.01,
                line.label,
                rotation=90,
                fontsize=6.5,
                ha="center",
                va="bottom",
                transform=axes.get_xaxis_transform(),
            )
