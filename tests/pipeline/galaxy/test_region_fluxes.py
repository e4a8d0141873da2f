"""Fluxes of whole regions against what went into a simulated cube."""

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from catalogs.parts import Receipt
from survey.config import build_settings
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.simulate.write import truth_path


def rows_of(part, table):
    """A table of a part, whatever its columns."""
    return pd.read_feather(BytesIO(Receipt.read(part).read_bytes(f"{table}.arrow")))


@pytest.fixture(scope="module")
def compared(targets, tmp_path_factory):
    """Measured and true region fluxes of the lines of one galaxy, a row per cluster and line."""
    target = targets[0]
    settings = build_settings({"cut": {"criterion": "fixed", "k": 5}})
    part = GalaxyRunner(target, settings, tmp_path_factory.mktemp("run")).result().path
    spaxels = rows_of(part, "spaxels").query("cluster > 0")
    measured = rows_of(part, "measurements")
    with fits.open(truth_path(target.files[0])) as hdus:
        header, maps = hdus["LINE_FLUX"].header, hdus["LINE_FLUX"].data.astype(float)
    place = spaxels["y"].to_numpy(), spaxels["x"].to_numpy()
    rows = [
        {"feature": header[f"LINE{k + 1}"], "cluster": number, "truth": light.sum()}
        for k, image in enumerate(maps)
        for number, light in pd.Series(image[place]).groupby(spaxels["cluster"].to_numpy())
    ]
    return measured.merge(pd.DataFrame(rows), on=["feature", "cluster"])


def test_region_fluxes_are_the_light_of_all_spaxels_within_their_errors(compared):
    assert len(compared) >= 10
    pulls = (compared["region_flux"] - compared["truth"]) / compared["region_err"]
    assert np.sqrt(np.mean(pulls**2)) < 2


def test_the_sum_of_all_regions_is_the_flux_of_the_field(compared):
    neon = compared[compared["feature"] == "NeII_12.81"]
    assert neon["region_flux"].sum() == pytest.approx(neon["truth"].sum(), rel=0.02)


def test_true_fluxes_of_lines_that_are_not_detected_are_below_their_limits(compared):
    faint = compared[~compared["region_detected"]]
    assert len(faint)
    assert (faint["truth"] <= faint["region_limit"]).all()
