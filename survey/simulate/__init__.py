"""Galaxies of known truth, written as FITS files like the JWST pipeline's MIRI/MRS cubes.

`galaxy` says what a galaxy consists of, `spectra` what its components emit, `observation` how
it is looked at; `scene` puts them together, `noise` and `cube` spoil the result as the
instrument does, `truth` keeps what is true and `write` writes both. `recipes` and `archive`
make many galaxies.
"""

from survey.simulate.archive import simulate_archive
from survey.simulate.cube import simulate_galaxy

__all__ = ["simulate_archive", "simulate_galaxy"]
