"""Lines, PAH bands and the continuum slope of cluster spectra: arrays in, numbers out.

`spectrum` brings a spectrum to one set of units. `velocity` (with `matched_filter`) finds the
velocity of its lines, and `width` their width. `windows` and `continuum` integrate lines over a
local continuum. `empirical_noise` measures errors in line-free windows, and `fringes` finds
periodic residuals; `background` holds all of these. `lines` (with `blends`) and `pah` measure
fluxes, `slope` the continuum. `measurements` combines everything and sets limits and quality bits.
"""
