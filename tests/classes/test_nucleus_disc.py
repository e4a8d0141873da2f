"""The nucleus and the disc of a galaxy are labelled without coordinates."""

import numpy as np
import pytest

from catalogs.reference import load_gatos_sample, packaged_reference
from survey.classes.labelling.labels import label_clusters
from survey.classes.labelling.nucleus_disc import PlaceLabel, parse_places, same_name
from survey.classes.labelling.regions import parse_regions
from survey.classes.types import UNLABELLED
from survey.errors import ConfigError, DataError

CLASSES = ("AGN", "SF", "other")
RULES = packaged_reference().place_classes
CLUSTER = np.array([0, 1, 1, 2, 2, 3])
NOWHERE = np.full(6, np.nan)

HEADER = """\
# %ECSV 1.0
# ---
# datatype:
# - {name: galaxy, datatype: string}
# - {name: type, datatype: string}
# - {name: place, datatype: string}
# - {name: class, datatype: string}
# - {name: ra, datatype: float64}
# - {name: dec, datatype: float64}
# - {name: radius, datatype: float64}
# schema: astropy-2.0
galaxy type place class ra dec radius
"""


def labelled(places, *, galaxy: str = "NGC 1", nuclear: int = 2):
    return label_clusters(
        CLUSTER, NOWHERE, NOWHERE, galaxy=galaxy, regions=(), classes=CLASSES,
        min_fraction=0.5, places=places, nuclear=nuclear,
    )  # fmt: skip


def test_the_nucleus_is_the_cluster_of_the_centre_and_the_disc_all_others() -> None:
    places = [PlaceLabel("NGC 1", "nucleus", "AGN"), PlaceLabel("NGC 1", "disc", "SF")]
    assert labelled(places).labels.tolist() == [1, 0, 1]
    assert labelled(places[:1]).labels.tolist() == [UNLABELLED, 0, UNLABELLED]


def test_a_place_counts_for_its_galaxy_alone_however_that_is_spelt() -> None:
    places = [PlaceLabel("ngc1", "nucleus", "AGN")]
    assert labelled(places, galaxy="NGC 1").labels.max() == 0
    assert labelled(places, galaxy="NGC 11").labels.max() == UNLABELLED
    assert same_name("NGC 3256-N", "ngc3256n")


def test_without_a_nucleus_nothing_is_labelled() -> None:
    assert labelled([PlaceLabel("NGC 1", "disc", "SF")], nuclear=0).labels.max() == UNLABELLED


def test_a_class_that_the_settings_do_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match="found HII"):
        labelled([PlaceLabel("NGC 1", "disc", "HII")])


def test_every_type_of_the_papers_sample_has_a_rule_for_the_nucleus() -> None:
    for galaxy in load_gatos_sample():
        (found,) = (
            place
            for place in parse_places(
                HEADER + f'"{galaxy.galaxy}" {galaxy.type} "" "" "" "" ""', RULES
            )
            if place.place == "nucleus"
        )
        assert found.class_name == ("SF" if galaxy.type == "Starburst" else "AGN")


def test_regions_and_places_share_a_table() -> None:
    text = HEADER + (
        '"NGC 1" "" nucleus AGN "" "" ""\n'
        '"NGC 2" Sy-2 "" "" "" "" ""\n'
        '"NGC 3" "" "" SF 10.0 -5.0 1.5\n'
    )
    assert [(place.galaxy, place.class_name) for place in parse_places(text, RULES)] == [
        ("NGC 1", "AGN"),
        ("NGC 2", "AGN"),
    ]
    (region,) = parse_regions(text, "ecsv")
    assert (region.galaxy, region.radius_arcsec) == ("NGC 3", 1.5)


@pytest.mark.parametrize(
    "row",
    [
        '"NGC 1" Elliptical "" "" "" "" ""',
        '"" Sy-2 "" "" "" "" ""',
        '"NGC 1" "" nucleus "" "" "" ""',
        '"NGC 1" "" halo AGN "" "" ""',
    ],
)
def test_rows_that_say_nothing_are_refused(row) -> None:
    with pytest.raises(DataError, match="a row of the labels"):
        parse_places(HEADER + row, RULES)
