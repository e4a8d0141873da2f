"""Prepared spectra of a galaxy with a bright nucleus: what is left when it has been subtracted."""

import numpy as np
import pytest

from survey.config import PrepareSettings
from survey.spectra.fill import REASONS, reason_code
from survey.spectra.prepare import prepare
from survey.spectra.psf.profiles import RoundProfile

SIDE, PLANES = 25, 240
WAVELENGTH_UM = 12.0 + 0.0025 * np.arange(PLANES)
PSF = RoundProfile(np.linspace(2.2, 2.6, PLANES))
Y, X = (axis.ravel() for axis in np.indices((SIDE, SIDE)))
CENTRE = (12.1, 11.8)
NOISE = 0.2


def line(centre, width=3.0):
    return np.exp(-0.5 * ((np.arange(PLANES) - centre) / width) ** 2)


NUCLEUS = 400.0 * (1 + 2.0 * line(60) + np.linspace(0, 0.3, PLANES))
HOST = (4.0 + np.linspace(-0.5, 0.5, PLANES)) * (1 + 1.5 * line(150))


def cube(nucleus=NUCLEUS, host=HOST, seed=0):
    rng = np.random.default_rng(seed)
    share = PSF.share(Y - CENTRE[0], X - CENTRE[1])
    flux = share * nucleus + host + NOISE * rng.normal(size=share.shape)
    return (
        flux.astype(np.float32),
        np.full(flux.shape, NOISE, np.float32),
        np.zeros(flux.shape, bool),
    )


def prepared(tables, psf="subtract", **settings):
    return prepare(
        *tables,
        WAVELENGTH_UM,
        redshift=0.0,
        settings=PrepareSettings(psf=psf, **settings),
        positions=(Y, X),
        psf=PSF,
    )


@pytest.fixture(scope="module")
def subtracted():
    return prepared(cube())


def test_what_is_left_is_the_host(subtracted):
    rest = (subtracted.flux - HOST) / NOISE
    near = np.hypot(Y[subtracted.spaxels] - CENTRE[0], X[subtracted.spaxels] - CENTRE[1]) < 5
    assert np.count_nonzero(near) > 40
    assert abs(rest[near].mean()) < 0.05
    assert np.abs(rest[near].mean(axis=0)).max() < 5 / np.sqrt(near.sum()) + 0.5


def test_the_noise_of_what_is_left_holds_that_of_the_point_source(subtracted):
    scatter = (subtracted.flux - HOST).std(axis=1)
    assert np.median(subtracted.noise / scatter) == pytest.approx(1.0, abs=0.1)
    nearest = np.argmin(np.hypot(Y[subtracted.spaxels] - 12.1, X[subtracted.spaxels] - 11.8))
    assert subtracted.noise[nearest] < 1.5 * NOISE


def test_the_spectrum_of_the_point_source_agrees_within_its_errors(subtracted):
    source = subtracted.point_source
    pull = (source.spectrum - NUCLEUS) / source.error
    assert abs(pull.mean()) < 1.0
    assert 0.7 < pull.std() < 1.3
    assert np.hypot(*np.subtract(source.centre, CENTRE)) < 0.1


def test_spaxels_that_the_point_source_leaves_nothing_are_its_own(subtracted):
    source = subtracted.point_source
    true = PSF.share(Y - CENTRE[0], X - CENTRE[1]) @ NUCLEUS
    true_share = true / (true + HOST.sum())
    assert source.point_share == pytest.approx(true_share, abs=0.02)
    expected = np.flatnonzero(true_share > 0.7)
    assert set(source.spaxels) == set(expected)
    assert (subtracted.outcome[source.spaxels] == reason_code("point source")).all()
    assert len(subtracted.spaxels) + len(source.spaxels) == SIDE**2


def test_errors_grow_by_that_of_the_point_source():
    tables = cube()
    before, after = prepared(tables, psf="none"), prepared(tables)
    row = np.flatnonzero(np.isin(before.spaxels, after.spaxels))
    # error_ratio is measured noise over error; noise hardly changes.
    ratio = (before.error_ratio[row] / before.noise[row]) / (after.error_ratio / after.noise)
    share = PSF.share(Y[after.spaxels] - CENTRE[0], X[after.spaxels] - CENTRE[1])
    of_source = np.median(share * after.point_source.error, axis=1) / NOISE
    assert of_source.max() > 0.1
    assert ratio == pytest.approx(np.sqrt(1 + np.square(of_source)), rel=2e-3)


def test_a_galaxy_without_a_point_source_stays_as_it_is():
    tables = cube(nucleus=0.0 * NUCLEUS)
    found, usual = prepared(tables), prepared(tables, psf="none")
    assert found.point_source is None
    assert np.array_equal(found.flux, usual.flux)
    assert np.array_equal(found.spaxels, usual.spaxels)


def test_a_point_source_alone_leaves_nothing_to_cluster():
    from survey.errors import DataError

    with pytest.raises(DataError, match="too few spaxels") as raised:
        prepared(cube(host=0.0 * HOST))
    assert "point source" in raised.value.found


def test_matched_planes_of_a_point_source_have_one_shape():
    tables = cube(nucleus=400.0 * np.ones(PLANES), host=0.5 * np.ones(PLANES))
    usual, matched = (prepared(tables, psf=psf) for psf in ("none", "match"))

    def tilt(found):
        """Red over blue at the centre, where a narrower PSF is brighter."""
        row = np.argmin(np.hypot(Y[found.spaxels] - 12.1, X[found.spaxels] - 11.8))
        return found.flux[row, -40:].mean() / found.flux[row, :40].mean()

    assert tilt(usual) < 0.85
    assert tilt(matched) == pytest.approx(1.0, abs=0.03)
    assert matched.noise.mean() < 0.8 * usual.noise.mean()


def test_every_reason_has_a_code():
    assert [reason_code(reason) for reason in REASONS] == list(range(len(REASONS)))
