"""Settings of the input: how cubes are read and stored, and tables of your own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from survey.config.base import SettingsTable


class GenericReaderSettings(SettingsTable):
    """Where a cube without a reader of its own keeps its data; `survey inspect CUBE` guesses it.

    `flux`: the extension with the cube, its name or number (0 is the first, with the primary
    header). `error`, `mask`, `wavelength`: an extension, or one of another file beside the cube,
    "other.fits[VAR]". In its name, {name} is the name of the cube without ".fits", and
    {name/icubes/vcubes} the same with "vcubes" in place of "icubes". `wavelength` may be a column,
    "WAVE[lambda]"; it is not needed if the header of the flux has the wavelengths. `error_is`:
    "sigma", "variance" or "inverse-variance". `mask_bits`: bits of the mask, from 0, that mean
    missing data; all if not given. `missing_values`: fluxes that stand for missing data.
    `flux_unit`, `wavelength_unit`: where the header has none, or a wrong one, for example "1e-17
    erg / (s cm2 Angstrom)" and "Angstrom". `wavelength_medium`: "vacuum" or "air", where the header
    does not say; by default that of the instrument. `instrument`: as in instruments.toml, for its
    resolution. `spaxel_area_arcsec2`: where the header has no celestial coordinates. `band`:
    channel or grating, for the catalog.
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
    wavelength_medium: Literal["vacuum", "air"] | None = None
    instrument: str = "generic"
    band: str = ""
    spaxel_area_arcsec2: float | None = Field(default=None, gt=0)

    @field_validator("mask_bits")
    @classmethod
    def _bits_are_numbers_of_bits(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and not all(0 <= bit < 63 for bit in value):
            raise ValueError("mask_bits are numbers of bits, from 0 to 62, not their values")
        return value


class ReadSettings(SettingsTable):
    """How cubes are read. `reader = "auto"` lets the header decide.

    `checksums`: whether a wrong DATASUM or CHECKSUM in a file is a warning, with a flag in the
    catalog, or an error.
    """

    reader: str = "auto"
    checksums: Literal["warn", "strict"] = "warn"
    generic: GenericReaderSettings | None = None


class TableSettings(SettingsTable):
    """Tables of your own, as files beside this one.

    `lines`, `bands`, `ratios`, `predictors` (of classes), `windows`, `instruments`, `demarcations`
    (of diagrams) and `place_classes` (of nuclei and discs) each have the columns (or, in TOML, the
    entries) of the packaged table of its name in catalogs/data. Its rows replace packaged rows of
    the same name, or are added. Of tables that `replace` names, no packaged row is used.
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


class StoreSettings(SettingsTable):
    """Layout of the Zarr stores of converted cubes.

    A chunk has all wavelengths of `chunk_spaxels` spaxels; a file has `shard_chunks` chunks.
    """

    chunk_spaxels: int = Field(default=256, ge=1)
    shard_chunks: int = Field(default=8, ge=1)
