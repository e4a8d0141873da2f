"""Constants of nature and of statistics, in the units of spectra."""

from math import log, pi, sqrt
from statistics import NormalDist

LIGHT_M_S = 299_792_458.0
"""Exact: it defines the metre."""

LIGHT_KM_S = LIGHT_M_S / 1e3
LIGHT_UM_S = LIGHT_M_S * 1e6
"""Also micron times hertz: a wavelength times its frequency."""

FWHM_PER_SIGMA = 2.0 * sqrt(2.0 * log(2.0))
"""Of a Gaussian."""

MEDIAN_ABS_PER_SIGMA = NormalDist().inv_cdf(0.75)
"""Median absolute value of normal noise of unit standard deviation."""

MEDIAN_OVER_MEAN_ERROR = sqrt(pi / 2)
"""Standard error of a median over that of a mean, of many normal values."""
