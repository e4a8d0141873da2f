"""The declaration of the columns of lines and bands, in `clusters` and in `measurements`."""

from __future__ import annotations

import pyarrow as pa

from catalogs.columns import BOOL, CLUSTERS, DOUBLE, SHORT, STRING, Column
from catalogs.flags import FEATURES, describe_flags

LINE_FLUX_UNIT = "W m-2 arcsec-2"
"""Lines and bands are surface brightnesses of the median spectrum of a cluster."""

REGION_FLUX_UNIT = "W m-2"
"""Those of the whole region are fluxes of the sum of its spaxels."""


FEATURE_FAMILY = (
    Column(
        "flux_{feature}", DOUBLE, LINE_FLUX_UNIT, "phot.flux.sb;{ucd}",
        "Surface brightness of {label} as measured, also where it is not detected or negative",
    ),
    Column(
        "err_{feature}", DOUBLE, LINE_FLUX_UNIT, "stat.error;phot.flux.sb;{ucd}",
        "Standard error of flux_{feature}, from line-free windows and the fringes of the continuum",
    ),
    Column(
        "detected_{feature}", BOOL, "", "meta.code.qual;phot.flux.sb;{ucd}",
        "Whether {label} is detected; false also where it is not covered (flux_{feature} missing)",
    ),
    Column(
        "limit_{feature}", DOUBLE, LINE_FLUX_UNIT, "phot.flux.sb;{ucd};stat.max",
        "Upper limit: the true surface brightness of {label} is below (99.7%), detected or not",
    ),
    Column(
        "quality_{feature}", SHORT, "", "meta.code.qual;phot.flux.sb;{ucd}",
        f"Quality bits of flux_{{feature}}: {describe_flags(FEATURES)}",
    ),
    Column(
        "ew_{feature}", DOUBLE, "um", "spect.line.eqWidth;{ucd}",
        "Equivalent width of {label} in the rest frame, positive for emission; missing where the "
        "continuum is not significant",
    ),
    Column(
        "ewerr_{feature}", DOUBLE, "um", "stat.error;spect.line.eqWidth;{ucd}",
        "Standard error of ew_{feature}, that of the continuum included",
    ),
)  # fmt: skip
"""Columns that every line and band has; missing where the spectrum does not reach it."""

REGION_FAMILY = (
    Column(
        "region_flux_{feature}", DOUBLE, REGION_FLUX_UNIT, "phot.flux;{ucd}",
        "Flux of {label} of the whole region as measured, in the sum of its spaxels",
    ),
    Column(
        "region_err_{feature}", DOUBLE, REGION_FLUX_UNIT, "stat.error;phot.flux;{ucd}",
        "Standard error of region_flux_{feature}",
    ),
)  # fmt: skip
"""The same of the sum spectrum."""

BRIGHT_LINE_FAMILY = (
    Column(
        "velocity_{feature}", DOUBLE, "km s-1", "spect.dopplerVeloc;{ucd}",
        "Velocity of {label} alone against the redshift of the galaxy, missing where the line "
        "is too faint",
    ),
)  # fmt: skip
"""Columns of the lines that are looked for one by one, besides those of all features."""


def _required(name: str, type: pa.DataType, unit: str, ucd: str, description: str) -> Column:
    return Column(name, type, unit, ucd, description, required=True)


MEASUREMENTS = (
    *(column for column in CLUSTERS if column.name in ("galaxy", "cluster")),
    _required("feature", STRING, "", "meta.id", "Name of the line or band"),
    _required("kind", STRING, "", "meta.code", "line or band"),
    _required(
        "wavelength_um", DOUBLE, "um", "em.wl",
        "Rest wavelength in vacuum; of a band the middle of its integration",
    ),
    Column(
        "flux", DOUBLE, LINE_FLUX_UNIT, "phot.flux.sb",
        "Surface brightness in the median spectrum as measured, also where it is not detected",
    ),
    Column(
        "err", DOUBLE, LINE_FLUX_UNIT, "stat.error;phot.flux.sb",
        "Standard error of flux, from line-free windows and the fringes of the continuum",
    ),
    Column(
        "err_propagated", DOUBLE, LINE_FLUX_UNIT, "stat.error;phot.flux.sb",
        "Standard error of flux, propagated from the errors of the spectrum",
    ),
    Column("detected", BOOL, "", "meta.code.qual", "Whether it is detected in the median spectrum"),
    Column(
        "limit", DOUBLE, LINE_FLUX_UNIT, "phot.flux.sb;stat.max",
        "Upper limit: the true flux is below (99.7%), detected or not",
    ),
    Column(
        "quality", SHORT, "", "meta.code.qual", f"Quality bits: {describe_flags(FEATURES)}"
    ),
    Column(
        "continuum", DOUBLE, "", "phot.flux.density.sb;spect.continuum",
        "Continuum under it in the median spectrum, in the flux_unit of the galaxy",
    ),
    Column(
        "ew", DOUBLE, "um", "spect.line.eqWidth",
        "Equivalent width in the rest frame, positive for emission; missing where the continuum "
        "is not significant",
    ),
    Column("ew_err", DOUBLE, "um", "stat.error;spect.line.eqWidth", "Standard error of ew"),
    Column(
        "region_flux", DOUBLE, REGION_FLUX_UNIT, "phot.flux",
        "Flux of the whole region as measured, in the sum of its spaxels",
    ),
    Column(
        "region_err", DOUBLE, REGION_FLUX_UNIT, "stat.error;phot.flux",
        "Standard error of region_flux",
    ),
    Column(
        "luminosity", DOUBLE, "W", "phys.luminosity",
        "Luminosity of the whole region: region_flux at the distance_mpc of the galaxy, not "
        "corrected for extinction",
    ),
    Column(
        "luminosity_err", DOUBLE, "W", "stat.error;phys.luminosity",
        "Standard error of luminosity by that of region_flux, without that of the distance",
    ),
    Column(
        "region_detected", BOOL, "", "meta.code.qual",
        "Whether it is detected in the sum of the spaxels",
    ),
    Column(
        "region_limit", DOUBLE, REGION_FLUX_UNIT, "phot.flux;stat.max",
        "Upper limit of the flux of the whole region (99.7%)",
    ),
    Column(
        "region_quality", SHORT, "", "meta.code.qual", "Quality bits of region_flux, as in quality"
    ),
    Column(
        "velocity_km_s", DOUBLE, "km s-1", "spect.dopplerVeloc",
        "Velocity of the line alone in the median spectrum, missing where it is too faint",
    ),
    Column(
        "fwhm_km_s", DOUBLE, "km s-1", "spect.line.width",
        "FWHM of the line alone by motion in the median spectrum, missing where it is too faint",
    ),
    Column(
        "fwhm_err_km_s", DOUBLE, "km s-1", "stat.error;spect.line.width",
        "Standard error of fwhm_km_s",
    ),
)  # fmt: skip
