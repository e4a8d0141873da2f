"""The declaration of what `survey validate --tracers` publishes."""

from __future__ import annotations

from functools import partial

from catalogs.columns import DOUBLE, INT, STRING, Column
from catalogs.validation.columns import NOT_TESTABLE

_required = partial(Column, required=True)

RELATED, CONCENTRIC, MAY_BE_CHANCE, FAILED = "related", "concentric", "may be chance", "failed"
OUTCOMES = (RELATED, CONCENTRIC, MAY_BE_CHANCE, NOT_TESTABLE, FAILED)

SIGNIFICANT = 0.05
"""Largest p-value of what is not called chance."""

CLUSTERS, VELOCITIES, SHIFTS = "clusters", "velocity", "shift within clusters"
"""What of a galaxy a tracer is compared with."""

_TRACER = _required("tracer", STRING, "", "meta.id", "Name of the map, as in the file of tracers")
_GALAXY = _required("galaxy", STRING, "", "meta.id;meta.main", "Name of the galaxy")

TRACERS = (
    _GALAXY,
    _TRACER,
    _required(
        "compared", STRING, "", "meta.code",
        f"What it is compared with: the {CLUSTERS}; the {VELOCITIES} of the spaxels, which is that "
        "of the lines of their cluster and their shift against it; or the shift alone, with the "
        "zero of every cluster left free",
    ),
    _required("kind", STRING, "", "meta.code", "Of the map: classes, continuous or velocity"),
    _required("file", STRING, "", "meta.ref", "File of the map"),
    _required("outcome", STRING, "", "meta.code", f"{', '.join(OUTCOMES[:-1])} or {FAILED}"),
    _required("meaning", STRING, "", "meta.note", "The result, or the error, in words"),
    Column("n_spaxel", INT, "", "meta.number", "Clustered spaxels that the map covers"),
    Column("n_cluster", INT, "", "meta.number", "Clusters among them"),
    Column("n_class", INT, "", "meta.number", "Classes among them; 0 of a map of values"),
    Column(
        "measure", STRING, "", "meta.note",
        "What the value is: adjusted mutual information (Vinh et al. 2010) of classes, eta squared "
        "of the ranks of continuous maps, Spearman's rank correlation of velocities",
    ),
    Column("value", DOUBLE, "", "stat.value", "How much they have to do with each other"),
    Column(
        "null_median", DOUBLE, "", "stat.value;stat.median",
        "Median of the same for the map rotated and shifted within the field",
    ),
    Column("null_high", DOUBLE, "", "stat.value", "95th percentile of these"),
    Column("n_null", INT, "", "meta.number", "Number of these"),
    Column(
        "p_value", DOUBLE, "", "stat.probability",
        "Share of these that are at least as large, (1 + number) / (1 + n_null)",
    ),
    Column(
        "p_floor", DOUBLE, "", "stat.probability;stat.min",
        "Least p_value that so many can give, 1 / (1 + n_null)",
    ),
    Column(
        "p_rotation", DOUBLE, "", "stat.probability",
        "The same for the map rotated about the photometric centre and mirrored, not shifted: "
        "large where map and clusters are only both concentric",
    ),
    Column(
        "slope", DOUBLE, "", "stat.fit.param",
        "Slope of velocities of the survey over those of the map (Theil-Sen)",
    ),
    Column("slope_err", DOUBLE, "", "stat.error;stat.fit.param", "Standard error of slope"),
    Column(
        "intercept_km_s", DOUBLE, "km s-1", "stat.fit.param;spect.dopplerVeloc",
        "Velocity of the survey where that of the map is 0",
    ),
    Column(
        "intercept_err_km_s", DOUBLE, "km s-1", "stat.error;stat.fit.param",
        "Standard error of intercept_km_s",
    ),
    Column(
        "scatter_km_s", DOUBLE, "km s-1", "stat.stdev;spect.dopplerVeloc",
        "Scatter about that line, from the median absolute deviation",
    ),
)  # fmt: skip

TRACER_CLUSTERS = (
    _GALAXY,
    _TRACER,
    _required("cluster", INT, "", "meta.id", "Number of the cluster"),
    _required("class", STRING, "", "src.class", "Class of the map; empty for a map of values"),
    _required("n_spaxel", INT, "", "meta.number", "Spaxels of this cluster and this class"),
    _required(
        "share", DOUBLE, "", "stat.value;arith.ratio",
        "Their share in the spaxels of the cluster that the map covers",
    ),
    Column("median", DOUBLE, "", "stat.value;stat.median", "Median of the map there, in its unit"),
    Column("low", DOUBLE, "", "stat.value", "16th percentile"),
    Column("high", DOUBLE, "", "stat.value", "84th percentile"),
)  # fmt: skip
