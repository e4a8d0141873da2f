"""Maps of one galaxy as FITS, in the manner of the MAPS files of the MaNGA DAP.

Every extension is an image on the spaxel grid of the cube, with its celestial coordinates. Numbers
of a cluster are in all its spaxels. Stacks of lines and classes have their names in C01, C02, ...;
errors are inverse variances in an extension `..._IVAR`, and `..._MASK` is 0 where a number is good.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from astropy.io import fits
from numpy.typing import NDArray

import survey
from catalogs.feature_columns import LINE_FLUX_UNIT
from survey.cubes.wcs import read_header
from survey.export.galaxy_tables import GalaxyTables

NOT_COVERED, NOT_DETECTED = 1, 2
"""Bits of the mask of line fluxes."""

KEYWORDS = {
    "redshift": ("Z", "redshift of the rest frame"),
    "instrument": ("INSTRUME", "instrument"),
    "n_cluster": ("NCLUSTER", "number of clusters"),
    "flux_unit": ("CUBEUNIT", "unit of the cube"),
    "part_key": ("PARTKEY", "key of the result"),
}


def write_maps(galaxy: GalaxyTables, path: Any) -> None:
    """Write the maps of one galaxy as a FITS file of several extensions."""
    fits.HDUList([_primary(galaxy), *_images(galaxy)]).writeto(path, overwrite=True, checksum=True)


def _primary(galaxy: GalaxyTables) -> fits.PrimaryHDU:
    header = fits.Header()
    header["OBJECT"] = (_ascii(galaxy.about["galaxy"]), "name of the galaxy")
    for column, (keyword, comment) in KEYWORDS.items():
        header[keyword] = (galaxy.about[column], comment)
    header["CREATOR"] = (f"spaxel-survey {survey.__version__}", "program")
    header["COMMENT"] = "Numbers of a cluster are in all its spaxels; -1 and NaN are no cluster."
    return fits.PrimaryHDU(header=header)


def _images(galaxy: GalaxyTables) -> Iterator[fits.ImageHDU]:
    spaxels, clusters = galaxy.frame("spaxels"), galaxy.frame("clusters")
    grid = _Grid(galaxy, spaxels, clusters)
    both = np.stack([grid.spaxels("ra"), grid.spaxels("dec")])
    yield grid.image("SPX_SKYCOO", both, "deg", channels=("RA (ICRS)", "DEC (ICRS)"))
    yield grid.image("CLUSTER", grid.labels, about="number of the cluster, -1 where there is none")
    yield grid.image("PART", grid.spaxels("part"), about="connected part of the cluster")
    yield grid.image("SPX_SNR", grid.spaxels("snr"), about="continuum S/N per sample")
    yield grid.image("BIN_SNR", grid.clusters(clusters["continuum_snr"]), about="of the cluster")
    yield grid.image("SHIFT", grid.spaxels("shift_km_s"), "km s-1", about="against the medoid")
    yield grid.image("PSF_SHARE", grid.spaxels("psf_share"), about="of a point source's light")
    yield grid.image("FLAGS", grid.spaxels("flags"), about="quality bits of the spaxel")
    yield from _class_images(grid, clusters)
    yield from _velocity_images(grid, clusters)
    yield from _line_images(grid, galaxy.frame("measurements"))


def _class_images(grid: _Grid, clusters: pd.DataFrame) -> Iterator[fits.ImageHDU]:
    names = clusters["class"].fillna("")
    known = tuple(
        name[2:] for name in map(str, clusters)
        if name.startswith("p_") and f"{name}_err" in clusters and not name.startswith("p_rf_")
    ) or tuple(sorted(set(names) - {""}))  # fmt: skip
    codes = names.map({name: number for number, name in enumerate(known, start=1)}).fillna(0)
    image = grid.clusters(codes.astype(float))
    code = np.where(np.isfinite(image), image, -1).astype(np.int16)
    about = "0 no class, else the number of a name; -1 no cluster"
    yield grid.image("CLASS", code, channels=known, about=about)
    if known and f"p_{known[0]}" in clusters:
        stack = np.stack([grid.clusters(clusters[f"p_{name}"]) for name in known])
        yield grid.image("CLASS_PROB", stack, channels=known)


def _velocity_images(grid: _Grid, clusters: pd.DataFrame) -> Iterator[fits.ImageHDU]:
    for name, column in (("EMLINE_GVEL", "velocity_km_s"), ("EMLINE_GFWHM", "line_fwhm_km_s")):
        error = clusters[column.replace("_km_s", "_err_km_s")]
        known = error.notna()
        yield grid.image(name, grid.clusters(clusters[column].where(known)), "km s-1")
        yield grid.image(f"{name}_IVAR", grid.clusters(_inverse_variance(error)), "(km s-1)-2")


def _line_images(grid: _Grid, measured: pd.DataFrame) -> Iterator[fits.ImageHDU]:
    """Fluxes of all lines and bands of the galaxy, in order of wavelength."""
    order = measured.drop_duplicates("feature").sort_values("wavelength_um")
    features = tuple(order["feature"])
    if not features:
        return
    by_feature = {name: rows.set_index("cluster") for name, rows in measured.groupby("feature")}
    every = grid.numbers
    rows = [by_feature[name].reindex(every) for name in features]
    flux = np.stack([grid.clusters(row["flux"]) for row in rows])
    ivar = np.stack([grid.clusters(_inverse_variance(row["err"])) for row in rows])
    masks = [
        np.where(row["flux"].isna(), NOT_COVERED, 0)
        | np.where(row["detected"].fillna(False).astype(bool), 0, NOT_DETECTED)
        for row in rows
    ]
    mask = np.stack([grid.clusters(pd.Series(bits, dtype=float)) for bits in masks])
    mask = np.where(np.isfinite(mask), mask, NOT_COVERED).astype(np.int32)
    unit = LINE_FLUX_UNIT
    yield grid.image("EMLINE_FLUX", flux, unit, channels=features, about="surface brightness")
    yield grid.image("EMLINE_FLUX_IVAR", np.nan_to_num(ivar), f"({unit})-2", channels=features)
    about = f"{NOT_COVERED} not covered, {NOT_DETECTED} not detected"
    yield grid.image("EMLINE_FLUX_MASK", mask, channels=features, about=about)


def _inverse_variance(error: pd.Series) -> pd.Series:
    # Fluxes of 1e-20 have errors whose squares are no float32.
    return error.astype(float) ** -2


class _Grid:
    """Puts numbers of spaxels and clusters on the image of the cube."""

    def __init__(self, galaxy: GalaxyTables, spaxels: pd.DataFrame, clusters: pd.DataFrame) -> None:
        self._shape, self._spaxels = galaxy.shape, spaxels
        self._header = read_header(galaxy.celestial_header)
        self.numbers = clusters["cluster"].to_numpy()
        self.labels = np.full(self._shape, -1, np.int32)
        clustered = spaxels[spaxels["cluster"] > 0]
        self.labels[clustered["y"], clustered["x"]] = clustered["cluster"]

    def spaxels(self, column: str) -> NDArray[Any]:
        """A column of the table `spaxels`; -1 (of whole numbers) or NaN elsewhere."""
        values = self._spaxels[column].to_numpy()
        blank: Any = -1 if np.issubdtype(values.dtype, np.integer) else np.nan
        image = np.full(self._shape, blank, values.dtype)
        image[self._spaxels["y"], self._spaxels["x"]] = values
        return image

    def clusters(self, values: pd.Series) -> NDArray[np.float64]:
        """A number per cluster, in all its spaxels; NaN elsewhere."""
        of_label = np.full(int(self.numbers.max(initial=0)) + 1, np.nan)
        of_label[self.numbers] = values.to_numpy(dtype=float, na_value=np.nan)
        return np.where(self.labels > 0, of_label[self.labels.clip(0)], np.nan)

    def image(
        self,
        name: str,
        data: NDArray[Any],
        unit: str = "",
        *,
        channels: Sequence[str] = (),
        about: str = "",
    ) -> fits.ImageHDU:
        """An extension with the celestial coordinates."""
        header = self._header.copy()
        if unit:
            header["BUNIT"] = unit
        if about:
            header["COMMENT"] = about
        for number, channel in enumerate(channels, start=1):
            header[f"C{number:02d}"] = (_ascii(channel), f"channel {number}")
        return fits.ImageHDU(data, header=header, name=name)


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()
