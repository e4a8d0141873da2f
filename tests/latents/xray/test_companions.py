"""What belongs to a spectrum: backgrounds that are missing or broken, responses, equal names."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from survey.errors import DataError, SurveyWarning
from survey.latents.grid import Grid
from survey.latents.xray.responses import read_rmf
from survey.latents.xray.spectra import load_spectra
from tests.latents.xray.files import CHANNELS, COUNTS, rmf, spectrum, write

GRID = Grid(np.linspace(1.0, 9.0, CHANNELS + 1), "keV")


def pack(folder: Path) -> Path:
    write(folder / "small.rmf", *rmf(np.eye(CHANNELS)))
    return write(folder / "a.pha", spectrum(BACKFILE="b.pha"))


def _broken(path: Path) -> None:
    path.write_bytes(b"no spectrum")


def _cut(path: Path) -> None:
    write(path, spectrum())
    path.write_bytes(path.read_bytes()[:3000])


def _other_channels(path: Path) -> None:
    write(path, spectrum([fits.Column("CHANNEL", "J", array=np.arange(8))]))


def _no_size(path: Path) -> None:
    scale = fits.Column("BACKSCAL", "D", array=np.full(CHANNELS, -1.0))
    write(path, spectrum([scale]))


BROKEN = {
    "missing": lambda path: None,
    "broken": _broken,
    "cut": _cut,
    "folder": lambda path: path.mkdir(),
    "channels": _other_channels,
    "no-size": _no_size,
    "events": lambda path: write(path, spectrum(EXTNAME="EVENTS", HDUCLAS1="EVENTS")),
}


@pytest.mark.parametrize("damage", BROKEN)
def test_a_background_that_cannot_be_used_is_an_error_a_warning_or_not_wanted(tmp_path, damage):
    path = pack(tmp_path)
    BROKEN[damage](tmp_path / "b.pha")
    required = load_spectra([path], grid=GRID)
    assert required.spectra is None
    (error,) = required.failures
    assert error.expected
    assert error.found
    with pytest.warns(SurveyWarning, match="a is read without its background"):
        optional = load_spectra([path], grid=GRID, background="optional")
    none = load_spectra([path], grid=GRID, background="none")
    for loaded in (optional, none):
        assert loaded.failures == ()
        assert loaded.spectra is not None
        assert np.array_equal(loaded.spectra.values[0], COUNTS)
        assert not loaded.spectra.background.any()


def test_a_good_background_is_used_unless_none_is_wanted(tmp_path):
    path = pack(tmp_path)
    write(tmp_path / "b.pha", spectrum(HDUCLAS2="BKG", BACKSCAL=4e-6))
    for policy, part in (("required", 0.25), ("optional", 0.25), ("none", 0.0)):
        spectra = load_spectra([path], grid=GRID, background=policy).spectra
        assert spectra is not None
        np.testing.assert_allclose(spectra.background[0], part * COUNTS)


def test_files_of_one_name_have_as_many_folders_in_their_names_as_they_need(tmp_path):
    paths = []
    for folder in ("x/obs", "y/obs", "y/other"):
        (tmp_path / folder).mkdir(parents=True)
        paths.append(write(tmp_path / folder / "src.pi", spectrum()))
        write(tmp_path / folder / "small.rmf", *rmf(np.eye(CHANNELS)))
    shutil.copy(paths[0], tmp_path / "y" / "src.fits")
    write(tmp_path / "y" / "small.rmf", *rmf(np.eye(CHANNELS)))
    loaded = load_spectra([*paths, tmp_path / "y" / "src.fits"], grid=GRID)
    assert loaded.failures == ()
    assert loaded.spectra is not None
    assert list(loaded.spectra.ids) == ["x-obs-src", "y-obs-src", "other-src", "y-src"]


def test_one_file_given_twice_is_said(tmp_path):
    path = write(tmp_path / "a.pha", spectrum())
    write(tmp_path / "small.rmf", *rmf(np.eye(CHANNELS)))
    (error,) = load_spectra([path, path], grid=GRID).failures
    assert "there is a spectrum named a already" in str(error)


def test_a_response_of_the_command_line_stands_above_that_of_the_file(tmp_path):
    path = write(tmp_path / "a.pha", spectrum(RESPFILE="lost.rmf"))
    (error,) = load_spectra([path], grid=GRID).failures
    assert "--response" in str(error)
    named = write(tmp_path / "named.rmf", *rmf(np.eye(CHANNELS)))
    spectra = load_spectra([path], grid=GRID, response=named).spectra
    assert spectra is not None
    assert np.array_equal(spectra.values[0], COUNTS)


def test_several_matrices_over_the_same_energies_are_added(tmp_path):
    first, bounds = rmf(0.75 * np.eye(CHANNELS))
    second, _ = rmf(0.25 * np.roll(np.eye(CHANNELS), 1, axis=1))
    response = read_rmf(write(tmp_path / "two.rmf", first, second, bounds))
    expected = 0.75 * np.eye(CHANNELS) + 0.25 * np.roll(np.eye(CHANNELS), 1, axis=1)
    np.testing.assert_allclose(response.matrix.toarray(), expected, atol=1e-7)


def test_several_matrices_over_different_energies_are_refused(tmp_path):
    first, bounds = rmf(np.eye(CHANNELS))
    second, _ = rmf(np.eye(CHANNELS)[:4])
    path = write(tmp_path / "two.rmf", first, second, bounds)
    with pytest.raises(DataError, match=r"2 matrices .*expected 8 bins.*found 4 bins"):
        read_rmf(path)


def with_element(value: float) -> list[fits.BinTableHDU]:
    """A matrix of which the last element of the first row has another value."""

    def change(columns: dict) -> None:
        columns["MATRIX"][1][0][-1] = value

    matrix = np.eye(CHANNELS)
    matrix[0, 1] = 0.5
    return rmf(matrix, change=change)


def test_elements_a_little_below_zero_are_zero_and_said(tmp_path):
    path = write(tmp_path / "small.rmf", *with_element(-1e-5))
    with pytest.warns(SurveyWarning, match=r"small\.rmf: 1 of 9 elements .*-1e-05"):
        matrix = read_rmf(path).matrix.toarray()
    assert np.array_equal(matrix, np.eye(CHANNELS))


@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf])
def test_elements_far_below_zero_or_not_finite_are_refused(tmp_path, value):
    path = write(tmp_path / "small.rmf", *with_element(value))
    with pytest.raises(DataError, match=r"small\.rmf: .*not probabilities; expected .*found"):
        read_rmf(path)
