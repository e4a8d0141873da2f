from dataclasses import replace

import numpy as np
import pytest

from catalogs.reference import packaged_reference
from survey.simulate.galaxy import Disc
from survey.simulate.observation import Observation
from survey.simulate.scene import Scene
from survey.simulate.spectra import MJY_IN_W_M2_HZ
from survey.simulate.truth import find_truth
from survey.spectra.constants import FWHM_PER_SIGMA, LIGHT_KM_S, LIGHT_UM_S

NEON_UM = 12.81355 * 1.01


def _line_alone(model, observation):
    """The cube of a galaxy less that of the same galaxy without lines."""
    bare = tuple(replace(c, spectrum=replace(c.spectrum, line_ew_um=0.0)) for c in model.components)
    without = Scene(replace(model, components=bare), observation).cube()
    return Scene(model, observation).cube().astype(float) - without


@pytest.fixture(scope="module")
def around_neon():
    return Observation(shape=(24, 24), window=(12.85, 13.03))


def test_a_point_source_has_the_flux_and_the_width_it_was_given(point_model):
    observation = Observation(shape=(40, 40), window=(14.8, 14.9))
    image = Scene(point_model, observation).cube()[10].astype(float)
    rest_um = observation.wavelength_um[[10]] / 1.01
    spectrum = point_model.components[0].spectrum
    expected_jy = 0.1 * (spectrum.continuum(rest_um) + spectrum.bands(rest_um))[0]
    assert image.sum() * 1e6 * observation.spaxel_sr == pytest.approx(expected_jy, rel=2e-3)

    # A law in every direction: the area brighter than half the peak of a finely sampled PSF.
    y, x = np.unravel_index(image.argmax(), image.shape)
    fwhm = float(packaged_reference().psf_fwhm_arcsec("MIRI/MRS", 14.85))
    steps = np.hypot(*(np.indices(image.shape) - np.array([y, x])[:, None, None])) * 0.2
    assert image[steps > 0.75 * fwhm].max() < image.max() / 2 < image[steps < 0.25 * fwhm].min()


def test_an_unresolved_line_has_the_resolving_power_of_the_instrument(point_model, around_neon):
    line = _line_alone(point_model, around_neon).sum(axis=(1, 2))
    wavelength = around_neon.wavelength_um
    centre = np.average(wavelength, weights=line)
    variance = np.average((wavelength - centre) ** 2, weights=line) - 0.0025**2 / 12
    assert centre == pytest.approx(NEON_UM, rel=2e-6)
    power = centre / (np.sqrt(variance) * FWHM_PER_SIGMA)
    assert power == pytest.approx(
        float(packaged_reference().resolving_power("MIRI/MRS", centre)), rel=0.01
    )


def test_a_line_summed_over_the_cube_is_its_true_flux(model, around_neon):
    line = _line_alone(model, around_neon).sum(axis=(1, 2))
    bandwidth_hz = -np.diff(LIGHT_UM_S / around_neon.edges_um)
    measured = (line * bandwidth_hz).sum() * around_neon.spaxel_sr * MJY_IN_W_M2_HZ

    truth = find_truth(Scene(model, around_neon), np.ones(around_neon.shape))
    neon = truth.lines[truth.lines["line"] == "NeII_12.81"]
    assert measured == pytest.approx(neon["flux_in_cube"].value.sum(), rel=1e-3)
    assert measured == pytest.approx(neon["flux"].value.sum(), rel=0.15)
    point = neon[neon["component"] == 0]
    assert 0.97 < point["flux_in_cube"].value[0] / point["flux"].value[0] <= 1


def test_lines_of_a_disc_move_with_its_rotation(model, around_neon):
    disc = next(c for c in model.components if isinstance(c, Disc))
    rotating = replace(model, components=(disc,))
    line = _line_alone(rotating, around_neon)
    centre = np.tensordot(around_neon.wavelength_um, line, axes=1) / line.sum(axis=0)
    measured_km_s = (centre / NEON_UM - 1) * LIGHT_KM_S
    truth = find_truth(Scene(rotating, around_neon), np.ones(around_neon.shape))
    np.testing.assert_allclose(measured_km_s, truth.velocity_km_s, atol=3)
    assert np.ptp(truth.velocity_km_s) > 150


def test_a_plane_does_not_depend_on_the_planes_rendered_with_it(model):
    whole = Observation(shape=(8, 8), window=(12.5, 13.1))
    part = Observation(shape=(8, 8), window=(12.85, 13.1))
    np.testing.assert_allclose(
        Scene(model, whole).cube()[-100:], Scene(model, part).cube(), rtol=1e-5
    )
