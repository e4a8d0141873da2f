"""The speed of light, in the units of spectra."""

from scipy.constants import speed_of_light

LIGHT_KM_S = speed_of_light / 1e3
LIGHT_UM_S = speed_of_light * 1e6
"""Also micron times hertz: a wavelength times its frequency."""
