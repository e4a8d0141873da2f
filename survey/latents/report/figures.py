"""Figures of representations: latent space, reconstructions, effect of the number of latents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from survey.latents.anomaly import standardised
from survey.latents.evaluation.benchmark import Summary
from survey.latents.grid import Floats
from survey.latents.spectra import Names, SpectrumSet
from survey.report.palette import cluster_colors

MOST_POINTS = 2000
ENERGY_TICKS_KEV = (0.3, 0.5, 1, 2, 3, 5, 8)
ABLATION = (
    ("reconstruction", "KL", "divergence from the truth (nats)"),
    ("reconstruction", "deviance per bin", "deviance of the other half, per bin"),
    ("supervised", "forest", "balanced accuracy, forest"),
    ("supervised", "logistic", "balanced accuracy, logistic"),
    ("unsupervised", "mixture votes", "balanced accuracy, mixture votes"),
    ("regression", "R2, forest", "R2 of {target}, forest"),
)
"""Panels, for the first target of each task: task, metric, label."""

LABELS = {
    "hardness": "hardness ratios",
    "physical": "power law and plasma",
    "pca": "PCA",
    "nmf": "NMF",
    "autoencoder": "autoencoder",
    "majority": "majority",
    "stratified": "stratified random",
    "confounders": "confounders alone",
}


def draw_latent_space(
    latents: Floats, classes: Names, path: Path, *, title: str = "", seed: int = 0
) -> None:
    """Write latents (n, k) coloured by class (n,): principal components, and t-SNE, as PNG.

    Distances between far groups mean nothing in the second (van der Maaten & Hinton 2008).
    At most 2,000 spectra are shown.
    """
    chosen = np.random.default_rng(seed).permutation(len(latents))[:MOST_POINTS]
    scaled, shown = standardised(latents)[chosen], classes[chosen]
    views = {"principal components": PCA(2).fit_transform(scaled)}
    if len(scaled) > 30:
        views["t-SNE"] = TSNE(random_state=seed, init="pca").fit_transform(scaled)
    figure, panels = plt.subplots(
        1, len(views), figsize=(6.2 * len(views), 5.4), layout="constrained", squeeze=False
    )
    names = sorted(set(shown.tolist()))
    for axes, (name, points) in zip(panels[0], views.items(), strict=True):
        for label, color in zip(names, cluster_colors(len(names)), strict=True):
            x, y = points[shown == label].T
            axes.scatter(x, y, s=7, color=color, alpha=0.7, linewidths=0, label=label or "unknown")
        axes.set_title(f"{title} {name}".strip(), fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
    panels[0][-1].legend(fontsize=8, markerscale=2, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=130)
    plt.close(figure)


def draw_reconstructions(
    spectra: SpectrumSet,
    models: Mapping[str, Floats],
    path: Path,
    *,
    rows: NDArray[np.intp] | None = None,
    truth: Floats | None = None,
    names: Sequence[str] | None = None,
) -> None:
    """Write spectra with what models expect of them as PNG.

    Parameters
    ----------
    spectra : SpectrumSet
    models : mapping of str to array (n, p)
        Expected values by method.
    path : Path
        The file to write.
    rows : array of int, optional
        Which spectra; by default six that go evenly from the faintest to the brightest.
    truth : array (n, p), optional
        Expected values without noise.
    names : sequence of str, optional
        Titles of all n; by default their names.
    """
    if rows is None:
        order = np.argsort(spectra.totals)
        places = np.linspace(0.02, 0.98, min(6, len(order))) * len(order)
        rows = order[places.astype(int)]
    titles = spectra.ids if names is None else names
    columns = min(3, len(rows))
    lines = -(-len(rows) // columns)
    figure, panels = plt.subplots(
        lines, columns, figsize=(4.6 * columns, 3.2 * lines), layout="constrained", squeeze=False
    )
    for axes in panels.flat[len(rows) :]:
        axes.set_axis_off()
    for axes, row in zip(panels.flat, rows, strict=False):
        _draw_one(axes, spectra, int(row), models, truth)
        axes.set_title(str(titles[row]), fontsize=9)
    panels[0][0].legend(fontsize=7)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _draw_one(
    axes: Axes, spectra: SpectrumSet, row: int, models: Mapping[str, Floats], truth: Floats | None
) -> None:
    x, usable = spectra.grid.centres, spectra.mask[row]
    values = np.where(usable, spectra.values[row], np.nan)
    counted = spectra.kind == "counts"
    width = spectra.grid.widths if counted else 1.0
    axes.step(x, values / width, where="mid", color="0.7", linewidth=0.8, label="observed")
    if truth is not None:
        axes.plot(x, truth[row] / width, color="black", linewidth=1.4, label="truth")
    colors = cluster_colors(len(models))
    for (name, expected), color in zip(models.items(), colors, strict=True):
        axes.plot(x, expected[row] / width, color=color, linewidth=1, label=LABELS.get(name, name))
    if counted:
        axes.set_xscale("log")
        ticks = [energy for energy in ENERGY_TICKS_KEV if x[0] <= energy <= x[-1]]
        axes.set_xticks(ticks, [f"{energy:g}" for energy in ticks])
        axes.set_xticks([], minor=True)
        axes.set_ylabel("counts / keV")
        axes.set_xlabel("energy (keV)")
    else:
        axes.set_ylabel("flux density")
        axes.set_xlabel("wavelength (µm)")


def draw_ablation(summaries: Sequence[Summary], path: Path) -> None:
    """Write what each method achieves by its number of latents as PNG; bars are one sigma."""
    panels = [panel for panel in ABLATION if _of_panel(summaries, *panel[:2])]
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure, grid = plt.subplots(
        lines, columns, figsize=(4.6 * columns, 3.5 * lines), layout="constrained", squeeze=False
    )
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, (task, metric, label) in zip(grid.flat, panels, strict=False):
        found = _of_panel(summaries, task, metric)
        _draw_panel(axes, found)
        axes.set_ylabel(label.format(target=found[0].target))
        axes.set_xlabel("latents")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if metric in ("KL", "deviance per bin"):
            axes.set_yscale("log")
    # Where most methods are to be seen: chance is not in all panels.
    fullest = max(grid.flat, key=lambda axes: len(axes.get_legend_handles_labels()[1]))
    fullest.legend(fontsize=7)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _of_panel(summaries: Sequence[Summary], task: str, metric: str) -> list[Summary]:
    """The lines of a task and metric, for the target that comes first."""
    found = [one for one in summaries if (one.task, one.metric) == (task, metric)]
    return [one for one in found if one.target == found[0].target]


def _draw_panel(axes: Axes, found: list[Summary]) -> None:
    methods = list(dict.fromkeys(one.method for one in found))
    colors = dict(zip(LABELS, cluster_colors(len(LABELS)), strict=True))
    for name in (name for name in LABELS if name in methods):
        color = colors[name]
        of_method = sorted((one for one in found if one.method == name), key=lambda s: s.latents)
        k, mean, std = (
            np.array([getattr(one, part) for one in of_method], dtype=float)
            for part in ("latents", "mean", "std")
        )
        if len(k) > 1:
            axes.errorbar(k, mean, np.nan_to_num(std), color=color, marker="o", markersize=4,
                          capsize=2, label=LABELS[name])  # fmt: skip
        else:
            axes.axhline(mean[0], color=color, linestyle="--", linewidth=1, label=LABELS[name])
