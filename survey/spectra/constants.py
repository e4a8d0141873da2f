"""Constants of nature and of statistics, in the units of spectra."""

from math import pi, sqrt
from statistics import NormalDist

from astropy.stats import gaussian_sigma_to_fwhm
from scipy.constants import speed_of_light

LIGHT_KM_S = speed_of_light / 1e3
LIGHT_UM_S = speed_of_light * 1e6
"""Also micron times hertz: a wavelength times its frequency."""

FWHM_PER_SIGMA = float(gaussian_sigma_to_fwhm)
"""Of a Gaussian."""

MEDIAN_ABS_PER_SIGMA = NormalDist().inv_cdf(0.75)
"""Median absolute value of normal noise of unit standard deviation."""

MEDIAN_OVER_MEAN_ERROR = sqrt(pi / 2)
"""Standard error of a median over that of a mean, of many normal values."""
