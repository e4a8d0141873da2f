"""Settings: `survey.toml` becomes immutable, validated objects.

Each class is one table of the file. Tables such as prepare, distance and cut are part of the keys
of stages; store, tables, engine and report are not stages. When a stage is computed again follows
from its key: see `survey.pipeline.galaxy.stage.Stage.key`.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from survey.earlier_settings import note_old_defaults, without_removed
from survey.errors import ConfigError

WavelengthRange = tuple[float, float]
WHOLE_WINDOW = "full"


class _Table(BaseModel):
    """One table of the settings file: immutable, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GenericReaderSettings(_Table):
    """Where a cube without a reader of its own keeps its data; `survey inspect CUBE` guesses it.

    `flux`: the extension with the cube, its name or number (0 is the first, with the primary
    header). `error`, `mask`, `wavelength`: an extension, or one of another file beside the cube,
    "other.fits[VAR]". In its name, {name} is the name of the cube without ".fits", and
    {name/icubes/vcubes} the same with "vcubes" in place of "icubes". `wavelength` may be a column,
    "WAVE[lambda]"; it is not needed if the header of the flux has the wavelengths.
    `error_is`: "sigma", "variance" or "inverse-variance". `mask_bits`: bits of the mask, from 0,
    that mean missing data; all if not given. `missing_values`: fluxes that stand for missing data.
    `flux_unit`, `wavelength_unit`: where the header has none, or a wrong one, for example
    "1e-17 erg / (s cm2 Angstrom)" and "Angstrom". `wavelength_medium`: "vacuum" or "air", where the
    header does not say. `instrument`: as in instruments.toml, for its resolution.
    `spaxel_area_arcsec2`: where the header has no celestial coordinates.
    """

    flux: str | int = "SCI"
    error: str | int | None = None
    error_is: Literal["sigma", "variance", "inverse-variance"] = "sigma"
    mask: str | int | None = None
    mask_bits: tuple[int, ...] | None = None
    missing_values: tuple[float, ...] = ()
    flux_unit: str | None = None
    wavelength_unit: str | None = None
    wavelength: str | int | None = None
    wavelength_medium: Literal["vacuum", "air"] = "vacuum"
    instrument: str = "generic"
    band: str = ""
    spaxel_area_arcsec2: float | None = Field(default=None, gt=0)

    @field_validator("mask_bits")
    @classmethod
    def _bits_are_numbers_of_bits(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and not all(0 <= bit < 63 for bit in value):
            raise ValueError("mask_bits are numbers of bits, from 0 to 62, not their values")
        return value


class ReadSettings(_Table):
    """How cubes are read. `reader = "auto"` lets the header decide.

    `checksums`: whether a wrong DATASUM or CHECKSUM in a file is a warning, with a flag in the
    catalog, or an error.
    """

    reader: str = "auto"
    checksums: Literal["warn", "strict"] = "warn"
    generic: GenericReaderSettings | None = None


class PrepareSettings(_Table):
    """From a stored cube to normalised rest-frame spectra.

    `window` is a name in catalogs/data/windows.toml (or in tables.windows), [low, high] in micron
    (rest frame), or "full". A plane is dropped if bad in more than max_bad_spaxel_fraction of the
    spaxels; a spaxel if bad in more than max_bad_plane_fraction of the planes. Gaps of at most
    max_gap_samples are bridged. Stretches of the spectrum noisier than max_plane_noise times the
    whole are kept, but not compared. Spaxels with a continuum S/N below snr_min are left out. With
    mask_impossible, single voxels that neither a line nor a source can make are bad.
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

    @model_validator(mode="after")
    def _window_is_given(self) -> PrepareSettings:
        if self.normalise == "window" and self.normalise_window is None:
            raise ValueError('normalise = "window" needs normalise_window = [low, high] in micron')
        return self


class DistanceSettings(_Table):
    """Pairwise distances minimised over a spectral shift.

    `shift` is a number of samples (6 in the paper) or a velocity, for example "300 km/s". With
    noise = "subtract" the distance that noise alone would make is subtracted.
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


class LinkageSettings(_Table):
    """Hierarchical linkage. `ward_input = "squared"` feeds squared distances to Ward.

    `path` is how the tree is made. "auto" takes the first of "fastcluster", "chain" and "rounds"
    that fits the memory of a worker; these three give the same partition. If none fits, it takes
    "two-stage", which first puts spaxels into `micro_clusters` micro-clusters.
    """

    method: Literal["ward", "average", "complete", "single"] = "average"
    ward_input: Literal["distance", "squared"] = "distance"
    path: str = "auto"
    micro_clusters: int = Field(default=3000, ge=2)


class CutSettings(_Table):
    """Where the dendrogram is cut.

    "walk" (or "auto") goes down the tree and keeps the splits that are real; one cluster is an
    answer. "silhouette" takes the largest mean silhouette. "snr" takes the most clusters that each
    reach target_snr. "fixed" takes k. k_min and k_max bound the number of clusters, if given.
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


class ProfileSettings(_Table):
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


class FeatureSettings(_Table):
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


class TableSettings(_Table):
    """Tables of your own, as files beside this one.

    Each has the columns (or, in TOML, the entries) of the packaged table of its name in
    catalogs/data. Its rows replace packaged rows of the same name, or are added. Of tables that
    `replace` names, no packaged row is used.
    """

    lines: str | None = None
    bands: str | None = None
    ratios: str | None = None
    predictors: str | None = None
    windows: str | None = None
    instruments: str | None = None
    demarcations: str | None = None
    place_classes: str | None = None
    replace: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _replaced_tables_are_given(self) -> TableSettings:
        for name in self.replace:
            if self.files().get(name) is None:
                raise ValueError(f'replace = ["{name}"] needs {name} = "FILE"')
        return self

    def files(self) -> dict[str, str]:
        """The files that are set, by table."""
        return self.model_dump(exclude={"replace"}, exclude_none=True)


class StoreSettings(_Table):
    """Layout of the Zarr stores of converted cubes."""

    chunk_spaxels: int = Field(default=256, ge=1)
    shard_chunks: int = Field(default=8, ge=1)


class ClassSettings(_Table):
    """Classification of the clusters of the whole survey, by `survey classify`.

    If `labels` is set (a DS9 region file or an ECSV table), `survey run` classifies too. A class
    labels a cluster if it covers more than min_fraction of it; a region that covers none so far
    labels the one that holds most of it.

    `class` is by `method`: "mixture" (one Gaussian a class), "logistic" or "forest"; a forest of
    three times `trees` is grown in any case. Predictors are the set `predictors` of
    `catalogs/data/predictors.ecsv`, or if none is given the one with the name of `ratios`, a set of
    `catalogs/data/ratios.ecsv` in whose planes the classes are drawn. The slope is left out without
    use_slope; with use_latents the latents of the catalog are added (`survey latent fit RUN`).
    Predictors are perturbed within their errors in each of the `draws`.

    With `spread`, the way of Hermosa Munoz et al., predictors are the ratios and the slope, labels
    are first spread to clusters that resemble them, and every draw grows a forest of `trees`. They
    are spread over a graph of nearest `neighbours` (kernel = "knn") or by distance (kernel = "rbf",
    gamma); a label gives the share `alpha` to its neighbours. A tree sees at most rows_per_tree
    clusters, and neighbours are searched among at most rows_per_graph.
    """

    classes: tuple[str, ...] = ("AGN", "SF", "other")
    labels: str | None = None
    min_fraction: float = Field(default=0.5, ge=0, lt=1)
    method: Literal["mixture", "logistic", "forest"] = "mixture"
    spread: bool = False
    ratios: str = "ch3"
    predictors: str | None = None
    use_slope: bool = True
    use_latents: bool = False
    draws: int = Field(default=1000, ge=1)
    seed: int = Field(default=0, ge=0)
    kernel: Literal["knn", "rbf"] = "knn"
    neighbours: int = Field(default=7, ge=1)
    gamma: float | None = Field(default=None, gt=0)
    alpha: float = Field(default=0.2, gt=0, lt=1)
    trees: int = Field(default=100, ge=1)
    rows_per_tree: int = Field(default=4096, ge=2)
    rows_per_graph: int = Field(default=16384, ge=2)

    @field_validator("classes")
    @classmethod
    def _classes_make_columns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # Letters and digits alone: p_<class>_err and p_rf_<class> then cannot be confused.
        if (
            len(set(value)) != len(value)
            or len(value) < 2
            or not all(name.isascii() and name.isalnum() for name in value)
        ):
            raise ValueError("classes are two or more different names of letters and digits")
        if taken := sorted(set(value) & {"rf", "err", "oob"}):
            raise ValueError(
                f"names of columns have {taken[0]!r} already: call the class otherwise"
            )
        return value

    @model_validator(mode="after")
    def _labels_are_spread_for_forests(self) -> ClassSettings:
        if self.spread and self.method != "forest":
            raise ValueError('spread = true needs method = "forest"')
        if self.spread and self.predictors is not None:
            raise ValueError("with spread = true the predictors are the set `ratios`")
        return self


class EngineSettings(_Table):
    """Where the work runs, and what stays on disk. None of this changes a result.

    `cluster` is a TOML file with kind = local, existing, ssh, slurm or kubernetes (deploy/), which
    then sets workers and their memory; `scheduler` is the address of a Dask scheduler. Without
    either, `workers` run on this machine. Connections are encrypted, or refused between machines;
    `insecure = true` lets in who can reach a port, to run code. `device` computes distances:
    "auto" takes the GPU for large galaxies if a worker has one and PyTorch. `keep_stores = false`
    deletes the converted cube of a galaxy once its part is committed. patience_s is how long a full
    disk, or workers that die, are waited for; drain_s what galaxies under way get after SIGTERM.
    """

    workers: int = Field(default=2, ge=1)
    threads_per_worker: int = Field(default=1, ge=1)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    memory_limit: str = "auto"
    scheduler: str | None = None
    cluster: str | None = None
    insecure: bool = False
    in_flight_per_worker: int = Field(default=3, ge=1)
    dashboard: bool = True
    keep_stores: bool = True
    patience_s: float = Field(default=120.0, ge=0)
    drain_s: float = Field(default=20.0, ge=0)


class ReportSettings(_Table):
    """Pages of every galaxy; figures = false writes none."""

    figures: bool = True


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "default": {},
    # Hermosa Munoz et al.: integral normalisation, 6 samples, Ward on the root of the
    # minimised sum of squares, a number of clusters chosen by eye between 5 and 7; labels
    # spread to all clusters, and random forests in 1,000 draws.
    "gatos": {
        "prepare": {"normalise": "integral"},
        "distance": {"shift": 6, "noise": "keep"},
        "linkage": {"method": "ward", "ward_input": "distance"},
        "cut": {"criterion": "walk"},
        "profiles": {"low_snr_rule": "scatter"},
        "classes": {"method": "forest", "spread": True, "draws": 1000},
    },
}


class Settings(_Table):
    """All settings of a survey."""

    preset: Literal["default", "gatos"] = "default"
    targets: str | None = None
    tables: TableSettings = TableSettings()
    read: ReadSettings = ReadSettings()
    prepare: PrepareSettings = PrepareSettings()
    distance: DistanceSettings = DistanceSettings()
    linkage: LinkageSettings = LinkageSettings()
    cut: CutSettings = CutSettings()
    profiles: ProfileSettings = ProfileSettings()
    features: FeatureSettings = FeatureSettings()
    store: StoreSettings = StoreSettings()
    classes: ClassSettings = ClassSettings()
    engine: EngineSettings = EngineSettings()
    report: ReportSettings = ReportSettings()


def build_settings(values: dict[str, Any], *, source: str | Path | None = None) -> Settings:
    """Validate nested settings; the preset gives those that are not in `values`.

    A removed setting is dropped with a `SettingsWarning` if its value has no effect. Another
    says what the new defaults are, where the record of an earlier version keeps the old ones.

    Raises
    ------
    ConfigError
        For an unknown key or a value out of range (all problems in one message), and for a
        removed setting whose value had an effect.
    """
    values = without_removed(values, source)
    note_old_defaults(values, source)
    preset = values.get("preset", "default")
    merged = _merge(PRESETS.get(preset, {}), values)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'settings'}: {item['msg']}"
            for item in error.errors()
        )
        raise ConfigError(f"invalid settings: {problems}", file=source) from None


def load_settings(path: str | Path, overrides: dict[str, Any] | None = None) -> Settings:
    """Read a settings file; `overrides`, nested like the file, replace its values.

    Raises
    ------
    ConfigError
        If the file is missing, is not TOML, or does not validate.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError("settings file not found", file=path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"not a TOML file ({error})", file=path) from None
    return build_settings(_merge(values, overrides or {}), source=path)


def fingerprint(*values: Any) -> str:
    """A short digest of JSON values, the same on every machine (blake2b, 128 bits)."""
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[key] = _merge(below, value)
        else:
            merged[key] = value
    return merged
