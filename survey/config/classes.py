"""Settings of the classification."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from survey.config.base import SettingsTable


class ClassSettings(SettingsTable):
    """Classification of the clusters of the whole survey, by `survey classify`.

    If `labels` is set (a DS9 region file or an ECSV table), `survey run` classifies too. A class
    labels a cluster if it covers more than min_fraction of it; a region that covers none so far
    labels the one that holds most of it.

    `class` is by `method`: "logistic", "mixture" (one Gaussian a class) or "forest"; a forest of
    three times `trees` is grown in any case. Predictors are the set `predictors` of
    `catalogs/data/predictors.ecsv`, or if none is given the one with the name of `ratios`, a set of
    `catalogs/data/ratios.ecsv` in whose planes the classes are drawn. The slope is left out without
    use_slope; with use_latents the latents of the catalog are added (`survey latent fit RUN`).
    Predictors are perturbed within their errors in each of the `draws`, by random numbers of
    `seed`.

    With `spread`, the way of Hermosa Munoz et al., predictors are the ratios and the slope, labels
    are first spread to clusters that resemble them, and every draw grows a forest of `trees`. They
    are spread over a graph of nearest `neighbours` (kernel = "knn") or by distance (kernel = "rbf",
    gamma); a label gives the share `alpha` to its neighbours. A tree sees at most rows_per_tree
    clusters, and neighbours are searched among at most rows_per_graph.
    """

    classes: tuple[str, ...] = ("AGN", "SF", "other")
    labels: str | None = None
    min_fraction: float = Field(default=0.5, ge=0, lt=1)
    method: Literal["logistic", "mixture", "forest"] = "logistic"
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
