"""The declaration of every column of the catalog.

A column has its type, unit, UCD (the IVOA's vocabulary for what a column means) and
description here. The Arrow schema, the metadata of the Parquet files, the headers of exported
tables and the documentation are made from that, by `catalogs.schema`. Units are written as in
the VOUnits standard. Columns of classifications are in `catalogs.class_columns`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from catalogs.flags import describe_flags

STRING = pa.string()
BOOL = pa.bool_()
SHORT = pa.int16()
INT = pa.int32()
FLOAT = pa.float32()
DOUBLE = pa.float64()
# Parquet calls the items of a list "element"; the default of Arrow is "item".
INTS = pa.list_(pa.field("element", INT))
FLOATS = pa.list_(pa.field("element", FLOAT))
DOUBLES = pa.list_(pa.field("element", DOUBLE))


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `required` columns must be given and have no missing values. `volatile` columns, such as
    timings, describe how a result was made: they differ between runs with equal results.
    """

    name: str
    type: pa.DataType
    unit: str
    ucd: str
    description: str
    required: bool = False
    volatile: bool = False


def _required(name: str, type: pa.DataType, unit: str, ucd: str, description: str) -> Column:
    return Column(name, type, unit, ucd, description, required=True)


def _flags(table: str) -> Column:
    meaning = f"Quality bits: {describe_flags(table)}"
    return _required("flags", INT, "", "meta.code.qual", meaning)


def _seconds(stage: str, description: str) -> Column:
    return Column(f"seconds_{stage}", DOUBLE, "s", "time.duration", description, volatile=True)


def _spectrum(name: str, ucd: str, description: str, *, required: bool = False) -> Column:
    return Column(name, FLOATS, "", ucd, description, required=required)


_GALAXY = _required("galaxy", STRING, "", "meta.id;meta.main", "Name of the galaxy")
_CLUSTER = _required(
    "cluster",
    INT,
    "",
    "meta.id",
    "Number of the cluster in its galaxy, from 1, brightest first; a subtracted point source is "
    "the last",
)

GALAXIES = (
    _GALAXY,
    Column("ra", DOUBLE, "deg", "pos.eq.ra;meta.main", "Right ascension (ICRS)"),
    Column("dec", DOUBLE, "deg", "pos.eq.dec;meta.main", "Declination (ICRS)"),
    Column("redshift", DOUBLE, "", "src.redshift", "Redshift used for the rest frame"),
    Column(
        "distance_mpc", DOUBLE, "Mpc", "pos.distance",
        "Luminosity distance: that of the targets table, else by the redshift",
    ),
    Column(
        "distance_origin", STRING, "", "meta.note",
        "Where it is from: targets table, or the cosmology (Planck18, of astropy)",
    ),
    Column(
        "kpc_per_arcsec", DOUBLE, "kpc arcsec-1", "instr.scale",
        "Size of an arcsecond at the angular diameter distance, distance_mpc / (1 + z)^2",
    ),
    _required("instrument", STRING, "", "instr", "Instrument"),
    Column("band", STRING, "", "instr.bandpass", "Channel and sub-band, or grating"),
    _required("files", STRING, "", "meta.ref", "Names of the input files, with ; between them"),
    _required("content_hash", STRING, "", "meta.checksum", "Hash of the input files' content"),
    _required("part_key", STRING, "", "meta.id", "Key of the result this row was published from"),
    _required("n_spaxel", INT, "", "meta.number", "Number of clustered spaxels"),
    _required("n_cluster", INT, "", "meta.number", "Number of clusters"),
    Column(
        "n_impossible", INT, "", "meta.number",
        "Voxels that neither a line nor a source can make (hot, saturated), which were masked",
    ),
    Column("criterion", STRING, "", "meta.note", "Criterion that chose the number of clusters"),
    Column("k_runner_up", INT, "", "meta.number", "Second choice of the criterion"),
    Column(
        "at_limit_fraction", DOUBLE, "", "stat.value;arith.ratio",
        "Fraction of pairs of spectra that are closest at the largest shift allowed",
    ),
    Column("engine", STRING, "", "meta.note", "Engine that computed the distances"),
    Column("dtype", STRING, "", "meta.note", "Floating-point type of the distances"),
    Column("linkage", STRING, "", "meta.note", "Linkage method"),
    Column(
        "linkage_path", STRING, "", "meta.note",
        "How the tree was made: fastcluster, chain and rounds give one partition, two-stage "
        "(from micro-clusters) may differ from it",
    ),
    _required("flux_unit", STRING, "", "meta.unit", "Unit of the spectra"),
    _required("wavelength_min_um", DOUBLE, "um", "em.wl;stat.min", "First rest wavelength used"),
    _required("wavelength_max_um", DOUBLE, "um", "em.wl;stat.max", "Last rest wavelength used"),
    Column("spaxel_area_arcsec2", DOUBLE, "arcsec2", "phys.angArea", "Area of one spaxel"),
    Column(
        "celestial_header", STRING, "", "meta.note",
        "FITS header of the celestial coordinates of the spaxel grid, one card per line; "
        "empty if there are none",
    ),
    _required("shape_y", INT, "", "meta.number", "Height of the spaxel grid"),
    _required("shape_x", INT, "", "meta.number", "Width of the spaxel grid"),
    Column("centre_y", DOUBLE, "pix", "pos.cartesian.y", "Photometric centre along y, from 0"),
    Column("centre_x", DOUBLE, "pix", "pos.cartesian.x", "Photometric centre along x, from 0"),
    Column(
        "merge_factors", STRING, "", "arith.factor",
        "Flux factors that joined the bands, as a JSON list of one object per band after the "
        "first",
    ),
    Column("snr", DOUBLE, "", "stat.snr;stat.median", "Median continuum S/N of its spaxels"),
    _flags("galaxies"),
    _seconds("read", "Time to read and convert the cube"),
    _seconds("prepare", "Time to prepare the spectra"),
    _seconds("distances", "Time to compute the distances"),
    _seconds("tree", "Time to make the tree"),
    _seconds("cut", "Time to cut the tree"),
    _seconds("profiles", "Time for the spectra and the geometry of the clusters"),
    _seconds("features", "Time to measure lines, bands and slope"),
    _seconds("total", "Time for everything"),
    Column(
        "projected_memory_bytes", DOUBLE, "byte", "meta.number",
        "Peak memory of the worker, as projected before the tree was made", volatile=True,
    ),
    Column(
        "peak_memory_bytes", DOUBLE, "byte", "meta.number", "Peak memory of the worker",
        volatile=True,
    ),
)  # fmt: skip

CLUSTERS = (
    _GALAXY,
    _CLUSTER,
    _required("n_spaxel", INT, "", "meta.number", "Number of spaxels"),
    Column("area_arcsec2", DOUBLE, "arcsec2", "phys.angArea", "Area on the sky"),
    Column("ra", DOUBLE, "deg", "pos.eq.ra", "Right ascension of (x, y) (ICRS)"),
    Column("dec", DOUBLE, "deg", "pos.eq.dec", "Declination of (x, y) (ICRS)"),
    Column("x", DOUBLE, "pix", "pos.cartesian.x", "Mean position along x, from 0"),
    Column("y", DOUBLE, "pix", "pos.cartesian.y", "Mean position along y, from 0"),
    Column(
        "radius_arcsec", DOUBLE, "arcsec", "phys.angSize",
        "Radius of the circle of the same area",
    ),
    Column(
        "radius_kpc", DOUBLE, "kpc", "phys.size.radius",
        "The same at the distance of the galaxy, kpc_per_arcsec",
    ),
    Column("area_kpc2", DOUBLE, "kpc2", "phys.area", "Area at the distance of the galaxy"),
    Column(
        "offset_arcsec", DOUBLE, "arcsec", "pos.angDistance",
        "Distance of the centroid of its light from the photometric centre of the galaxy",
    ),
    _required("nuclear", BOOL, "", "meta.code", "Whether it is the cluster of the nucleus"),
    _required("low_snr", BOOL, "", "meta.code.qual", "Whether the S/N of its continuum is low"),
    Column("continuum_snr", DOUBLE, "", "stat.snr;spect.continuum", "S/N of the continuum"),
    Column(
        "shift_km_s", DOUBLE, "km s-1", "spect.dopplerVeloc;stat.median",
        "Median velocity of its spaxels against its medoid, at the median width of a sample",
    ),
    Column(
        "flux", DOUBLE, "", "phot.flux.density.sb;stat.mean",
        "Mean of the median spectrum over wavelength, in the flux_unit of the galaxy",
    ),
    Column(
        "velocity_km_s", DOUBLE, "km s-1", "spect.dopplerVeloc",
        "Velocity of the bright lines of its spectrum, which is at the velocity of its medoid, "
        "against the redshift of the galaxy, 0 if none is found; of its median spaxel: "
        "shift_km_s more",
    ),
    Column(
        "velocity_err_km_s", DOUBLE, "km s-1", "stat.error;spect.dopplerVeloc",
        "Standard error of velocity_km_s, the scatter among lines included",
    ),
    Column(
        "velocity_significance", DOUBLE, "", "stat.snr;spect.dopplerVeloc",
        "Quadratic sum of the S/N of the lines that agree on velocity_km_s",
    ),
    Column("velocity_n_line", INT, "", "meta.number", "Number of those lines"),
    Column(
        "line_fwhm_km_s", DOUBLE, "km s-1", "spect.line.width",
        "FWHM of the bright lines by motion alone, without that of the instrument",
    ),
    Column(
        "line_fwhm_err_km_s", DOUBLE, "km s-1", "stat.error;spect.line.width",
        "Standard error of line_fwhm_km_s",
    ),
    Column("line_fwhm_n_line", INT, "", "meta.number", "Number of those lines"),
    Column(
        "slope_alpha", DOUBLE, "", "spect.index;spect.continuum",
        "Spectral index of the mid-infrared continuum between 12 and 17 um",
    ),
    Column(
        "slope_alpha_err", DOUBLE, "", "stat.error;spect.index", "Standard error of slope_alpha"
    ),
    Column(
        "silicate_strength", DOUBLE, "", "spect.line.strength;em.IR.8-15um",
        "ln of the flux density at 9.7 um over a power law from 5.5 to 14.5 um, negative in "
        "absorption; missing where not covered",
    ),
    Column(
        "silicate_strength_err", DOUBLE, "", "stat.error;spect.line.strength",
        "Standard error of silicate_strength by noise alone",
    ),
    Column(
        "balmer_decrement", DOUBLE, "", "phot.flux;arith.ratio",
        "H alpha over H beta in the median spectrum; missing where either is not detected",
    ),
    Column(
        "balmer_decrement_err", DOUBLE, "", "stat.error;phot.flux;arith.ratio",
        "Standard error of balmer_decrement",
    ),
    Column(
        "a_v", DOUBLE, "mag", "phys.absorption;em.opt.V",
        "Extinction by balmer_decrement: case B (2.86), law of Cardelli et al. 1989, R_V = 3.1",
    ),
    Column("a_v_err", DOUBLE, "mag", "stat.error;phys.absorption", "Standard error of a_v"),
    Column(
        "label_initial", STRING, "", "src.class",
        "Class of the regions that cover most of it, given before the classification",
    ),
    Column(
        "label_coverage", DOUBLE, "", "stat.value;arith.ratio",
        "Largest fraction of its spaxels that regions of one class cover",
    ),
    Column("class", STRING, "", "src.class", "Most probable class, by the method of the settings"),
    Column("class_rf", STRING, "", "src.class", "Most probable class by a random forest"),
    Column("margin", DOUBLE, "", "stat.probability", "Probability of its class less the next"),
    Column(
        "reached", DOUBLE, "", "stat.value;arith.ratio",
        "Fraction of the Monte Carlo draws in which a label arrived; missing where labels are not "
        "spread",
    ),
    _flags("clusters"),
)  # fmt: skip

RATIO_FAMILY = (
    Column(
        "log_{ratio}", DOUBLE, "", "phot.flux.sb;arith.ratio",
        "log10 of {ratio}; missing where both are limits",
    ),
    Column(
        "logerr_{ratio}", DOUBLE, "", "stat.error;phot.flux.sb;arith.ratio",
        "Standard error of log_{ratio} in dex, missing for limits",
    ),
    Column(
        "loglimit_{ratio}", SHORT, "", "meta.code.qual;arith.ratio",
        "Kind of log_{ratio}: 0 measured, 1 an upper limit, 2 a lower limit, 3 neither",
    ),
)  # fmt: skip
"""Columns of every ratio in the named sets of `catalogs/data/ratios.ecsv`."""

SPAXELS = (
    _GALAXY,
    _required("y", INT, "pix", "pos.cartesian.y", "Row of the spaxel grid, from 0"),
    _required("x", INT, "pix", "pos.cartesian.x", "Column of the spaxel grid, from 0"),
    Column("ra", DOUBLE, "deg", "pos.eq.ra", "Right ascension (ICRS)"),
    Column("dec", DOUBLE, "deg", "pos.eq.dec", "Declination (ICRS)"),
    _required("cluster", INT, "", "meta.id", "Number of its cluster, 0 when not clustered"),
    Column(
        "part", INT, "", "meta.id",
        "Number of its connected part of the cluster, 0 for the largest; missing if not clustered",
    ),
    Column(
        "shift_samples", FLOAT, "", "spect.dopplerVeloc",
        "Spectral shift against the medoid of its cluster, in samples and fractions of them",
    ),
    Column(
        "shift_km_s", FLOAT, "km s-1", "spect.dopplerVeloc",
        "The same as a velocity, at the median width of a sample; positive for receding",
    ),
    Column("snr", FLOAT, "", "stat.snr;spect.continuum", "Continuum S/N per sample"),
    Column(
        "scale", FLOAT, "", "arith.factor",
        "Factor its spectrum was divided by; where a point source was subtracted from it, over the "
        "share that was left",
    ),
    Column(
        "psf_share", FLOAT, "", "stat.value;arith.ratio",
        "Share of its light that is of a point source at the photometric centre, over the level "
        "around it, 0 to 1; missing where not clustered or the point-spread function is not known",
    ),
    Column(
        "fractions", FLOATS, "", "stat.value;arith.ratio",
        "Fractions of the clusters 1, 2, ... in its integrated flux, with a sum of 1; missing "
        "where not clustered, and if the tree was not cut by the walk",
    ),
    _flags("spaxels"),
)  # fmt: skip

PARTS = (
    _GALAXY,
    _CLUSTER,
    _required(
        "part", INT, "", "meta.id",
        "Number of the connected part of the cluster, from 0 for that of most spaxels",
    ),
    *(c for c in CLUSTERS if c.name in ("n_spaxel", "ra", "dec", "x", "y", "continuum_snr")),
    Column(
        "light_fraction", DOUBLE, "", "stat.value;arith.ratio",
        "Share in the light of the cluster",
    ),
    _required(
        "touches_edge", BOOL, "", "meta.code.qual", "Whether it reaches the edge of the field"
    ),
)  # fmt: skip

SPECTRA = (
    _GALAXY,
    _CLUSTER,
    _required("wavelength_um", DOUBLES, "um", "em.wl", "Rest wavelength, in vacuum"),
    _spectrum(
        "median", "phot.flux.density.sb;stat.median", "Median spectrum, aligned", required=True
    ),
    _spectrum("std", "stat.stdev;phot.flux.density.sb", "Standard deviation of the spaxels"),
    _spectrum("err", "stat.error;phot.flux.density.sb", "Standard error of the median"),
    _spectrum("mean", "phot.flux.density.sb;stat.mean", "Mean spectrum"),
    _spectrum(
        "sum",
        "phot.flux.density.sb",
        "Sum of the spectra of the spaxels, not aligned; what is masked in some is completed by "
        "the light of the others",
    ),
    _spectrum("err_sum", "stat.error;phot.flux.density.sb", "Standard error of the sum"),
    _spectrum("ivar_mean", "phot.flux.density.sb;stat.mean", "Mean weighted by inverse variance"),
    _required("flux_unit", STRING, "", "meta.unit", "Unit of the spectra in this row"),
)

SPLITS = (
    _GALAXY,
    _required("decision", INT, "", "meta.id", "Number of the decision, from 0, in order"),
    _required(
        "step", STRING, "", "meta.code",
        "What was decided on: split (of the tree), join (of two clusters found), "
        "blend (a cluster against the blend of two others)",
    ),
    _required("accepted", BOOL, "", "meta.code", "Whether the two sides are kept apart"),
    _required("reason", STRING, "", "meta.code", "The test that failed; empty if none"),
    _required("meaning", STRING, "", "meta.note", "The decision in words"),
    Column("node", INT, "", "meta.id", "Node of the tree, in SciPy's numbers; of splits only"),
    Column("height", DOUBLE, "", "stat.value", "Height of the node in the tree"),
    _required("n_left", INT, "", "meta.number", "Spaxels on one side"),
    _required("n_right", INT, "", "meta.number", "Spaxels on the other side"),
    _required("snr_left", DOUBLE, "", "stat.snr", "S/N of the mean spectrum of one side"),
    _required("snr_right", DOUBLE, "", "stat.snr", "S/N of the mean spectrum of the other side"),
    _required(
        "difference", DOUBLE, "", "stat.value;arith.ratio",
        "Difference of the two mean spectra beyond noise, relative to their mean",
    ),
    _required(
        "shape", DOUBLE, "", "stat.value;arith.ratio",
        "The same, smoothed, beyond noise, shift and width",
    ),
    _required(
        "structure", DOUBLE, "", "stat.value;arith.ratio", "The same beyond smooth colours too"
    ),
    _required(
        "peak", DOUBLE, "", "stat.snr", "Largest value of the difference over its own scatter"
    ),
    _required(
        "lines", DOUBLE, "", "stat.value;arith.ratio",
        "The part of `structure` in emission lines that are twice as bright on one side, or more",
    ),
    _required(
        "dispersion", DOUBLE, "", "stat.stdev;arith.ratio",
        "Dispersion of all spaxels beyond noise, shift and width, relative to their mean",
    ),
)  # fmt: skip

QUARANTINE = (
    _GALAXY,
    _required("stage", STRING, "", "meta.note", "Stage that failed"),
    _required("error", STRING, "", "meta.code.error", "Class of the error"),
    _required("message", STRING, "", "meta.note", "What is wrong, and what can be done"),
    Column("content_hash", STRING, "", "meta.checksum", "Hash of the input files' content"),
    Column("attempts", INT, "", "meta.number", "How often it was tried"),
    Column("worker", STRING, "", "meta.id", "Name of the worker of the last attempt"),
    Column("host", STRING, "", "meta.id", "Name of the machine of that worker"),
)

CLASSES = (
    _GALAXY,
    _CLUSTER,
    *(
        column
        for column in CLUSTERS
        if column.name
        in ("label_initial", "label_coverage", "class", "class_rf", "margin", "reached", "flags")
    ),
)
"""Results of a classification for every cluster, which are joined into `clusters`."""

LATENTS = (
    _GALAXY,
    _CLUSTER,
    _required(
        "latent", DOUBLES, "", "stat.fit.param",
        "Latents of the median spectrum; only those of one model can be compared",
    ),
    _required(
        "err_latent", DOUBLES, "", "stat.stdev;stat.fit.param",
        "Their standard deviations by noise, from thinning the spectrum",
    ),
    _required(
        "anomaly", DOUBLE, "", "stat.rank",
        "The higher of the ranks of isolation and misfit_sigma, as the share of clusters below",
    ),
    _required(
        "isolation", DOUBLE, "", "stat.value;arith.ratio",
        "Mean distance to the nearest five clusters in latent space, over the median of all",
    ),
    _required(
        "misfit_sigma", DOUBLE, "", "stat.fit.goodness",
        "By how much the spectrum is further from its latents than noise makes it, in sigma",
    ),
)  # fmt: skip
