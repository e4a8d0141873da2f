"""The declaration of the columns of a validation: its table, and verdicts in other tables."""

from __future__ import annotations

from functools import partial

from catalogs.columns import DOUBLE, INT, STRING, Column

_required = partial(Column, required=True)

ROBUST, SENSITIVE, NOT_TESTABLE = "robust", "sensitive", "not testable"
VERDICTS = (ROBUST, SENSITIVE, NOT_TESTABLE)

VERDICT_QUESTION = "verdict"
"""The question whose answers are the verdicts on a galaxy and its clusters."""

WHOLE_GALAXY = 0
"""In the column `cluster`: the row is about the galaxy."""

CIRCULARITY_QUESTION, HALF_VARIANT = "circularity", "clusters of the"
"""The question, and how the variants begin that need no classes."""

SEPARATION_QUESTION, CLUSTER_VARIANT = "separation", "of the cluster"

POINT_SOURCE_QUESTION, SHARE_VARIANT = "point source", "share of the light"

VALIDATION = (
    _required("galaxy", STRING, "", "meta.id;meta.main", "Name of the galaxy"),
    _required("question", STRING, "", "meta.code", "What was asked"),
    _required("variant", STRING, "", "meta.code", "How it was asked"),
    _required(
        "cluster", INT, "", "meta.id", "The cluster that the row is about; 0 for the galaxy"
    ),
    _required("measure", STRING, "", "meta.note", "What the value is"),
    Column("value", DOUBLE, "", "stat.value", "The answer; missing if it could not be measured"),
    Column("error", DOUBLE, "", "stat.error", "Its standard error, where it has one"),
    Column(
        "null_median", DOUBLE, "", "stat.value;stat.median",
        "Median of the same over simulations in which the answer is known: for most questions, "
        "galaxies that have the adopted clusters and this noise",
    ),
    Column("null_low", DOUBLE, "", "stat.value;stat.min", "Least of these"),
    Column("null_high", DOUBLE, "", "stat.value;stat.max", "Largest of these"),
    _required("n_null", INT, "", "meta.number", "Number of these"),
    Column("threshold", DOUBLE, "", "stat.value", "What the value is compared with"),
    _required("verdict", STRING, "", "meta.code", f"{', '.join(VERDICTS[:2])} or {VERDICTS[2]}"),
    _required("meaning", STRING, "", "meta.note", "The answer in words"),
)  # fmt: skip

GALAXY_VERDICT = (
    Column(
        "verdict", STRING, "", "meta.code",
        "Verdict of `survey validate` on its clusters; empty if it was not validated",
    ),
    Column("verdict_reason", STRING, "", "meta.note", "The verdict in words"),
    Column(
        "stability", DOUBLE, "", "stat.value",
        "How well other linkages, other cuts and halves of its spaxels agree with its clusters, "
        "over the same for simulated galaxies that have these clusters and this noise; at most 1",
    ),
    Column(
        "unexplained", DOUBLE, "", "stat.variance;arith.ratio",
        "Share of the variance of spectra beyond noise that is left within the clusters, away from "
        "their borders",
    ),
)  # fmt: skip

CLUSTER_VERDICT = (
    Column(
        "verdict", STRING, "", "meta.code",
        "Verdict of `survey validate` on the cluster; empty if it was not validated",
    ),
    Column(
        "stability", DOUBLE, "", "stat.value",
        "Median over other ways of clustering of the largest Jaccard index with one of their "
        "clusters",
    ),
    Column(
        "unexplained", DOUBLE, "", "stat.variance;arith.ratio",
        "Share of the variance of spectra beyond noise that is left within the cluster, of that "
        "within it and between it and the nearest other; missing where it has no spaxel away from "
        "its border",
    ),
    Column(
        "point_source_share", DOUBLE, "", "phot.flux;arith.ratio",
        "Largest share of its light that a point source in the nucleus can explain; missing where "
        "the point-spread function is not known",
    ),
)  # fmt: skip
