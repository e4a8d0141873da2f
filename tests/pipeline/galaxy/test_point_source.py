"""A galaxy whose nucleus is subtracted, from its cube to its tables."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from catalogs.flags import has_flag
from catalogs.parts import Receipt
from survey.config import build_settings
from survey.errors import ConfigError, DataError
from survey.pipeline.classification.sample import light_of
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.galaxy.stage_list import STAGES
from survey.pipeline.run.plan import with_absolute_paths
from survey.pipeline.validation.partitioned import partitioned

BASE = {"cut": {"criterion": "walk"}}
FROM_PREPARE = [stage.name for stage in STAGES][1:]
TABLES = ("galaxies", "clusters", "spaxels", "spectra", "parts")


def run(target, root, **prepare):
    return GalaxyRunner(target, build_settings(BASE | {"prepare": prepare}), root)


def tables_of(part):
    return {
        name: pd.read_feather(BytesIO(Receipt.read(part.path).read_bytes(f"{name}.arrow")))
        for name in TABLES
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("point")


@pytest.fixture(scope="module")
def usual(targets, root):
    return tables_of(run(targets[0], root).result())


@pytest.fixture(scope="module")
def subtracted(targets, root, usual):
    galaxy = run(targets[0], root, psf="subtract", psf_max_share=0.6)
    part = galaxy.result()
    assert galaxy.computed == FROM_PREPARE, "the cube is not converted again"
    return tables_of(part)


def test_the_point_source_is_the_last_cluster_and_the_nucleus(subtracted):
    clusters = subtracted["clusters"]
    is_point = has_flag("clusters", clusters["flags"], "point_source")
    assert is_point.tolist() == [False] * (len(clusters) - 1) + [True]
    assert clusters["nuclear"].tolist() == is_point.tolist()
    assert has_flag("galaxies", subtracted["galaxies"]["flags"], "point_source_subtracted").all()
    assert clusters.iloc[-1]["offset_arcsec"] < 0.2


def test_the_tables_agree_on_whose_the_spaxels_are(subtracted):
    clusters, spaxels = subtracted["clusters"], subtracted["spaxels"]
    counts = spaxels[spaxels["cluster"] > 0].groupby("cluster").size()
    assert counts.to_dict() == clusters.set_index("cluster")["n_spaxel"].to_dict()
    row = subtracted["galaxies"].iloc[0]
    assert (row["n_cluster"], row["n_spaxel"]) == (len(clusters), counts.sum())
    hidden = has_flag("spaxels", spaxels["flags"], "point_source")
    assert (spaxels["cluster"] == len(clusters)).tolist() == hidden.tolist()
    named = spaxels[spaxels["cluster"] > 0].groupby(["cluster", "part"]).size()
    stated = subtracted["parts"].set_index(["cluster", "part"])["n_spaxel"]
    assert named.to_dict() == stated.to_dict()


def test_the_shares_of_the_light_of_a_spaxel_make_one(subtracted):
    spaxels = subtracted["spaxels"].dropna(subset=["fractions"])
    fractions = np.stack(spaxels["fractions"])
    assert fractions.shape[1] == len(subtracted["clusters"])
    assert fractions.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    own = has_flag("spaxels", spaxels["flags"], "point_source").to_numpy()
    assert fractions[~own, -1] == pytest.approx(spaxels["psf_share"][~own], abs=1e-5)
    assert (fractions[own, -1] == 1).all()


def test_no_light_is_lost(usual, subtracted):
    both = usual["spaxels"].merge(subtracted["spaxels"], on=["y", "x"], suffixes=("", "_left"))
    both = both[(both["cluster"] > 0) & (both["cluster_left"] > 0)]
    assert len(both) > 100
    assert both["scale_left"].to_numpy() == pytest.approx(both["scale"].to_numpy(), rel=0.05)
    light = np.stack(subtracted["spectra"]["sum"]).mean(axis=1).sum()
    before = np.stack(usual["spectra"]["sum"]).mean(axis=1).sum()
    assert light == pytest.approx(before, rel=0.1)


def test_classes_share_all_light_of_the_galaxy(subtracted):
    spaxels, number = subtracted["spaxels"], len(subtracted["clusters"])
    light = np.stack(light_of(spaxels, number))
    assert light.shape == (number, number)
    assert light.sum() == pytest.approx(spaxels["scale"].sum(), rel=1e-5)
    of_point = light[:, -1]
    assert (of_point > 0).all(), "also clusters around it have light of the point source"
    assert light[-1, :-1].sum() == 0


def test_the_dominance_map_needs_no_subtraction(usual, subtracted):
    both = usual["spaxels"].merge(subtracted["spaxels"], on=["y", "x"], suffixes=("", "_left"))
    known = both["psf_share"].notna() & both["psf_share_left"].notna()
    assert known.sum() > 100
    assert both["psf_share"][known].to_numpy() == pytest.approx(
        both["psf_share_left"][known].to_numpy(), abs=0.02
    )
    assert both["psf_share"].max() > 0.6


def test_what_was_subtracted_is_not_asked_about(targets, root, subtracted):
    galaxy = run(targets[0], root, psf="subtract", psf_max_share=0.6)
    found = partitioned(galaxy, galaxy.result())
    assert found.psf is None
    assert found.k == found.labels.max() == len(subtracted["clusters"]) - 1
    assert found.unmixed.mean() > 0.5


def test_matched_planes_have_one_point_spread_function(targets, root, usual):
    galaxy = run(targets[0], root, psf="match")
    matched = tables_of(galaxy.result())
    found = partitioned(galaxy, galaxy.result())
    assert np.ptp(found.psf.fwhm) == 0
    both = usual["spaxels"].merge(matched["spaxels"], on=["y", "x"], suffixes=("", "_matched"))
    assert both["snr_matched"].median() > 1.05 * both["snr"].median()
    core = both["psf_share"] > 0.5
    assert both["psf_share_matched"][core].median() > 0.5


def test_a_galaxy_that_was_not_subtracted_is_asked_with_its_own_limit(targets, root, usual):
    galaxy = run(targets[0], root, snr_min=3.0)
    found = partitioned(galaxy, galaxy.result())
    assert found.psf is not None
    assert found.snr_min == 3.0


def test_an_unknown_point_spread_function_is_an_error_that_says_what_to_do(targets, tmp_path):
    text = """[NEW]
segments = [{ range_um = [1.0, 30.0], resolving_power = [3000.0] }]
source = "nowhere"
"""
    (tmp_path / "mine.toml").write_text(text)
    galaxy = GalaxyRunner(
        targets[0],
        build_settings(
            {
                "prepare": {"psf": "subtract"},
                "tables": {"instruments": str(tmp_path / "mine.toml"), "replace": ["instruments"]},
            }
        ),
        tmp_path / "run",
    )
    with pytest.raises(DataError, match=r"point-spread function.*psf_fwhm_arcsec") as raised:
        galaxy.result()
    assert galaxy.stage == "prepare"
    assert str(targets[0].files[0]) in str(raised.value)


def test_another_star_means_another_result(targets, root, tmp_path, usual):
    star = tmp_path / "star_s3d.fits"
    star.write_bytes(Path(targets[0].files[0]).read_bytes())
    keys = []
    for _ in range(2):
        keys.append(run(targets[0], root, psf="subtract", psf_star=(str(star),)).keys)
        star.write_bytes(star.read_bytes() + b" " * 2880)
    assert keys[0]["read"] == keys[1]["read"]
    assert keys[0]["prepare"] != keys[1]["prepare"]
    star.unlink()
    with pytest.raises(ConfigError, match=r"psf_star.*no such file"):
        _ = run(targets[0], root, psf="subtract", psf_star=(str(star),)).keys


def test_the_star_is_looked_for_beside_the_settings(tmp_path):
    settings = build_settings({"prepare": {"psf": "subtract", "psf_star": ["star.fits"]}})
    found = with_absolute_paths(settings, tmp_path).prepare.psf_star
    assert found == (str(tmp_path / "star.fits"),)
