"""The declaration of the tables of X-ray sources: sources, detections, provenance and scores.

They are the results of `survey latent run`, of counted spectra of a list of sources; they belong to
no galaxy and are no tables of the catalog of a survey. As all columns (`catalogs.columns`) theirs
have a type, a unit, a UCD and a description.
"""

from __future__ import annotations

from functools import partial

import pyarrow as pa

from catalogs.columns import BOOL, DOUBLE, DOUBLES, INT, STRING, Column

STRINGS = pa.list_(pa.field("element", STRING))

_required = partial(Column, required=True)


def _with_error(name: str, unit: str, ucd: str, description: str) -> tuple[Column, Column]:
    return (
        Column(name, DOUBLE, unit, ucd, description),
        Column(f"{name}_err", DOUBLE, unit, f"stat.error;{ucd}", f"Standard error of {name}"),
    )


_SOURCE = _required("source", STRING, "", "meta.id;meta.main", "Name of the source")

SOURCES = (
    _SOURCE,
    Column("listed_as", STRING, "", "meta.id", "Its name in the list of sources"),
    Column("ra", DOUBLE, "deg", "pos.eq.ra;meta.main", "Right ascension (ICRS)"),
    Column("dec", DOUBLE, "deg", "pos.eq.dec;meta.main", "Declination (ICRS)"),
    _required("n_detection", INT, "", "meta.number", "Detections whose spectra were added"),
    _required(
        "counts", DOUBLE, "ct", "phot.count", "Counts in the usable bins, background included"
    ),
    _required(
        "background_counts", DOUBLE, "ct", "phot.count;instr.background",
        "Expected counts of the background among them",
    ),
    Column("exposure", DOUBLE, "s", "time.duration;obs.exposure", "Sum of the exposures"),
    _required(
        "background", STRING, "", "meta.code",
        "Whether backgrounds were used: all, some or none of its detections",
    ),
    Column(
        "background_reason", STRING, "", "meta.note",
        "Why not those of all detections; empty if they were",
    ),
    Column("responses", STRINGS, "", "meta.ref", "Responses of its detections (ARF+RMF)"),
    Column("response_reason", STRING, "", "meta.note", "Why a response is missing"),
    _required(
        "latent", DOUBLES, "", "stat.fit.param",
        "Latents of its spectrum; only those of one model can be compared",
    ),
    _required(
        "err_latent", DOUBLES, "", "stat.stdev;stat.fit.param", "Their standard deviations by noise"
    ),
    _required(
        "cov_latent", DOUBLES, "", "stat.covariance;stat.fit.param",
        "Covariance matrix of the latents by noise, row by row",
    ),
    _required(
        "latent_equal", DOUBLES, "", "stat.fit.param",
        "Latents as they would be if all sources had equally many counts: compare sources by these",
    ),
    _required(
        "err_latent_equal", DOUBLES, "", "stat.stdev;stat.fit.param",
        "Their standard deviations by noise",
    ),
    *(
        column
        for name, pair in (
            ("hm", "hard and medium"), ("hs", "hard and soft"), ("ms", "medium and soft"),
        )
        for column in _with_error(
            f"hardness_{name}", "", "phot.color",
            f"Hardness ratio of the {pair} bands of the Chandra Source Catalog, of counts without "
            "background",
        )
    ),
    *_with_error("photon_index", "", "spect.index", "Photon index of an absorbed power law"),
    *_with_error(
        "log_n_h", "", "phys.columnDensity",
        "log10 of the absorbing column of hydrogen per cm2, by the better of the two fits",
    ),
    *_with_error("log_kt", "", "phys.temperature", "log10 of the temperature of plasma in keV"),
    Column(
        "better_fit", STRING, "", "meta.code",
        "Which of the two has the smaller C-statistic: power law or thermal",
    ),
    Column("c_statistic", DOUBLE, "", "stat.fit.goodness", "That C-statistic"),
    Column("n_bin", INT, "", "meta.number", "Usable bins of its spectrum"),
    Column("label", STRING, "", "src.class", "Class in the table of labels"),
    Column("label_reference", STRING, "", "meta.bib", "Where the label is from"),
    Column(
        "label_used_xray", STRING, "", "meta.code",
        "Whether X-ray data took part in the label: yes, no, partly, unknown",
    ),
    Column("label_matched_by", STRING, "", "meta.code", "name or position"),
    Column("class", STRING, "", "src.class", "Most probable class"),
    Column("margin", DOUBLE, "", "stat.probability", "Probability of its class less the next"),
    Column(
        "class_held_out", BOOL, "", "meta.code",
        "Whether its probabilities are by a classifier that has not seen its label",
    ),
    _required(
        "isolation", DOUBLE, "", "stat.value;arith.ratio",
        "Mean distance to the nearest five sources in latent space, over the median of all",
    ),
    _required(
        "misfit_sigma", DOUBLE, "", "stat.fit.goodness",
        "By how much the spectrum is further from its latents than noise makes it, in sigma",
    ),
    _required(
        "anomaly", DOUBLE, "", "stat.rank",
        "The higher of the ranks of isolation and misfit_sigma, as the share of sources below",
    ),
    _required("neighbour", STRINGS, "", "meta.id", "Nearest other sources in latent space"),
    _required(
        "neighbour_distance", DOUBLES, "", "stat.value", "Their distances, in standard deviations"
    ),
    _required(
        "pile_up", DOUBLE, "", "instr.det.noise;arith.ratio",
        "Estimated fraction of its events that are piled up, in the worst of its detections",
    ),
    _required(
        "piled_up", BOOL, "", "meta.code.qual",
        "Whether that is above 0.05: its spectrum, and hardness, fits and latents with it, are too "
        "hard",
    ),
)  # fmt: skip
"""One row per source."""

SOURCE_CLASS_FAMILY = (
    Column("p_{class}", DOUBLE, "", "stat.probability", "Probability of class {class}"),
)
"""Columns that `sources` has for every class of the labels."""

DETECTIONS = (
    _required("spectrum", STRING, "", "meta.id;meta.main", "Name of the spectrum"),
    _SOURCE,
    _required("file", STRING, "", "meta.ref", "File it was read from"),
    Column("observation", STRING, "", "meta.id;obs", "OBS_ID"),
    Column("counts", DOUBLE, "ct", "phot.count", "Counts in the usable bins"),
    Column("exposure", DOUBLE, "s", "time.duration;obs.exposure", "Exposure"),
    _required(
        "background", STRING, "", "meta.code", "used, not read, none named, missing"
    ),
    Column("background_reason", STRING, "", "meta.note", "Why it was not used"),
    Column("response", STRING, "", "meta.ref", "Its response (ARF+RMF); empty if none was used"),
    Column("response_reason", STRING, "", "meta.note", "Why none was used"),
    _required(
        "pile_up", DOUBLE, "", "instr.det.noise;arith.ratio",
        "Estimated fraction of its events that are piled up; an upper limit off the axis",
    ),
    _required("added", BOOL, "", "meta.code", "Whether it is in the spectrum of its source"),
)  # fmt: skip
"""One row per spectrum that was read."""

PROVENANCE = (
    _required("class", STRING, "", "src.class", "Class"),
    _required("reference", STRING, "", "meta.bib", "Where the labels are from; may be empty"),
    Column("catalogue", STRING, "", "meta.title", "What that is"),
    _required(
        "used_xray", STRING, "", "meta.code",
        "Whether X-ray data took part in the labels: yes, no, partly, unknown",
    ),
    Column("why", STRING, "", "meta.note", "Why that is thought"),
    _required("n_source", INT, "", "meta.number", "Sources with a label from there"),
)  # fmt: skip
"""One row per class and reference of the labels."""

LABEL_SCORES = (
    _required("method", STRING, "", "meta.id", "Method that makes the latents"),
    _required("n_latent", INT, "", "meta.number", "How many"),
    _required("labels", STRING, "", "meta.note",
        "Which labels: all, without X-ray-selected, or AGN or compact",
    ),
    _required("classifier", STRING, "", "meta.id", "logistic, forest, or mixture votes"),
    _required(
        "balanced_accuracy", DOUBLE, "", "stat.value",
        "Mean over classes of the share of sources that are found right, sources held out",
    ),
    Column("std", DOUBLE, "", "stat.stdev", "Its standard deviation over folds"),
    _required("n_fold", INT, "", "meta.number", "Folds, each with a seed of its own"),
    _required("n_source", INT, "", "meta.number", "Sources with such a label"),
)  # fmt: skip
"""One row per method, set of labels and classifier."""
