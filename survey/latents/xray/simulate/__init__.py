"""Counted X-ray spectra of sources of known class, as the Chandra Source Catalog has them.

`emission`, `plasma` and `absorption` are the physics. `sources` draws sources from the ranges of
their class (`classes.toml`), `observation` describes how they are observed, and `survey` simulates
their spectra and keeps the truth.
"""

from survey.latents.xray.simulate.sources import class_names
from survey.latents.xray.simulate.survey import SimulatedXray, XrayTruth, simulate_xray

__all__ = ["SimulatedXray", "XrayTruth", "class_names", "simulate_xray"]
