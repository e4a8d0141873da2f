"""Files that a cube is read with are part of what its results depend on."""

import numpy as np
from astropy.io import fits

from survey.config import build_settings
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.galaxy.target import Target


def test_a_changed_error_file_means_another_key(tmp_path):
    cube, errors = tmp_path / "cube.fits", tmp_path / "cube_unc.fits"
    fits.PrimaryHDU(np.ones((5, 2, 2))).writeto(cube)
    plain = build_settings({})
    named = build_settings({"read": {"generic": {"flux": 0, "error": "{name}_unc.fits"}}})

    def key(settings):
        return GalaxyRunner(Target("n", (cube,)), settings, tmp_path).keys["read"]

    absent, unnamed = key(named), key(plain)
    fits.PrimaryHDU(np.ones((5, 2, 2))).writeto(errors)
    present = key(named)
    fits.PrimaryHDU(np.full((5, 2, 2), 2.0)).writeto(errors, overwrite=True)
    assert len({absent, present, key(named)}) == 3
    assert key(plain) == unnamed
