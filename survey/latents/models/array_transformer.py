"""Representations of plain arrays, for scikit-learn: rows of numbers instead of sets of spectra.

A `SpectrumSet` has what likelihoods need: errors or backgrounds, masks, responses. Arrays have none
of it: here all samples of flux have the same error, and counts no background. Where more is known,
give representations the spectra themselves; pipelines and cross-validations take them.
"""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from survey.errors import SurveyError
from survey.latents.grid import Floats, Grid
from survey.latents.models.methods import make_representation
from survey.latents.spectra import SpectrumSet


class ArrayTransformer(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """A representation of the rows of an array (n, p), as a transformer of scikit-learn.

    Parameters
    ----------
    method : {"pca", "nmf"}
    n_components : int
        Number of latents.
    kind : {"flux", "counts"}
        Counts are whole numbers, not negative.
    seed : int

    Attributes
    ----------
    representation_ : Representation
        What was fitted.
    """

    def __init__(
        self,
        method: Literal["pca", "nmf"] = "pca",
        n_components: int = 2,
        *,
        kind: Literal["flux", "counts"] = "flux",
        seed: int = 0,
    ) -> None:
        self.method = method
        self.n_components = n_components
        self.kind = kind
        self.seed = seed

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from rows (n, p); `y` is ignored.

        Raises
        ------
        ValueError
            If there are too few rows, or counts are none.
        """
        rows = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        chosen = make_representation(self.method, n_latents=self.n_components, seed=self.seed)
        try:
            self.representation_ = chosen.fit(self._spectra(rows))
        except SurveyError as error:
            raise ValueError(str(error)) from error
        return self

    def transform(self, X: Any) -> Floats:
        """Latents (n, k) of rows (n, p)."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        try:
            return self.representation_.transform(self._spectra(rows))
        except SurveyError as error:
            raise ValueError(str(error)) from error

    def inverse_transform(self, X: Any) -> Floats:
        """Shapes (n, p) of latents (n, k)."""
        check_is_fitted(self)
        return self.representation_.inverse_transform(np.asarray(X, dtype=np.float64))

    @property
    def _n_features_out(self) -> int:
        return self.n_components

    def _spectra(self, rows: Floats) -> SpectrumSet:
        edges = np.arange(1.0, rows.shape[1] + 2.0)
        if self.kind == "counts":
            return SpectrumSet(rows, Grid(edges, "keV"), "counts")
        return SpectrumSet(rows, Grid(edges, "um"), "flux", ivar=np.ones(rows.shape))
