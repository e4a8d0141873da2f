"""Notebooks get the clusters of `survey run`, and errors that name the argument."""

import numpy as np
import pytest
from astropy import units as u

import survey
from survey.errors import ConfigError, DataError, SurveyWarning


@pytest.fixture(scope="module")
def cube(targets):
    return survey.read(targets[0].files[0])


def of_run(run, galaxy):
    image, _ = survey.open(run).spaxel_map(galaxy)
    return image


@pytest.mark.parametrize("given", ["file", "cube", "stored cube"])
def test_the_labels_are_those_of_the_command_line(run, targets, cube, folder, given):
    target = targets[0]
    source = {
        "file": target.files[0],
        "cube": cube,
        "stored cube": survey.open(run).cube(target.galaxy),
    }[given]
    result = survey.cluster(source, redshift=target.redshift, folder=folder)
    expected = of_run(run, target.galaxy)
    assert expected.max() > 1
    np.testing.assert_array_equal(result.labels, expected)


def test_a_redshift_that_is_off_is_a_warning(targets, cube, folder):
    off = targets[0].redshift + 0.002  # 600 km/s
    with pytest.warns(SurveyWarning, match="redshift or the wavelengths may be wrong"):
        survey.cluster(cube, redshift=off, folder=folder)


def test_another_k_cuts_the_tree_that_is_there(targets, cube, folder):
    trees = set(folder.glob("parts/*/tree-*"))
    results = [survey.cluster(cube, redshift=0.0133, k=k, folder=folder) for k in (3, 5)]
    assert [int(result.labels.max()) for result in results] == [3, 5]
    assert len(set(folder.glob("parts/*/tree-*")) - trees) <= 1


def test_a_cube_that_was_changed_is_clustered_as_it_is_now(targets, cube, folder):
    changed = cube.isel(x=slice(2, 11), y=slice(1, 12)).copy(deep=True)
    changed["flux"][:, 4, 4] = np.nan
    result = survey.cluster(changed, redshift=0.0133, k=2, folder=folder)
    assert result.labels.shape == (11, 9)
    assert result.labels[4, 4] == 0
    assert int(result.map("flags").notnull().sum()) == 99
    whole = survey.wcs(cube).pixel_to_world(2 + 3, 1 + 5)
    assert result.wcs.pixel_to_world(3, 5).separation(whole) < 1e-6 * u.arcsec
    assert survey.wcs(changed).pixel_to_world(3, 5).separation(whole) < 1e-6 * u.arcsec
    place = result.labels[5, 3]
    assert place.ra.item() == pytest.approx(whole.ra.deg, abs=1e-9)
    assert place.dec.item() == pytest.approx(whole.dec.deg, abs=1e-9)


def test_labels_select_spaxels_of_the_cube(targets, cube, folder):
    result = survey.cluster(cube, redshift=targets[0].redshift, k=3, folder=folder)
    for number, row in enumerate(result.table("clusters"), start=1):
        assert int((result.labels == number).sum()) == row["n_spaxel"]
    spectra = result.table("spectra")
    assert spectra["median"].unit == u.MJy / u.sr
    assert spectra["wavelength_um"].unit == u.um
    bright = cube.flux.where(result.labels == 1).median(("y", "x"))
    rest = cube.wavelength / (1 + targets[0].redshift)
    ours = np.interp(13.0, rest, bright)
    stated = np.interp(13.0, spectra["wavelength_um"][0].value, spectra["median"][0].value)
    assert stated == pytest.approx(ours, rel=0.1)


def test_features_have_units_and_can_be_the_detected_ones(targets, cube, folder):
    result = survey.cluster(cube, redshift=targets[0].redshift, k=3, folder=folder)
    table = result.features()
    assert table["flux"].unit == u.W / u.m**2 / u.arcsec**2
    found = result.features(detected=True)
    assert 0 < len(found) < len(table)
    assert found["detected"].all()
    assert "NeII_12.81" in set(found["feature"])


def test_the_plot_has_a_map_and_the_spectra(targets, cube, folder):
    import matplotlib.pyplot as plt

    plt.switch_backend("svg")
    result = survey.cluster(cube, redshift=targets[0].redshift, k=3, folder=folder)
    sky, spectral = result.plot()
    assert plt.get_backend() == "svg", "the backend of a notebook stays"
    assert len(spectral.lines) >= 3
    (spaxels,) = sky.collections[:1]
    assert len(spaxels.get_paths()) == len(result.table("spaxels"))
    plt.close(sky.figure)


def test_spectra_are_those_of_specutils(targets, cube, folder):
    pytest.importorskip("specutils")
    result = survey.cluster(cube, redshift=targets[0].redshift, k=3, folder=folder)
    spectra = result.spectra
    assert [spectrum.meta["cluster"] for spectrum in spectra] == [1, 2, 3]
    table = result.table("spectra")
    assert spectra[0].flux.unit == u.MJy / u.sr
    assert spectra[0].spectral_axis.unit == u.um
    np.testing.assert_array_equal(spectra[1].flux, table["median"][1])
    np.testing.assert_array_equal(spectra[1].uncertainty.array, table["err"][1].value)


def test_without_specutils_the_error_says_what_to_install(targets, cube, folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "specutils", None)
    result = survey.cluster(cube, redshift=targets[0].redshift, k=3, folder=folder)
    with pytest.raises(ConfigError, match=r"specutils.*not installed.*pip install specutils"):
        result.spectra  # noqa: B018


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "^.*redshift: unknown"),
        ({"redshift": 4892}, "redshift: no galaxy has it.*found 4892.*0.0163"),
        ({"redshift": "near"}, "redshift: not a number; found 'near'"),
        ({"redshift": 0.01, "k": 0}, "k: not a number of clusters.*found 0"),
        ({"redshift": 0.01, "k": 2.5}, r"k: not a number.*found 2\.5"),
        ({"redshift": 0.01, "preset": "paper"}, "preset: unknown; expected default or gatos"),
        ({"redshift": 0.01, "settings": {"cut.kk": 3}}, r"settings: cut\.kk"),
        ({"redshift": 0.01, "settings": {"prepare.window": "ch9"}}, "prepare.window"),
        ({"redshift": 0.01, "settings": 3}, "settings: neither a mapping nor a file"),
    ],
)
@pytest.mark.parametrize("form", ["file", "cube"])
def test_errors_name_the_argument(targets, cube, folder, arguments, message, form):
    source = cube if form == "cube" else targets[0].files[0]
    with pytest.raises(ConfigError, match=message):
        survey.cluster(source, folder=folder, **arguments)


def test_cubes_that_are_none_are_refused_by_name(cube, tmp_path, folder):
    with pytest.raises(ConfigError, match=r"nowhere.fits: cube: no such file"):
        survey.cluster(tmp_path / "nowhere.fits", redshift=0.0)
    with pytest.raises(ConfigError, match="files: no files"):
        survey.read([])
    with pytest.raises(ConfigError, match=r"cube: not files.*found 3"):
        survey.cluster(3, redshift=0.0)
    with pytest.raises(ConfigError, match=r"cube: not a cube.*found variables"):
        survey.cluster(cube.rename(flux="light"), redshift=0.0, folder=folder)
    with pytest.raises(ConfigError, match="cube: attributes are missing: flux_unit"):
        survey.cluster(cube.drop_attrs(deep=False), redshift=0.0, folder=folder)
    with pytest.raises(ConfigError, match=r"cube: its spaxels along x are not neighbours"):
        survey.cluster(cube.isel(x=slice(0, 12, 2)), redshift=0.0, folder=folder)
    text = tmp_path / "text.fits"
    text.write_text("no cube")
    with pytest.raises(DataError, match=r"text\.fits"):
        survey.read(text)
    with pytest.raises(ConfigError, match=f"{text.name}: folder: not a folder"):
        survey.cluster(cube, redshift=0.0, folder=text)


def test_maps_of_unknown_columns_are_refused(targets, cube, folder):
    result = survey.cluster(cube, redshift=targets[0].redshift, k=3, folder=folder)
    with pytest.raises(ConfigError, match=r"column: no such column.*snr.*found 'signal'"):
        result.map("signal")
    with pytest.raises(ConfigError, match=r"name: no such table.*found 'lines'"):
        result.table("lines")
