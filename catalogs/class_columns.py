"""The declaration of the columns of a classification: probabilities, importances, scores, diagrams.

As all columns (`catalogs.columns`) they have a type, a unit, a UCD and a description.
"""

from __future__ import annotations

from functools import partial

import pyarrow as pa

from catalogs.columns import DOUBLE, DOUBLES, FLOAT, INT, INTS, STRING, Column

_required = partial(Column, required=True)


def _share(dtype: pa.DataType, of: str) -> Column:
    return Column(
        "share_{class}", dtype, "", "phot.flux;arith.ratio",
        f"Expected share of class {{class}} in {of}: the fractions of the clusters times their "
        "p_{class}. No probability; less than 1 in sum if clusters have no class",
    )  # fmt: skip


CLASS_FAMILY = (
    Column("p_{class}", DOUBLE, "", "stat.probability", "Probability of class {class}"),
    Column(
        "p_{class}_err", DOUBLE, "", "stat.stdev;stat.probability",
        "Standard deviation of p_{class} over the Monte Carlo draws",
    ),
    Column(
        "p_held_out_{class}", DOUBLE, "", "stat.probability",
        "Probability of class {class} by fits that have not seen its galaxy",
    ),
    Column(
        "p_rf_{class}", DOUBLE, "", "stat.probability",
        "Probability of class {class} by a random forest",
    ),
    Column(
        "p_rf_{class}_err", DOUBLE, "", "stat.stdev;stat.probability",
        "Standard deviation of p_rf_{class} over the Monte Carlo draws",
    ),
    Column(
        "p_rf_oob_{class}", DOUBLE, "", "stat.probability",
        "Probability of class {class} by trees that have not seen the cluster (out of bag)",
    ),
    _share(DOUBLE, "its light (the integrated flux of its spaxels)"),
)  # fmt: skip
"""Columns that `clusters` has for every class of a classification."""

SPAXEL_CLASS_FAMILY = (_share(FLOAT, "its light (integrated flux)"),)
"""Columns that `spaxels` has for every class."""

GALAXY_CLASS_FAMILY = (_share(DOUBLE, "the light (integrated flux) of its clustered spaxels"),)
"""Columns that `galaxies` has for every class."""

LIGHT = Column(
    "light", DOUBLE, "", "phot.flux.density.sb", "Sum of the integrated fluxes of its spaxels"
)
"""A column of a classification by which clusters count in their galaxy; not published."""

IMPORTANCES = (
    _required("method", STRING, "", "meta.id", "Method: logistic, mixture or forest"),
    _required(
        "predictor", STRING, "", "meta.id",
        "Ratio, equivalent width (NAME/continuum), slope_alpha, or latent_<number>",
    ),
    _required(
        "importance", DOUBLE, "", "stat.weight",
        "Share in what the method has: of a forest in the decrease of the Gini impurity, of a "
        "regression in the differences of coefficients, of Gaussians in the distances of means",
    ),
    Column(
        "importance_std", DOUBLE, "", "stat.stdev",
        "Its error: jackknife over galaxies, or if labels are spread standard deviation over draws",
    ),
    Column(
        "permutation", DOUBLE, "", "stat.weight",
        "Fall of the probability of the right class, galaxy held out (out of bag if labels are "
        "spread), when its values are shuffled",
    ),
    Column(
        "permutation_std", DOUBLE, "", "stat.stdev",
        "Standard deviation over shuffles, or over the draws if labels are spread",
    ),
    Column(
        "coefficient", DOUBLES, "", "stat.fit.param",
        "Coefficients of a logistic regression, one for each class in the order of `classes`, per "
        "scatter of the predictor",
    ),
    Column("coefficient_std", DOUBLES, "", "stat.stdev", "Their errors: jackknife over galaxies"),
)  # fmt: skip

SCORES = (
    _required("method", STRING, "", "meta.id", "Method: logistic, mixture or forest"),
    _required(
        "measured", STRING, "", "meta.id",
        "How: in-sample, out-of-bag or galaxy-held-out, each less optimistic than the one before",
    ),
    _required("class", STRING, "", "src.class", "Class that the clusters were labelled with"),
    _required("n", INT, "", "meta.number", "Labelled clusters of this class"),
    Column("recall", DOUBLE, "", "stat.value;arith.ratio", "Fraction of them found in the class"),
    Column(
        "accuracy", DOUBLE, "", "stat.value;arith.ratio",
        "Fraction of all labelled clusters found in their class; missing if only one class has "
        "labels, as all scores are",
    ),
    Column(
        "majority_accuracy", DOUBLE, "", "stat.value;arith.ratio",
        "The same if all clusters were given the most frequent class",
    ),
    Column(
        "balanced_accuracy", DOUBLE, "", "stat.value", "Mean recall of the classes that have labels"
    ),
    Column(
        "balanced_majority", DOUBLE, "", "stat.value",
        "The same if all clusters were given one class",
    ),
    Column("brier", DOUBLE, "", "stat.value", "Brier score of all classes, 0 (best) to 2"),
    Column(
        "calibration_error", DOUBLE, "", "stat.error",
        "Mean distance of probability and fraction, all classes",
    ),
    _required(
        "confusion", INTS, "", "meta.number",
        "Clusters of this class by the class found, in the order of `classes`",
    ),
    _required("classes", STRING, "", "src.class", "All classes, with blanks between them"),
    _required(
        "reliability_p", DOUBLES, "", "stat.probability;stat.mean",
        "Mean probability of this class in tenths of the probability",
    ),
    _required(
        "reliability_fraction", DOUBLES, "", "stat.value;arith.ratio",
        "Fraction of the clusters in each tenth that have this class",
    ),
    _required("reliability_count", INTS, "", "meta.number", "Clusters in each tenth"),
)  # fmt: skip

OF_SAMPLE, OF_MODEL = "sample", "model"

DIAGRAMS = (
    _required(
        "origin", STRING, "", "meta.code",
        f"Whose contour: of the clusters of this survey ({OF_SAMPLE}), or of those that the "
        f"model which classified them was trained on ({OF_MODEL})",
    ),
    _required("x_ratio", STRING, "", "meta.id", "Ratio whose logarithm is the horizontal axis"),
    _required("y_ratio", STRING, "", "meta.id", "Ratio whose logarithm is the vertical axis"),
    _required("class", STRING, "", "src.class", "Class"),
    _required("level", DOUBLE, "", "stat.value", "Fraction of the class inside the contour"),
    _required("ring", INT, "", "meta.id", "Number of the closed line among those of the level"),
    _required("x", DOUBLES, "", "phot.flux.sb;arith.ratio", "log10 of x_ratio along the line"),
    _required("y", DOUBLES, "", "phot.flux.sb;arith.ratio", "log10 of y_ratio along the line"),
)  # fmt: skip
