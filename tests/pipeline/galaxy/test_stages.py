"""The stages of one galaxy: a change reaches exactly what depends on it."""

import json
import shutil
from contextlib import nullcontext
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from catalogs.flags import FeatureFlag
from catalogs.parts import DamagedPartWarning, Receipt
from survey.config import Settings, build_settings
from survey.errors import DataError
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.galaxy.stage_list import STAGES
from survey.pipeline.galaxy.target import Target
from survey.simulate.write import truth_path


def rows_of(part, table):
    """A table of a part, whatever its columns."""
    return pd.read_feather(BytesIO(Receipt.read(part).read_bytes(f"{table}.arrow")))


NAMES = [stage.name for stage in STAGES]
"""All stages, in order."""

FROM_PREPARE = NAMES[NAMES.index("prepare") :]
FROM_CUT = ["prepare", *NAMES[NAMES.index("cut") :]]
FROM_FEATURES = ["features", "commit"]

BASE = {"cut": {"criterion": "fixed", "k": 3}, "linkage": {"method": "ward"}}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, targets: list[Target]) -> Path:
    """A run directory in which the first galaxy is done."""
    root = tmp_path_factory.mktemp("run")
    galaxy = GalaxyRunner(targets[0], build_settings(BASE), root)
    galaxy.result()
    assert galaxy.computed == NAMES
    return root


@pytest.fixture
def run(done: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(done, tmp_path / "run"))


def computed(target: Target, root: Path, **tables: dict) -> list[str]:
    galaxy = GalaxyRunner(target, build_settings(BASE | tables), root)
    galaxy.result()
    return galaxy.computed


def test_nothing_is_computed_twice(targets, run):
    assert computed(targets[0], run) == []


@pytest.mark.parametrize(
    ("tables", "stages"),
    [
        ({"engine": {"workers": 7, "threads_per_worker": 2}}, []),
        ({"report": {"figures": False}}, []),
        ({"classes": {"ratios": "ch4", "draws": 3}}, []),
        ({"features": {"detection_sigma": 5.0}}, FROM_FEATURES),
        ({"cut": {"criterion": "fixed", "k": 4}}, FROM_CUT),
        ({"profiles": {"nuclear_radius_arcsec": 0.8}}, FROM_CUT),
        ({"linkage": {"method": "average"}}, FROM_PREPARE),
        ({"prepare": {"snr_min": 4.0}}, FROM_PREPARE),
        ({"distance": {"shift": "200 km/s"}}, FROM_PREPARE),
        ({"store": {"chunk_spaxels": 64}}, NAMES),
    ],
    ids=str,
)
def test_a_changed_setting_reaches_exactly_what_depends_on_it(targets, run, tables, stages):
    assert computed(targets[0], run, **tables) == stages
    assert computed(targets[0], run) == [], "what was there before is still there"


def test_another_redshift_needs_no_conversion(targets, run):
    moved = replace(targets[0], redshift=targets[0].redshift + 1e-4)
    assert computed(moved, run) == FROM_PREPARE


def test_the_content_of_a_file_counts_and_not_its_name_or_time(targets, run, tmp_path):
    copy = tmp_path / "elsewhere.fits"
    shutil.copyfile(targets[0].files[0], copy)
    assert computed(replace(targets[0], files=(copy,)), run) == []
    with fits.open(copy, mode="update") as file:
        file["SCI"].data[100, 6, 6] += 1.0
    assert computed(replace(targets[0], files=(copy,)), run) == NAMES


def test_recutting_needs_no_cube(targets, run):
    shutil.rmtree(run / "cubes")
    assert computed(targets[0], run, features={"detection_sigma": 4.0}) == FROM_FEATURES


@pytest.mark.parametrize("victim", ["cubes/*/flux/c.0.0", "parts/*/tree-*"])
def test_damage_on_disk_is_noticed_and_mended(targets, run, victim):
    (path,) = run.glob(victim)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    galaxy = GalaxyRunner(targets[0], build_settings(BASE | {"cut": {"criterion": "auto"}}), run)
    with pytest.warns(DamagedPartWarning) if "parts" in victim else nullcontext():
        galaxy.result()
    expected = {"cubes": "read", "parts": "tree"}[victim.split("/")[0]]
    assert expected in galaxy.computed


def test_the_result_does_not_depend_on_threads(targets, tmp_path, settings):
    parts = []
    for threads in (1, 2):
        tuned = build_settings(BASE | {"engine": {"threads_per_worker": threads}})
        parts.append(GalaxyRunner(targets[0], tuned, tmp_path / str(threads)).result().path)
    for table in ("clusters", "spaxels", "spectra"):
        first, second = (rows_of(part, table) for part in parts)
        pd.testing.assert_frame_equal(first, second)


def test_an_unknown_redshift_is_an_error_that_says_what_to_do(targets, tmp_path, settings):
    nameless = replace(targets[0], redshift=float("nan"))
    with pytest.raises(DataError, match=r"redshift is unknown.*--redshift"):
        GalaxyRunner(nameless, settings, tmp_path).result()


def test_the_tables_agree_with_each_other(targets, done):
    part = GalaxyRunner(targets[0], build_settings(BASE), done).result().path
    galaxy = rows_of(part, "galaxies").iloc[0]
    clusters, spaxels, spectra = (
        rows_of(part, name) for name in ("clusters", "spaxels", "spectra")
    )
    clustered = spaxels[spaxels["cluster"] > 0]
    assert clusters["n_spaxel"].tolist() == clustered.groupby("cluster").size().tolist()
    assert galaxy["n_spaxel"] == len(clustered)
    assert galaxy["n_cluster"] == len(clusters) == len(spectra) == 3
    assert clusters["nuclear"].sum() == 1
    assert (clustered["snr"] >= 2.0).all()
    assert galaxy["peak_memory_bytes"] > 1e8
    stages = [name for name in galaxy.index if name.startswith("seconds_") and "total" not in name]
    assert galaxy["seconds_total"] == pytest.approx(galaxy[stages].sum())


def test_receding_spaxels_have_positive_velocities(targets, done):
    part = GalaxyRunner(targets[0], build_settings(BASE), done).result().path
    spaxels = rows_of(part, "spaxels")
    with fits.open(truth_path(targets[0].files[0])) as file:
        velocity = file["VELOCITY"].data.astype(float)
    spaxels["truth_km_s"] = velocity[spaxels["y"], spaxels["x"]]
    clustered = spaxels[(spaxels["cluster"] > 0) & np.isfinite(spaxels["truth_km_s"])]
    # Shifts are against the medoid of each cluster, whose own velocity they do not tell.
    inside = clustered.groupby("cluster")[["shift_km_s", "truth_km_s"]]
    relative = clustered[["shift_km_s", "truth_km_s"]] - inside.transform("mean")
    # A sample is 60 km/s wide, about as much as this small field rotates.
    assert relative.corr().iloc[0, 1] > 0.5


def test_lines_of_the_simulated_galaxy_are_found(targets, done):
    part = GalaxyRunner(targets[0], build_settings(BASE), done).result().path
    clusters = rows_of(part, "clusters")
    assert clusters["detected_NeII_12.81"].all()
    assert (clusters["flux_NeII_12.81"] > 10 * clusters["err_NeII_12.81"]).all()
    assert (clusters["limit_NeII_12.81"] > clusters["flux_NeII_12.81"]).all()
    assert (clusters["ew_NeII_12.81"] > 10 * clusters["ewerr_NeII_12.81"]).all()
    lines = rows_of(part, "measurements").set_index(["feature", "cluster"])
    nickel = lines.loc["NiII_12.73"]
    assert (nickel["flux"] < 3 * nickel["err"]).all(), "no source emits it"
    assert not nickel["detected"].any()
    assert (nickel["limit"] > nickel["flux"].clip(lower=0)).all()
    neon = lines.loc["NeII_12.81"]
    np.testing.assert_array_equal(neon["flux"], clusters["flux_NeII_12.81"])
    np.testing.assert_array_equal(neon["region_flux"], clusters["region_flux_NeII_12.81"])
    assert clusters["flux_SIII_18.71"].isna().all(), "out of range is missing, not zero"


def test_bright_lines_have_velocities_and_all_features_have_quality_bits(targets, done):
    part = GalaxyRunner(targets[0], build_settings(BASE), done).result().path
    clusters = rows_of(part, "clusters")
    # The search is for [Ne II] alone here, so that it has the velocity of the spectrum.
    apart = clusters["velocity_NeII_12.81"] - clusters["velocity_km_s"]
    assert (apart.abs() < 3 * clusters["velocity_err_km_s"]).all()
    assert clusters["velocity_SIII_18.71"].isna().all()
    assert (clusters["line_fwhm_km_s"].isna() == (clusters["line_fwhm_n_line"] == 0)).all()
    assert clusters.filter(regex="^quality_").notna().all(axis=None)
    assert (clusters["quality_NeII_12.81"] == 0).all()
    cut = clusters["quality_PAH_12.7"] & int(FeatureFlag.EDGE)
    assert cut.all(), "its continuum is beyond the ends of this spectrum"


def test_a_reconstruction_keeps_the_flux_of_every_spaxel(targets, run):
    tuned = BASE | {"profiles": {"reconstruct": True}}
    galaxy = GalaxyRunner(targets[0], build_settings(tuned), run)
    galaxy.result()
    with fits.open(galaxy.get("profiles").path / "reconstruction.fits") as file:
        model, residual = file["MODEL"].data, file["RESIDUAL"].data
        table = file["WCS-TABLE"].data["wavelength"].ravel()
    prepared = galaxy.get("prepare")
    np.testing.assert_allclose(table, prepared.wavelength_um)
    kept = np.isfinite(model[0])
    assert kept.sum() == len(prepared.spaxels)
    total = np.abs(residual[:, kept].sum(axis=0)) / model[:, kept].sum(axis=0)
    assert total.max() < 1e-3


def test_the_cut_is_recorded_with_its_curve(targets, run):
    settings = build_settings({"cut": {"criterion": "silhouette"}})
    galaxy = GalaxyRunner(targets[0], settings, run)
    galaxy.result()
    record = json.loads(galaxy.get("profiles").read_bytes("cut.json"))
    assert record["k"] in record["curve"]["k"]
    assert set(record["curve"]) == {"k", "silhouette"}
    assert record["runner_up"] != record["k"]


@pytest.mark.real_data
def test_bands_of_ngc_7469_become_one_galaxy(shared_data, tmp_path):
    files = tuple(sorted((shared_data / "mrs").glob("NGC7469*.fits.gz")))
    galaxy = GalaxyRunner(Target("NGC 7469", files, 0.016317), Settings(), tmp_path)
    part = galaxy.result().path
    row = rows_of(part, "galaxies").iloc[0]
    clusters = rows_of(part, "clusters")
    assert row["band"] == "ch4"
    factors = {entry["band"]: entry["factor"] for entry in json.loads(row["merge_factors"])}
    assert set(factors) == {"ch4-medium", "ch4-long"}, "relative to the first"
    assert all(0.95 < factor < 1.05 for factor in factors.values())
    assert row["n_spaxel"] > 500
    nucleus = clusters[clusters["nuclear"]].iloc[0]
    for line in ("SIII_18.71", "OIV_25.89", "NeV_24.32"):
        assert nucleus[f"detected_{line}"], line


def test_every_table_that_changes_a_galaxy_belongs_to_one_stage():
    assigned = [table for stage in STAGES for table in stage.settings]
    assert len(assigned) == len(set(assigned))
    of_no_stage = {"preset", "targets", "tables", "classes", "engine", "report"}
    assert set(Settings.model_fields) - set(assigned) == of_no_stage


def test_a_stage_takes_only_what_was_made_before_it():
    for number, stage in enumerate(STAGES):
        assert set(stage.inputs) <= set(NAMES[:number])
