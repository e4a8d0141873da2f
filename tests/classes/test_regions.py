import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st
from regions import Regions

from survey.classes.labelling.labels import label_clusters
from survey.classes.labelling.regions import LabelRegion, parse_regions
from survey.classes.types import UNLABELLED
from survey.errors import ConfigError, DataError

RA, DEC = 345.8151, 8.8739  # NGC 7469


def grid(step_arcsec: float = 0.2, half: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Positions of spaxels about the nucleus."""
    offsets = np.arange(-half, half + 1) * step_arcsec / 3600
    north, east = np.meshgrid(offsets, offsets, indexing="ij")
    return (RA + east / np.cos(np.deg2rad(DEC))).ravel(), (DEC + north).ravel()


def local_wcs() -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = RA, DEC
    wcs.wcs.cdelt = -0.2 / 3600, 0.2 / 3600
    wcs.wcs.crpix = 50, 50
    return wcs


@pytest.mark.parametrize(
    "shape",
    [
        f'circle({RA},{DEC},1.55")',
        f'annulus({RA},{DEC},1.05",2.15")',
        f'ellipse({RA},{DEC},3.1",1.3",35)',
        f'box({RA},{DEC},5.1",1.7",-20)',
        f"polygon({RA},{DEC},{RA + 1e-3},{DEC},{RA + 1e-3},{DEC + 7e-4},{RA - 2e-4},{DEC + 4e-4})",
    ],
)
def test_regions_hold_the_positions_that_the_regions_package_says(shape: str) -> None:
    text = f"fk5\n{shape} # text={{AGN}}"
    (region,) = parse_regions(text, "ds9")
    assert region.class_name == "AGN"
    ra, dec = grid()
    theirs = Regions.parse(text, format="ds9")[0].contains(
        SkyCoord(ra, dec, unit="deg"), local_wcs()
    )
    assert 20 < theirs.sum() < 1000
    assert (region.contains(ra, dec) != theirs).sum() <= 3  # on the edge of a drawn ellipse


@given(st.floats(-89, 89), st.floats(0, 360), st.floats(0, 360), st.floats(0.1, 3000))
def test_circles_are_round_everywhere_on_the_sphere(dec, ra, angle, radius) -> None:
    region = LabelRegion("AGN", (ra,), (dec,), radius)
    centre = SkyCoord(ra, dec, unit="deg")
    for factor, inside in ((0.999, True), (1.001, False)):
        point = centre.directional_offset_by(angle * u.deg, factor * radius * u.arcsec)
        found = region.contains(np.array([point.ra.deg]), np.array([point.dec.deg]))
        assert found.tolist() == [inside]


@given(st.floats(-90, 90), st.floats(0, 360), st.integers(3, 8), st.floats(0, 6))
def test_polygons_hold_their_middle_and_not_the_antipode(dec, ra, corners, turn) -> None:
    middle = SkyCoord(ra, dec, unit="deg")
    angles = (turn + 2 * np.pi * np.arange(corners) / corners) * u.rad
    ring = middle.directional_offset_by(angles, 5 * u.arcsec)
    region = LabelRegion("SF", tuple(ring.ra.deg.tolist()), tuple(ring.dec.deg.tolist()))
    outside = middle.directional_offset_by(angles[0], 5.1 * u.arcsec)
    ras = np.array([ra, outside.ra.deg, (ra + 180) % 360])
    decs = np.array([dec, outside.dec.deg, -dec])
    assert region.contains(ras, decs).tolist() == [True, False, False]


def test_other_frames_are_brought_to_icrs() -> None:
    galactic = SkyCoord(RA, DEC, unit="deg").galactic
    (region,) = parse_regions(
        f'galactic\ncircle({galactic.l.deg},{galactic.b.deg},1") # tag={{SF}}', "ds9"
    )
    assert region.class_name == "SF"
    assert region.ra_deg[0] == pytest.approx(RA, abs=1e-8)
    assert region.dec_deg[0] == pytest.approx(DEC, abs=1e-8)


TABLE = """# %ECSV 1.0
# ---
# datatype:
# - {name: galaxy, datatype: string}
# - {name: class, datatype: string}
# - {name: ra, datatype: float64}
# - {name: dec, datatype: float64}
# - {name: radius, datatype: float64}
# - {name: polygon, datatype: string}
# - {name: reference, datatype: string}
# schema: astropy-2.0
galaxy class ra dec radius polygon reference
"NGC 7469" AGN 345.8151 8.8739 0.5 "" "Armus et al. 2023"
"" SF nan nan nan "1 1 2 1 2 2" ""
"""


def test_a_table_has_circles_and_polygons() -> None:
    circle, polygon = parse_regions(TABLE, "ecsv")
    assert circle == LabelRegion(
        "AGN", (345.8151,), (8.8739,), 0.5, "NGC 7469", "Armus et al. 2023"
    )
    assert polygon.ra_deg == (1, 2, 2)
    assert polygon.dec_deg == (1, 1, 2)
    assert np.isnan(polygon.radius_arcsec)
    assert polygon.galaxy == ""


@pytest.mark.parametrize(
    ("text", "format", "message"),
    [
        ("image\ncircle(3,4,5) # text={AGN}", "ds9", "not an area on the sky"),
        ('fk5\nvector(1,2,1",20) # text={AGN}', "ds9", "cannot be read as ds9"),
        ("fk5\nline(1,2,1.1,2) # text={AGN}", "ds9", "not an area on the sky"),
        ('fk5\n-circle(1,2,1") # text={AGN}', "ds9", "exclude"),
        ('fk5\ncircle(1,2,1")', "ds9", "not complete"),
        ("nonsense", "ds9", "cannot be read as ds9"),
        ("a,b", "ecsv", "cannot be read as ecsv"),
        (TABLE.replace("1 1 2 1 2 2", "1 1 2 1"), "ecsv", "not complete"),
        (TABLE.replace(" 0.5 ", " -1 "), "ecsv", "not complete"),
    ],
)
def test_regions_that_are_none_are_refused(text: str, format: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_regions(text, format)


# One nucleus, a ring to its west, and a third cluster farther east; the rest unclustered.
SPAXEL_RA, SPAXEL_DEC = grid()
EAST = (SPAXEL_RA - RA) * 3600 * np.cos(np.deg2rad(DEC))
NORTH = (SPAXEL_DEC - DEC) * 3600
CLUSTER = np.select([np.hypot(EAST, NORTH) < 1, EAST < -1.5, EAST > 1.5], [4, 7, 9], 0)


def labels_by(*regions: LabelRegion, min_fraction: float = 0.5, galaxy: str = "NGC 7469"):
    return label_clusters(
        CLUSTER, SPAXEL_RA, SPAXEL_DEC,
        galaxy=galaxy, regions=regions, classes=("AGN", "SF"), min_fraction=min_fraction,
    )  # fmt: skip


NUCLEUS = LabelRegion("AGN", (RA,), (DEC,), 0.9, "NGC 7469")
WEST = LabelRegion("SF", (RA - 3 / 3600,), (DEC,), 8.0)


def test_a_cluster_takes_the_class_of_the_region_that_most_of_it_lies_in() -> None:
    found = labels_by(NUCLEUS)
    assert found.clusters.tolist() == [4, 7, 9]
    assert found.labels.tolist() == [0, UNLABELLED, UNLABELLED]
    assert 0.7 < found.coverage[0, 0] < 0.95
    assert found.conflicts == ()


def test_more_is_asked_of_regions_with_a_larger_fraction() -> None:
    claimed = NUCLEUS, LabelRegion("SF", (RA,), (DEC,), 1.5)
    assert labels_by(*claimed, min_fraction=0.5).conflicts == (4,)
    found = labels_by(*claimed, min_fraction=0.95)
    assert (found.labels[0], found.conflicts) == (1, ()), "only SF covers that much"


def test_a_small_circle_labels_the_cluster_that_holds_most_of_it() -> None:
    knot = LabelRegion("SF", (RA + 1.8 / 3600,), (DEC,), 0.4)
    found = labels_by(knot)
    assert found.coverage.max() < 0.1
    assert found.labels.tolist() == [UNLABELLED, UNLABELLED, 1]
    assert found.partly == (9,)
    assert labels_by(NUCLEUS).partly == ()


def test_a_circle_across_two_clusters_labels_the_one_with_more_of_it() -> None:
    across = [LabelRegion("SF", (RA + east / 3600,), (DEC,), 0.9) for east in (1.1, 1.7)]
    small = [region for region in across if labels_by(region).partly]
    assert [labels_by(region).labels.argmax() for region in small] == [0, 2]


def test_a_region_that_covers_a_cluster_does_not_label_others_that_it_touches() -> None:
    wide = LabelRegion("AGN", (RA,), (DEC,), 2.6)
    found = labels_by(wide)
    assert (found.coverage[:, 0] > 0).all()
    assert found.labels.tolist() == [0, UNLABELLED, UNLABELLED]


def test_a_cluster_that_one_class_covers_is_not_claimed_by_a_small_region_of_another() -> None:
    spot = LabelRegion("SF", (RA + 0.3 / 3600,), (DEC,), 0.25)
    found = labels_by(NUCLEUS, spot)
    assert (found.labels[0], found.conflicts, found.partly) == (0, (), ())


def test_two_small_regions_of_different_classes_in_one_cluster_are_a_conflict() -> None:
    spots = [LabelRegion(name, (RA + 3 / 3600,), (DEC + north / 3600,), 0.4)
             for name, north in (("AGN", 1.0), ("SF", -1.0))]  # fmt: skip
    found = labels_by(*spots)
    assert (found.labels[2], found.conflicts, found.partly) == (UNLABELLED, (9,), ())


def test_a_region_outside_all_clusters_labels_nothing() -> None:
    found = labels_by(LabelRegion("SF", (RA,), (DEC + 0.1,), 0.4))
    assert (found.labels == UNLABELLED).all()


def test_a_cluster_that_two_classes_claim_is_reported_and_not_labelled() -> None:
    found = labels_by(NUCLEUS, LabelRegion("SF", (RA,), (DEC,), 1.5))
    assert found.conflicts == (4,)
    assert found.labels[0] == UNLABELLED


def test_regions_of_one_class_work_together() -> None:
    halves = [
        LabelRegion("SF", (RA, RA - 0.01, RA - 0.01, RA), (DEC, DEC, DEC + s, DEC + s))
        for s in (0.01, -0.01)
    ]
    assert labels_by(halves[0]).partly == (7,)
    together = labels_by(*halves)
    assert (together.labels[1], together.partly) == (1, ())


def test_a_region_of_another_galaxy_is_left_alone() -> None:
    assert labels_by(NUCLEUS, galaxy="M 83").labels.tolist() == [UNLABELLED] * 3
    assert labels_by(WEST, galaxy="M 83").labels.tolist()[1] == 1


def test_a_class_that_is_not_in_the_settings_is_refused() -> None:
    with pytest.raises(ConfigError, match="found shock"):
        labels_by(LabelRegion("shock", (RA,), (DEC,), 1.0))


@given(st.integers(0, 2**32))
def test_the_order_of_spaxels_does_not_matter(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(CLUSTER.size)
    found = label_clusters(
        CLUSTER[order], SPAXEL_RA[order], SPAXEL_DEC[order],
        galaxy="", regions=(WEST,), classes=("AGN", "SF"), min_fraction=0.5,
    )  # fmt: skip
    np.testing.assert_array_equal(found.labels, labels_by(WEST, galaxy="").labels)
