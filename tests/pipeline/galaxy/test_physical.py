"""Luminosities and sizes by the distance of the targets table, else by a named cosmology."""

import math
from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.cosmology import Planck18

from catalogs.publish import publish
from catalogs.query import open_catalog
from survey.errors import ConfigError
from survey.pipeline.galaxy.physical import PhysicalScale, with_physical
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.galaxy.tables import MeasuredRows
from survey.pipeline.run.targets import read_targets, write_targets


def test_without_a_distance_the_cosmology_gives_it():
    scale = PhysicalScale.of(math.nan, 0.0163)
    assert scale.origin == "Planck18"
    assert scale.distance_mpc == pytest.approx(Planck18.luminosity_distance(0.0163).to_value("Mpc"))
    wanted = Planck18.kpc_proper_per_arcmin(0.0163).to_value("kpc/arcsec")
    assert scale.kpc_per_arcsec == pytest.approx(wanted, rel=1e-6)
    flux = 1e-18 * u.W / u.m**2
    luminosity = 4 * np.pi * Planck18.luminosity_distance(0.0163) ** 2 * flux
    assert 1e-18 * scale.watt_per_flux == pytest.approx(luminosity.to_value("W"), rel=1e-6)


def test_a_given_distance_comes_first_and_none_is_made_up():
    assert PhysicalScale.of(13.0, 0.0163).distance_mpc == 13.0
    assert PhysicalScale.of(13.0, -0.0008).origin == "targets table"
    unknown = PhysicalScale.of(math.nan, -0.0008)
    assert math.isnan(unknown.distance_mpc)
    assert unknown.origin == ""


def test_balmer_lines_give_an_extinction_only_where_both_are_detected():
    row = {
        "radius_arcsec": 1.0, "area_arcsec2": 2.0,
        "flux_Halpha_6563": 4.0, "err_Halpha_6563": 0.1, "detected_Halpha_6563": True,
        "flux_Hbeta_4861": 1.0, "err_Hbeta_4861": 0.05, "detected_Hbeta_4861": True,
    }  # fmt: skip
    both, one = with_physical(
        MeasuredRows([row, row | {"detected_Hbeta_4861": False}], []), PhysicalScale()
    ).clusters
    assert both["balmer_decrement"] == 4.0
    assert both["a_v"] == pytest.approx(1.05, abs=0.02)
    assert "a_v" not in one


def test_a_galaxy_has_them_and_another_distance_measures_only_its_features_again(
    targets, settings, tmp_path
):
    rows, computed = [], []
    for distance in (math.nan, 30.0):
        target = replace(targets[0], distance_mpc=distance)
        galaxy = GalaxyRunner(target, settings, tmp_path)
        publish(tmp_path, [galaxy.result().path])
        computed.append(galaxy.computed)
        catalog = open_catalog(tmp_path)
        about = catalog.galaxies.iloc[0]
        measured = catalog.measurements().set_index(["cluster", "feature"]).loc[(1, "NeII_12.81")]
        distance_m = (about["distance_mpc"] * u.Mpc).to_value("m")
        expected = 4 * np.pi * distance_m**2 * measured["region_flux"]
        assert measured["luminosity"] == pytest.approx(expected, rel=1e-6)
        cluster = catalog.clusters.iloc[0]
        size = cluster["radius_arcsec"] * about["kpc_per_arcsec"]
        assert cluster["radius_kpc"] == pytest.approx(size)
        rows.append(about)
    assert [row["distance_origin"] for row in rows] == ["Planck18", "targets table"]
    assert rows[1]["distance_mpc"] == 30.0
    assert computed[1] == ["features", "commit"]


def test_distances_of_the_targets_table_have_units(tmp_path):
    table = tmp_path / "targets.csv"
    table.write_text("galaxy,files,distance\na,a.fits,12.5\nb,b.fits,\n")
    near, unknown = read_targets(table)
    assert near.distance_mpc == 12.5
    assert math.isnan(unknown.distance_mpc)
    write_targets([near, unknown], tmp_path / "again.ecsv")
    again, _ = read_targets(tmp_path / "again.ecsv")
    assert again.distance_mpc == 12.5
    for bad in ("-3", "0", "near"):
        table.write_text(f"galaxy,files,distance\na,a.fits,{bad}\n")
        with pytest.raises(ConfigError, match="distance of galaxy a"):
            read_targets(table)
