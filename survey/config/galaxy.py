"""Settings of the stages of a galaxy, from its spectra to the features of its clusters."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from survey.config.base import SettingsTable

WavelengthRange = tuple[float, float]
WHOLE_WINDOW = "full"


class PrepareSettings(SettingsTable):
    """From a stored cube to normalised rest-frame spectra.

    `window` is a name in catalogs/data/windows.toml (or in tables.windows), [low, high] in micron
    (rest frame), or "full". A plane is dropped if bad in more than max_bad_spaxel_fraction of the
    spaxels; a spaxel if bad in more than max_bad_plane_fraction of the planes. Gaps of at most
    max_gap_samples are bridged. Each spectrum is divided by what `normalise` says: its "integral",
    the flux in normalise_window ("window"), or its integral without continuum or lines. Stretches
    of the spectrum noisier than max_plane_noise times the whole are kept, but not compared. Spaxels
    with a continuum S/N below snr_min are left out. With mask_impossible, single voxels that
    neither a line nor a source can make are bad.

    `psf`: "subtract" takes the point source at the photometric centre off, and makes it a cluster
    of its own, of the spaxels of whose light it has more than psf_max_share; "match" brings all
    planes to the resolution of the one where it is worst. The width of the point-spread function is
    the law of the instrument or psf_fwhm_arcsec, its profile psf_profile, "moffat" or "gaussian";
    or both are those of the star whose cubes psf_star names.
    """

    window: str | WavelengthRange = WHOLE_WINDOW
    max_bad_spaxel_fraction: float = Field(default=0.5, ge=0, le=1)
    max_bad_plane_fraction: float = Field(default=0.1, ge=0, le=1)
    max_gap_samples: int = Field(default=8, ge=0)
    max_plane_noise: float = Field(default=5.0, gt=0)
    mask_impossible: bool = True
    snr_min: float = Field(default=2.0, ge=0)
    normalise: Literal["integral", "window", "continuum-removed", "line-masked"] = "integral"
    normalise_window: WavelengthRange | None = None
    psf: Literal["none", "subtract", "match"] = "none"
    psf_profile: Literal["moffat", "gaussian"] = "moffat"
    psf_fwhm_arcsec: float | None = Field(default=None, gt=0)
    psf_star: tuple[str, ...] = ()
    psf_max_share: float = Field(default=0.7, gt=0, le=1)

    @model_validator(mode="after")
    def _window_is_given(self) -> PrepareSettings:
        if self.normalise == "window" and self.normalise_window is None:
            raise ValueError('normalise = "window" needs normalise_window = [low, high] in micron')
        return self


class DistanceSettings(SettingsTable):
    """Pairwise distances minimised over a spectral shift.

    `shift` is a number of samples (6 in the paper) or a velocity, for example "300 km/s". With
    noise = "subtract" the distance that noise alone would make is subtracted. `engine` is how they
    are computed, and `dtype` how exactly; all engines give the same distances.
    """

    shift: int | str = 6
    noise: Literal["subtract", "keep"] = "subtract"
    engine: Literal["auto", "naive", "gemm", "fft"] = "auto"
    dtype: Literal["auto", "float32", "float64"] = "auto"

    @field_validator("shift")
    @classmethod
    def _shift_is_meaningful(cls, value: int | str) -> int | str:
        if isinstance(value, int):
            if value < 0:
                raise ValueError("a shift in samples cannot be negative")
        elif _velocity_of(value) is None:
            raise ValueError(f'{value!r} is neither a number of samples nor like "300 km/s"')
        return value

    @property
    def shift_km_s(self) -> float | None:
        """The largest shift in km/s, or None if it is given in samples."""
        return None if isinstance(self.shift, int) else _velocity_of(self.shift)


def _velocity_of(text: str) -> float | None:
    number, _, unit = text.strip().partition(" ")
    try:
        velocity = float(number)
    except ValueError:
        return None
    return velocity if unit.strip() == "km/s" and velocity >= 0 else None


class LinkageSettings(SettingsTable):
    """Hierarchical linkage by `method`. `ward_input = "squared"` feeds squared distances to Ward.

    `path` is how the tree is made. "auto" takes the first of "fastcluster", "chain" and "rounds"
    that fits the memory of a worker; these three give the same partition. If none fits, it takes
    "two-stage", which first puts spaxels into `micro_clusters` micro-clusters.
    """

    method: Literal["ward", "average", "complete", "single"] = "average"
    ward_input: Literal["distance", "squared"] = "distance"
    path: str = "auto"
    micro_clusters: int = Field(default=3000, ge=2)


class CutSettings(SettingsTable):
    """Where the dendrogram is cut.

    By `criterion`: "walk" (or "auto") goes down the tree and keeps the splits that are real; one
    cluster is an answer. "silhouette" takes the largest mean silhouette. "snr" takes the most
    clusters that each reach target_snr. "fixed" takes k. k_min and k_max bound the number of
    clusters, if given.
    """

    criterion: Literal["walk", "auto", "silhouette", "snr", "fixed"] = "walk"
    k: int = Field(default=6, ge=1)
    k_min: int | None = Field(default=None, ge=1)
    k_max: int | None = Field(default=None, ge=1)
    target_snr: float = Field(default=30.0, gt=0)

    @model_validator(mode="after")
    def _range_is_ordered(self) -> CutSettings:
        if self.k_min is not None and self.k_max is not None and self.k_max < self.k_min:
            raise ValueError(f"k_max = {self.k_max} is below k_min = {self.k_min}")
        return self


class ProfileSettings(SettingsTable):
    """Spectra and geometry of the clusters.

    The nuclear cluster has the largest share of the light within nuclear_radius_arcsec of the
    photometric centre. A cluster is flagged low_snr if the continuum of its median spectrum has
    less S/N per sample than low_snr_below, whatever the other clusters are; with low_snr_rule =
    "scatter", as in the paper, if it is below low_snr_factor times the median scatter of the
    spaxels of all clusters. `reconstruct` also writes the model cube and its residual.
    """

    nuclear_radius_arcsec: float = Field(default=0.5, gt=0)
    low_snr_rule: Literal["snr", "scatter"] = "snr"
    low_snr_below: float = Field(default=10.0, ge=0)
    low_snr_factor: float = Field(default=3.0, gt=0)
    reconstruct: bool = False

    @model_validator(mode="before")
    @classmethod
    def _a_factor_alone_means_its_rule(cls, values: Any) -> Any:
        # So settings of earlier versions, which had no other rule, keep their meaning.
        if isinstance(values, dict) and "low_snr_factor" in values:
            return {"low_snr_rule": "scatter"} | values
        return values


class FeatureSettings(SettingsTable):
    """Measurement of lines, bands and the continuum slope in cluster spectra.

    Lines are searched up to velocity_limit_km_s from their place by the redshift. With
    stellar_absorption, Balmer lines are corrected for the usual stellar absorption under them.
    Windows follow the width of the bright lines of a spectrum, up to width_limit_km_s of motion.
    A line is detected above detection_sigma. Its upper limit holds with the probability of a normal
    deviate within upper_limit_sigma; that is the limit, in sigma, if the measured flux is zero.
    """

    stellar_absorption: bool = True
    width_limit_km_s: float = Field(default=1000.0, gt=0)
    velocity_limit_km_s: float = Field(default=700.0, ge=0)
    detection_sigma: float = Field(default=3.0, gt=0)
    upper_limit_sigma: float = Field(default=3.0, gt=0)
