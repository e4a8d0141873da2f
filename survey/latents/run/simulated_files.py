"""A small sky of X-ray sources as files: spectra, responses, a list of sources, and labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from survey.errors import ConfigError
from survey.latents.xray.acis import acis_channels, acis_like_response
from survey.latents.xray.simulate import simulate_xray
from survey.latents.xray.write_ogip import write_response, write_spectrum

LIST_FILE = "sources.csv"
LABELS_FILE = "labels.csv"
RMF, ARF = "acis_like.rmf", "acis_like.arf"


def simulate_files(folder: Path, n_detections: int, *, seed: int) -> int:
    """Write detections of simulated sources, and the tables that `survey latent run` takes.

    Returns
    -------
    int
        How many sources they are of.

    Raises
    ------
    ConfigError
        If the folder has a list of sources already.
    """
    if (folder / LIST_FILE).exists():
        raise ConfigError(
            "the folder has a list of sources", file=folder / LIST_FILE,
            expected="a new folder", found="one in use", advice="Give another folder",
        )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    response = acis_like_response()
    write_response(response, folder / RMF, folder / ARF)
    simulated = simulate_xray(n_detections, seed=seed, grid=acis_channels(), responses=[response])
    spectra, truth = simulated.spectra, simulated.truth
    assert spectra.background_counts is not None
    assert spectra.background_scale is not None
    assert spectra.exposure_s is not None
    names = [f"{name.replace('.', '_')}.pha" for name in spectra.ids.tolist()]
    for row, name in enumerate(names):
        write_spectrum(
            folder / name, spectra.values[row],
            spectra.background_counts[row], exposure_s=float(spectra.exposure_s[row]),
            background_area=float(1 / spectra.background_scale[row, 0]), rmf=RMF, arf=ARF,
            name=str(spectra.sources[row]), frame_s=float(truth.frame_s[row]),
        )  # fmt: skip
    table = pd.DataFrame(
        {
            "source": spectra.sources,
            "file": names,
            "class": truth.classes,
            "log_n_h": np.log10(truth.n_h_1e22) + 22,
        }
    )
    grouped = table.groupby("source", sort=True)
    files = grouped["file"].agg(";".join)
    pd.DataFrame({"source": files.index, "files": files.to_numpy()}).to_csv(
        folder / LIST_FILE, index=False
    )
    labels = grouped[["class", "log_n_h"]].first().reset_index()
    labels.assign(reference="simulated", used_xray="no").to_csv(folder / LABELS_FILE, index=False)
    return len(files)
