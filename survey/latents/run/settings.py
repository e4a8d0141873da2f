"""Settings of `survey latent run`: what the columns of tables mean, what is fetched and fitted."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from survey.config.base import SettingsTable
from survey.config.toml_file import read_toml
from survey.errors import ConfigError


class SourceColumns(SettingsTable):
    """Columns of the table of sources, and how far the catalog's source may be from a position.

    Columns that are not given are looked for by their usual names.
    """

    id: str | None = None
    ra: str | None = None
    dec: str | None = None
    files: str | None = None
    radius_arcsec: float = Field(default=3.0, gt=0, le=600)


class LabelColumns(SettingsTable):
    """Columns of the table of labels.

    `id`, `class`, `reference`: name of the source, its class, and where the class is from.
    `ra`, `dec`: in degrees or sexagesimal. `xray`: whether X-ray data took part in the class (yes,
    no, partly), which goes before what is known of the reference. `rename`: classes that go by
    another name; those renamed to "" are left out. `references`: a table of your own with the
    columns reference and used_xray, beside the settings file. `radius_arcsec`: how near a label
    must be to a source that it does not share a name with.
    """

    id: str | None = None
    class_: str | None = Field(default=None, alias="class")
    reference: str | None = None
    ra: str | None = None
    dec: str | None = None
    xray: str | None = None
    rename: dict[str, str] = Field(default_factory=dict)
    references: str | None = None
    radius_arcsec: float = Field(default=1.0, gt=0, le=60)


class FetchSettings(SettingsTable):
    """Which detections of the sources are fetched."""

    min_counts: float = Field(default=40.0, ge=0)
    min_significance: float = Field(default=5.0, ge=0)
    max_off_axis_arcmin: float = Field(default=10.0, gt=0)


class ModelSettings(SettingsTable):
    """The representation whose latents are published, and what it is compared with."""

    method: str = "nmf"
    latents: int = Field(default=8, ge=1)
    epochs: int = Field(default=40, ge=1)
    compared: tuple[str, ...] = ("hardness", "physical", "pca", "nmf")
    seeds: int = Field(default=3, ge=1)
    neighbours: int = Field(default=5, ge=1)


class SourceRunSettings(SettingsTable):
    """All tables of the settings file of `survey latent run`; each may be left out."""

    sources: SourceColumns = SourceColumns()
    labels: LabelColumns = LabelColumns()
    fetch: FetchSettings = FetchSettings()
    model: ModelSettings = ModelSettings()


def load_source_settings(path: Path | None) -> SourceRunSettings:
    """The settings of a file; the defaults where there is none.

    Raises
    ------
    ConfigError
        If it cannot be read, or a setting is unknown or has a wrong value.
    """
    if path is None:
        return SourceRunSettings()
    values = read_toml(path, "settings file")
    try:
        return SourceRunSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"setting {place}: {first['msg']}", file=path) from None
