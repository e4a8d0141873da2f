"""Galaxies of known truth, written as FITS files like the JWST pipeline's MIRI/MRS cubes.

`galaxy` describes the components of a galaxy, `spectra` their emission, and `observation` how it is
observed. `scene` makes the noiseless cube, `noise` and `cube` add the noise and faults of the
instrument, `truth` has the true components, and `write` writes both. `recipes` and `archive` make
many galaxies.
"""

from survey.simulate.archive import simulate_archive
from survey.simulate.cube import simulate_galaxy

__all__ = ["simulate_archive", "simulate_galaxy"]
