"""Lines, PAH bands and the continuum slope of cluster spectra: arrays in, numbers out.

`spectrum` brings a spectrum to one set of units; `velocity` (by way of `scan`) finds where its
lines are; `background` is what they stand out from: `windows` and `continuum` integrate, also
where there is nothing (`blanks`), and `fringes` looks for waves. `lines` (with `blends`) and
`pah` measure, `measure` judges and puts all together. `slope` is for the continuum itself.
"""
