"""Responses: matrices come as written whatever their form, and photons are not lost in folding."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from survey.errors import DataError
from survey.latents.grid import Grid
from survey.latents.xray.fold import EffectiveArea, Redistribution, combine, fold
from survey.latents.xray.responses import read_arf, read_channels, read_response, read_rmf
from tests.latents.xray.files import arf, energies, rmf, write


def blurred(n_energies: int = 10, n_channels: int = 8) -> np.ndarray:
    """Probabilities with a gap inside some rows, so that these have two groups."""
    place = (np.arange(n_energies)[:, None] + 0.5) / n_energies * n_channels
    matrix = np.exp(-((np.arange(n_channels) + 0.5 - place) ** 2))
    matrix[matrix < 0.05] = 0
    matrix[5:, 0] = 0.02
    return matrix / matrix.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("variable", [True, False])
def test_a_matrix_comes_as_written(tmp_path: Path, first: int, variable: bool) -> None:
    matrix = blurred()
    path = write(tmp_path / "a.rmf", *rmf(matrix, first=first, variable=variable))
    response = read_rmf(path)
    np.testing.assert_allclose(response.matrix.toarray(), matrix, rtol=1e-6)
    assert list(response.channel_numbers) == list(range(first, first + 8))
    np.testing.assert_allclose(response.energies.edges, energies(10), rtol=1e-6)


def test_rows_without_groups_and_with_one_scalar_group_are_read(tmp_path: Path) -> None:
    matrix = np.zeros((3, 4))
    matrix[1, 1:3] = 0.5
    matrix[2, 3] = 1.0
    path = write(tmp_path / "a.rmf", *rmf(matrix, variable=False))
    np.testing.assert_allclose(read_rmf(path).matrix.toarray(), matrix)


def test_without_tlmin_groups_count_as_the_channels_do(tmp_path: Path) -> None:
    table, bounds = rmf(blurred(), first=0)
    del table.header["TLMIN4"]
    path = write(tmp_path / "a.rmf", table, bounds)
    np.testing.assert_allclose(read_rmf(path).matrix.toarray(), blurred(), rtol=1e-6)


def test_channel_numbers_are_taken_from_the_header_where_the_column_is_damaged(
    tmp_path: Path,
) -> None:
    table, bounds = rmf(blurred())
    bounds.data["CHANNEL"][:] = 0
    with pytest.raises(DataError, match="number its channels"):
        read_channels(write(tmp_path / "a.rmf", table, bounds))
    bounds.header.update({"TLMIN1": 1, "TLMAX1": 8})
    _, numbers = read_channels(write(tmp_path / "a.rmf", table, bounds))
    assert list(numbers) == list(range(1, 9))


FLUXES = arrays(np.float64, (2, 10), elements=st.floats(0, 1e3))


@given(FLUXES)
def test_folding_loses_no_photon_where_rows_add_up_to_one(flux: np.ndarray) -> None:
    grid = Grid(energies(10), "keV")
    channels = Grid(energies(8), "keV")
    area = np.linspace(10.0, 100.0, 10)
    response = combine(
        EffectiveArea(grid, area),
        Redistribution(grid, channels, np.arange(8), sparse.csr_array(blurred())),
    )
    counts = fold(response, flux, np.array([10.0, 20.0]))
    np.testing.assert_allclose(counts.sum(axis=1), (flux @ area) * [10.0, 20.0], atol=1e-9)
    coarse = response.onto(Grid(channels.edges[::4], "keV"))
    np.testing.assert_allclose(
        fold(coarse, flux), fold(response, flux).reshape(2, 2, 4).sum(axis=2), atol=1e-9
    )


def test_a_matrix_that_holds_the_area_needs_no_arf(tmp_path: Path) -> None:
    path = write(tmp_path / "a.rsp", *rmf(50 * blurred(), HDUCLAS3="FULL"))
    response = read_response(path)
    np.testing.assert_allclose(response.matrix.sum(axis=1), 50, rtol=1e-5)
    with pytest.raises(DataError, match="includes the effective area"):
        read_response(path, write(tmp_path / "a.arf", arf(10)))


def test_arf_and_rmf_of_different_sizes_are_refused(tmp_path: Path) -> None:
    matrix = write(tmp_path / "a.rmf", *rmf(blurred()))
    with pytest.raises(DataError, match="same energies; expected 10 bins"):
        read_response(matrix, write(tmp_path / "a.arf", arf(11)))
    with pytest.raises(DataError, match="needs an ARF"):
        read_response(matrix)


def test_a_spectrum_on_other_energies_is_refused(tmp_path: Path) -> None:
    response = read_response(
        write(tmp_path / "a.rmf", *rmf(blurred())), write(tmp_path / "a.arf", arf(10))
    )
    with pytest.raises(DataError, match="expected 10 bins; found 9"):
        fold(response, np.ones(9))


def longer(columns: dict) -> None:
    columns["N_CHAN"][1][3] = columns["N_CHAN"][1][3] + 40


def later(columns: dict) -> None:
    columns["F_CHAN"][1][3] = columns["F_CHAN"][1][3] + 6


def more_groups(columns: dict) -> None:
    columns["N_GRP"][1][3] = 5


def negative(columns: dict) -> None:
    columns["MATRIX"][1][3] = -columns["MATRIX"][1][3]


def gaps(columns: dict) -> None:
    columns["ENERG_HI"] = ("E", columns["ENERG_HI"][1] - 0.1)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (lambda: rmf(blurred())[:1], "no EBOUNDS"),
        (lambda: rmf(blurred())[1:], "no MATRIX"),
        (lambda: rmf(blurred(), drop=("MATRIX",)), "no column MATRIX"),
        (lambda: rmf(blurred(), drop=("F_CHAN",)), "no column F_CHAN"),
        (lambda: rmf(blurred(), change=longer), "row 4 of the matrix are incomplete"),
        (lambda: rmf(blurred(), change=later), "row 4 of the matrix leaves the channels"),
        (lambda: rmf(blurred(), change=more_groups), "row 4 of the matrix are incomplete"),
        (lambda: rmf(blurred(), change=negative), "not probabilities"),
        (lambda: rmf(blurred(), change=gaps), "leave gaps"),
        (lambda: rmf(blurred(), first=0, TLMIN4=1), "leaves the channels"),
    ],
)
def test_what_is_wrong_with_a_matrix_is_said(tmp_path: Path, tables, message: str) -> None:
    path = write(tmp_path / "broken.rmf", *tables())
    with pytest.raises(DataError, match=message) as caught:
        read_rmf(path)
    assert "broken.rmf" in str(caught.value)


def test_a_truncated_matrix_is_a_data_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.rmf", *rmf(np.eye(200), first=1))
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DataError, match="truncated"):
        read_rmf(path)


def test_an_area_below_zero_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="negative"):
        read_arf(write(tmp_path / "a.arf", arf(5, -1.0)))


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "arf_name", "accuracy"),
    [
        ("9774.rmf", "9774.arf", 1e-5),
        # Matrices of the catalog are rounded: their rows add up to one within 0.3%.
        ("acisf04736_000N001_r0079_rmf3.fits.gz", "acisf04736_000N001_r0079_arf3.fits.gz", 3e-3),
        ("acisf01575_001N001_r0085_rmf3.fits.gz", "acisf01575_001N001_r0085_arf3.fits.gz", 3e-3),
    ],
)
def test_folding_a_power_law_through_an_observed_response_conserves_photons(
    shared_data: Path, name: str, arf_name: str, accuracy: float
) -> None:
    folder = shared_data / "xray"
    response = read_response(folder / name, folder / arf_name)
    edges = response.energies.edges
    photons = (edges[:-1] ** -0.8 - edges[1:] ** -0.8) / 0.8
    counts = fold(response, photons, 1e4)
    detected = photons @ read_arf(folder / arf_name).area_cm2 * 1e4
    assert counts.sum() == pytest.approx(detected, rel=accuracy)
    # They also arrive where they should: the mean energy moves by less than a resolution.
    mean = counts @ response.channels.centres / counts.sum()
    weights = photons * read_arf(folder / arf_name).area_cm2
    assert mean == pytest.approx(weights @ response.energies.centres / weights.sum(), abs=0.05)


@pytest.mark.real_data
def test_an_observed_matrix_agrees_with_its_file_row_by_row(shared_data: Path) -> None:
    path = shared_data / "xray" / "9774.rmf"
    matrix = read_rmf(path).matrix.toarray()
    with fits.open(path) as hdus:
        rows = hdus["MATRIX"].data
        for row in range(0, len(rows), 97):
            expected = np.zeros(1024)
            start = 0
            for first, count in zip(
                np.atleast_1d(rows["F_CHAN"][row]), np.atleast_1d(rows["N_CHAN"][row]), strict=True
            ):
                expected[first - 1 : first - 1 + count] += rows["MATRIX"][row][
                    start : start + count
                ]
                start += count
            np.testing.assert_array_equal(matrix[row], expected)


@pytest.mark.parametrize(("unit", "factor"), [("eV", 1e3), ("keV", 1.0), ("KEV", 1.0), ("", 1.0)])
def test_energies_of_channels_are_in_the_unit_of_their_columns(
    tmp_path: Path, unit: str, factor: float
) -> None:
    plain, _ = read_channels(write(tmp_path / "k.rmf", *rmf(blurred())))
    matrix, bounds = rmf(blurred())
    for i, name in enumerate(bounds.columns.names, 1):
        if name in ("E_MIN", "E_MAX"):
            bounds.data[name] *= factor
            bounds.header[f"TUNIT{i}"] = unit
    channels, _ = read_channels(write(tmp_path / "e.rmf", matrix, bounds))
    np.testing.assert_allclose(channels.edges, plain.edges, rtol=1e-6)


def test_channels_in_another_unit_than_of_energy_are_refused(tmp_path: Path) -> None:
    matrix, bounds = rmf(blurred())
    number = bounds.columns.names.index("E_MIN") + 1
    bounds.header[f"TUNIT{number}"] = "Angstrom"
    with pytest.raises(DataError, match=r"column E_MIN has a wrong unit.*an energy"):
        read_channels(write(tmp_path / "a.rmf", matrix, bounds))
