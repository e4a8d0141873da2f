"""Matched planes have one resolution, and keep the level of the light."""

import numpy as np
import pytest

from survey.spectra.psf.match import kernel_variance, matched
from survey.spectra.psf.profiles import RoundProfile

FWHM = np.array([2.0, 2.5, 3.0])
SIDE = 31
Y, X = (axis.ravel() for axis in np.indices((SIDE, SIDE)))


def match(flux, error=None, kept=slice(None), shape="gaussian"):
    error = np.ones_like(flux) if error is None else error
    variance = kernel_variance(RoundProfile(FWHM, shape))
    return matched(flux, Y[kept], X[kept], slice(0, len(flux)), error, variance)


@pytest.mark.parametrize(("shape", "most"), [("gaussian", 0.03), ("moffat", 0.03)])
def test_a_point_source_looks_alike_in_all_planes(shape, most):
    share = RoundProfile(FWHM, shape).share(Y - 15.2, X - 14.9)
    before, after = share, match(share, shape=shape)[0]

    def unlike(planes):
        return np.abs(planes - planes[:, -1:]).max() / planes[:, -1].max()

    assert unlike(after) < most < 0.1 * unlike(before)
    assert after[:, -1] == pytest.approx(before[:, -1], abs=1e-7), "the widest stays"


def test_the_level_stays_at_the_edge_and_beside_missing_spaxels():
    kept = np.hypot(Y - 10, X - 20) > 3
    flux = np.tile([5.0, 6.0, 7.0], (np.count_nonzero(kept), 1))
    assert match(flux, kept=kept)[0] == pytest.approx(flux, rel=1e-6)


def test_errors_of_independent_spaxels_are_those_of_the_sums():
    rng = np.random.default_rng(0)
    inner = (np.abs(Y - 15) < 10) & (np.abs(X - 15) < 10)
    draws = [match(rng.normal(size=(SIDE**2, 3))) for _ in range(10)]
    flux, error = np.stack([flux[inner] for flux, _ in draws]), draws[0][1]
    assert flux.std(axis=(0, 1)) / error[inner].mean(axis=0) == pytest.approx(1.0, abs=0.06)
    assert error[inner, 0].max() < 0.5 < error[inner, 2].min(), "averaging takes noise off"


def test_rows_in_pieces_are_those_of_the_whole():
    flux = np.random.default_rng(2).uniform(size=(SIDE**2, 3))
    whole, _ = match(flux)
    part = slice(200, 260)
    variance = kernel_variance(RoundProfile(FWHM, "gaussian"))
    piece, _ = matched(flux, Y, X, part, np.ones((60, 3)), variance)
    assert np.array_equal(piece, whole[part])
