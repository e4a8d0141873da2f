"""What the pages of a run say, and how much they weigh."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from catalogs import open_catalog
from survey.errors import IntegrityError
from survey.report.pages.cells import Cells, bins, cell_spectra
from survey.report.pages.index import failures_by_cause
from survey.report.pages.numbers import Quantised, script_json
from survey.report.pages.paths import FOLDER, page_path, thumbnail_path
from survey.report.pages.site import write_galaxy_page
from survey.report.run import write_all

MOST_PAGE_BYTES = 2 << 20


def data_of(page):
    text = page.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return json.loads(found[1])


def test_the_page_of_a_galaxy_says_what_the_catalog_says(finished):
    root, receipt = finished
    write_all(root)
    data = data_of(page_path(root, receipt.galaxy))
    catalog = open_catalog(root)
    clusters = catalog.clusters
    assert [row["n_spaxel"] for row in data["clusters"]] == clusters["n_spaxel"].to_list()
    line = next(each for each in data["features"] if each["name"] == "NeII_12.81")
    assert line["flux"] == pytest.approx(clusters["flux_NeII_12.81"], rel=1e-4)
    assert line["err"] == pytest.approx(clusters["err_NeII_12.81"], rel=1e-4)
    assert line["detected"] == clusters["detected_NeII_12.81"].to_list()
    assert data["cells"]["n"] == len(catalog.spaxels(receipt.galaxy))
    decided = [row["meaning"] for row in data["tree"]["decisions"]]
    assert decided == catalog.splits(receipt.galaxy)["meaning"].to_list()


def test_pages_need_nothing_from_elsewhere_and_are_small(finished):
    root, receipt = finished
    write_all(root)
    for page in (root / FOLDER).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "http:" not in text
        assert "https:" not in text
        assert page.stat().st_size < MOST_PAGE_BYTES
        for address in re.findall(r'(?:src|href)="([^"#]+)"', text):
            if address == "data:,":  # no icon
                continue
            of_run = address.endswith("survey.toml")  # which this run has not
            assert of_run or (page.parent / address).exists(), address
    assert thumbnail_path(root, receipt.galaxy).stat().st_size < 5000


def test_a_page_is_written_once_for_a_part(finished):
    root, receipt = finished
    write_all(root)
    page = page_path(root, receipt.galaxy)
    before = page.stat().st_mtime_ns
    write_galaxy_page(root, receipt.galaxy, receipt.key)
    assert page.stat().st_mtime_ns == before
    page.write_text("something else")
    write_galaxy_page(root, receipt.galaxy, receipt.key)
    assert data_of(page)["name"] == receipt.galaxy


def test_a_page_of_a_part_that_is_gone_is_refused(finished):
    root, receipt = finished
    with pytest.raises(IntegrityError, match="part of SIM-001 is missing"):
        write_galaxy_page(root, receipt.galaxy, "0" * 32)


def test_text_in_the_data_of_a_page_cannot_end_its_script():
    nasty = {"name": "</script><b>&amp;<!--"}
    text = script_json(nasty)
    assert "<" not in text
    assert json.loads(text) == nasty


@example(np.array([[1.0, 1.6e-117, 0.0]]))
@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=40),
        elements=st.floats(-1e6, 1e6) | st.just(np.nan),
    )
)
def test_spectra_in_one_byte_a_sample_are_right_to_a_small_part_of_their_range(spectra):
    found = Quantised.of(spectra).values
    assert np.array_equal(np.isnan(found), np.isnan(spectra))
    known = np.isfinite(spectra)
    for row, ours, mask in zip(spectra, found, known, strict=True):
        if mask.any():
            span = max(np.ptp(row[mask]), 1e-3 * np.abs(row[mask]).max())
            assert np.abs(row - ours)[mask].max() <= 0.06 * span + 1e-30


def test_a_faint_continuum_below_strong_lines_is_kept_to_a_per_cent():
    rng = np.random.default_rng(0)
    spectrum = 100.0 + rng.normal(0.0, 1.0, 1000)
    spectrum[::100] = 5e4
    error = np.abs(Quantised.of(spectrum[np.newaxis]).values[0] - spectrum)
    assert error[spectrum < 200].max() < 0.5
    assert error[spectrum > 200].max() < 0.1 * 5e4


def test_few_spaxels_are_cells_of_their_own():
    y, x = (axis.ravel() for axis in np.mgrid[:5, 3:9])
    cells = Cells.of_spaxels(y, x)
    assert cells.block == 1
    assert np.array_equal(cells.x[cells.of], x)
    assert np.array_equal(cells.y[cells.of], y)


def test_many_spaxels_are_joined_in_blocks_with_their_means():
    y, x = (axis.ravel() for axis in np.mgrid[:20, :20])
    cells = Cells.of_spaxels(y, x, most=100)
    assert cells.block == 2
    assert len(cells) == 100
    assert cells.mean(x.astype(float)) == pytest.approx(cells.x)
    labels = np.where(x < 9, 1, 2)  # a block with one column of each keeps one of them
    assert set(cells.commonest(labels)[cells.x < 7]) == {1}


@pytest.mark.parametrize(("n", "most"), [(10, 100), (100, 7), (1201, 1200)])
def test_bins_cover_all_samples_once(n, most):
    starts, number = bins(n, most)
    assert number.sum() == n
    assert len(starts) == min(n, most)
    assert np.ptp(number) <= 1


def test_cells_have_the_spectra_of_their_spaxels_without_the_bad_samples():
    spaxels = pd.DataFrame({"y": [0, 0, 5], "x": [0, 1, 5]})
    cells = Cells.of_spaxels(spaxels["y"].to_numpy(), spaxels["x"].to_numpy(), most=2)
    stored = pd.DataFrame({"y": [5, 0, 0, 9], "x": [5, 1, 0, 9]})
    flux = np.array([[7.0, 7, 7], [1, 2, 3], [3, 50, 5], [9, 9, 9]])
    bad = np.zeros(flux.shape, bool)
    bad[2, 1] = True
    wavelength, spectra = cell_spectra(
        cells, spaxels, stored, np.array([1.0, 2, 3]), lambda rows: (flux[rows], bad[rows])
    )
    assert wavelength.tolist() == [1.0, 2.0, 3.0]
    assert spectra[cells.of[0]].tolist() == [2.0, 2.0, 4.0]
    assert spectra[cells.of[2]].tolist() == [7.0, 7.0, 7.0]


def test_failures_of_one_cause_are_grouped_the_commonest_first():
    messages = ["/a.fits: the unit is unknown; expected Jy", "/b.fits: no plane has data"]
    rows = [("A", messages[0]), ("B", messages[1]), ("C", messages[0].replace("/a", "/c"))]
    table = pd.DataFrame(
        {"galaxy": [name for name, _ in rows], "stage": "read", "message": [m for _, m in rows]}
    )
    groups = failures_by_cause(table)
    assert [[name for name, _ in group] for _, group in groups] == [["A", "C"], ["B"]]
    assert [cause for cause, _ in groups] == [
        "read: the unit is unknown; expected Jy", "read: no plane has data",
    ]  # fmt: skip
