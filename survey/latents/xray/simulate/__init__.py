"""Counted X-ray spectra of sources of known class, as the Chandra Source Catalog has them.

`emission`, `plasma` and `absorption` are the physics, `sources` draws sources from the ranges
of their class (`classes.toml`), `observation` says how they are looked at, `survey` puts all
together and keeps what is true.
"""

from survey.latents.xray.simulate.sources import class_names
from survey.latents.xray.simulate.survey import SimulatedXray, XrayTruth, simulate_xray

__all__ = ["SimulatedXray", "XrayTruth", "class_names", "simulate_xray"]
